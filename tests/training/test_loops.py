"""Two loops: networks that learn, and what is refused."""

from resnet_lessons import datasets, parity, resnet_config, training
from resnet_lessons.frameworks import FRAMEWORKS
from tests.training.small import network, small

import numpy as np
import pytest
import torch


@pytest.fixture(scope="module")
def digits():
    return datasets.load_dataset("digits")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_resnet_20_v2_passes_98_percent_on_digits(framework, digits):
    config = resnet_config(20, "v2", family="cifar", in_channels=1, width=8)
    net = training.new_network(framework, config)
    history = training.fit(net, digits, training.RECIPES["digits"], progress=False)
    assert history["test_accuracy"][-1] > 0.98
    loss, accuracy = training.evaluate(net, digits.normalized(digits.test), digits.test.labels)
    assert accuracy == pytest.approx(history["test_accuracy"][-1], abs=1e-6)
    assert loss == pytest.approx(history["test_loss"][-1], rel=1e-3)
    assert history["epoch"] == [float(epoch) for epoch in range(1, 21)]


def test_the_order_of_images_is_a_function_of_seed_and_epoch():
    recipe = training.Recipe(batch_size=32)
    first, again = (np.concatenate(list(training.batch_order(100, recipe, 3))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert sorted(first) == list(range(100))
    assert [len(batch) for batch in training.batch_order(100, recipe, 3)] == [32, 32, 32, 4]
    others = [training.batch_order(100, recipe, 4), training.batch_order(100, training.Recipe(seed=1), 3)]
    assert all((np.concatenate(list(other)) != first).any() for other in others)


def test_a_batch_larger_than_the_dataset_is_refused_before_anything_is_built(digits):
    recipe = training.Recipe(batch_size=5000)
    with pytest.raises(
        ValueError, match="batch_size is 5000, and there are only 1,437 training images; choose at most"
    ):
        training.fit(None, digits, recipe)
    training.check_batch_size(training.Recipe(batch_size=1437), digits)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_diverging_training_stops_and_says_what_to_try(framework, digits):
    net = training.new_network(framework, resnet_config(8, family="cifar", in_channels=1, width=4))
    with pytest.raises(FloatingPointError, match="a tenth of the learning rate"):
        training.fit(net, small(100), training.Recipe(epochs=3, peak_rate=1e30), progress=False)


def test_gradient_norms_agree_and_leave_the_network_alone(digits):
    config = resnet_config(14, family="cifar", in_channels=1, width=4)
    net, twin = (training.new_network(framework, config, dtype="float64") for framework in FRAMEWORKS)
    parity.copy_weights(source=net, target=twin)
    before = net.bn1.running_mean.clone()
    batch, labels = digits.normalized(digits.train)[:32].astype("float64"), digits.train.labels[:32]
    ours, theirs = (training.gradient_norms(n, batch, labels) for n in (net, twin))
    assert list(ours) == list(theirs)
    assert len(ours) == 13
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=1e-9)
    net.zero_grad()
    net.train()
    torch.nn.functional.cross_entropy(net(torch.tensor(batch)), torch.tensor(labels)).backward()
    assert ours["layer2.0.conv1"] == pytest.approx(float(net.layer2[0].conv1.weight.grad.norm()))
    training.gradient_norms(net, batch, labels)
    parity.copy_weights(source=twin, target=net)
    assert torch.equal(net.bn1.running_mean, before)


def test_the_seed_decides_the_initial_weights():
    config = resnet_config(8, family="cifar", width=4)
    for framework in FRAMEWORKS:
        one, same, other = (parity.state_of(training.new_network(framework, config, seed)) for seed in (0, 0, 1))
        np.testing.assert_array_equal(one["layer1.0.conv1.weight"], same["layer1.0.conv1.weight"])
        assert (one["layer1.0.conv1.weight"] != other["layer1.0.conv1.weight"]).any()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_network_in_another_dtype_than_the_recipes_is_refused(framework):
    with pytest.raises(
        ValueError, match=r"'float32', which needs a network in float32; this one is in float64. Build it"
    ):
        training.fit(network(framework, dtype="float64"), small(64), training.Recipe(), progress=False)
    with pytest.raises(ValueError, match='dtype="float64", or take a recipe with precision="float32"'):
        training.fit(network(framework), small(64), training.Recipe(precision="float64"), progress=False)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_bfloat16_computes_in_bfloat16_and_keeps_its_weights_in_float32(framework):
    """The losses follow those of float32 to about three digits, and not to more."""
    seen = {}
    for precision in ("float32", "bfloat16"):
        net, losses = network(framework), []
        recipe = training.Recipe(epochs=1, precision=precision, channels_last=True)
        training.fit(net, small(320), recipe, progress=False, on_step=lambda s, seen=losses: seen.append(s.loss))
        seen[precision] = np.array(losses)
        assert {array.dtype for array in parity.state_of(net).values()} == {np.dtype("float32")}
    difference = np.abs(seen["bfloat16"] / seen["float32"] - 1)
    assert 1e-5 < difference[0] < 0.02
    images = np.zeros((2, 1, 8, 8), "float32")
    assert training.predict(net, images).dtype == np.float32


def test_networks_of_others_are_given_images_in_the_usual_order_of_memory():
    """`view` asks for it; ours are quicker with the channels of a pixel side by side, and compute the same."""
    images = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype("float32")

    class Views(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = torch.nn.Linear(192, 10)

        def forward(self, x):
            return self.fc(x.view(len(x), -1))

    assert training.predict(Views(), images).shape == (5, 10)
    ours = training.new_network("pytorch", resnet_config(8, family="cifar")).eval()
    with torch.no_grad():
        expected = ours(torch.tensor(images)).numpy()
    np.testing.assert_allclose(training.predict(ours, images), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_running_average_of_the_weights_is_what_is_tested_and_left(framework):
    """With a decay of nearly 1 the average stays where it was after the first update."""
    data, first = small(320), {}

    def keep(session):
        if session.step == 1:
            first.update(session.held.weights())

    net = network(framework)
    history = training.fit(net, data, training.Recipe(epochs=2, ema=1 - 1e-9), progress=False, on_step=keep)
    for name, array in parity.state_of(net).items():
        if not name.endswith(("running_mean", "running_var")):
            np.testing.assert_allclose(array, first[name], atol=1e-6, err_msg=name)
    loss, accuracy = training.evaluate(net, data.normalized(data.test), data.test.labels)
    assert accuracy == pytest.approx(history["test_accuracy"][-1])
    assert loss == pytest.approx(history["test_loss"][-1], rel=1e-4)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_iterations_may_end_within_an_epoch(framework):
    steps = []
    recipe = training.Recipe(epochs=None, iterations=7, batch_size=64)
    history = training.fit(
        network(framework), small(320), recipe, progress=False, on_step=lambda session: steps.append(session.batch)
    )
    assert steps == [1, 2, 3, 4, 5, 1, 2]
    assert history["epoch"] == [1, 2]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_pixels_mean_may_be_subtracted(framework):
    """The mean image of 1512.03385, section 4.2: batches have mean 0 at every pixel, and are divided by nothing."""
    from resnet_lessons.training.data import training_batches

    data = small(128)
    layout = "NCHW" if framework == "pytorch" else "NHWC"
    (images, _), *rest = training_batches(
        data, training.Recipe(batch_size=128, normalization="pixel"), 0, layout=layout
    )
    assert not rest
    assert images.shape[1 if framework == "pytorch" else 3] == 1
    np.testing.assert_allclose(images.mean(axis=0), 0, atol=1e-6)
    assert 0.9 < np.ptp(images) <= 2


def test_only_what_the_recipe_says_decays():
    from resnet_lessons.training.torch_state import decayed_and_not

    net = network("pytorch")
    spared = decayed_and_not(net, training.Recipe(weight_decay=0.1))
    assert [group["weight_decay"] for group in spared] == [0.1, 0.0]
    assert all(parameter.ndim == 1 for parameter in spared[1]["params"])
    assert sum(len(group["params"]) for group in spared) == len(list(net.parameters()))
    assert [g["weight_decay"] for g in decayed_and_not(net, training.Recipe(weight_decay=0.1, decay_all=True))] == [0.1]
