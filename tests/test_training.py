"""One recipe, two loops: the same batches, the same rates, and networks that learn."""

import json
import re

from resnet_lessons import datasets, parity, pretrained, resnet_config, training
from resnet_lessons.cli import run
from resnet_lessons.frameworks import FRAMEWORKS
from tests.command_line import assert_one_line

import numpy as np
import pytest
import torch


@pytest.fixture(scope="module")
def digits():
    return datasets.load_dataset("digits")


def small(dataset, images):
    """The first images of a dataset, as a dataset of its own."""
    from dataclasses import replace

    parts = {
        name: datasets.Part(getattr(dataset, name).images[:images], getattr(dataset, name).labels[:images])
        for name in ("train", "test")
    }
    return replace(dataset, **parts)


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


def test_both_frameworks_take_the_same_steps(digits, monkeypatch):
    """Same weights, same batches, float64, a constant rate: the losses are one and the same.

    The two write their momentum differently, which shows where the rate changes; and Keras keeps the rate in float32, in
    which 0.125 is exact.
    """
    from resnet_lessons.training import tf_loop, torch_loop

    for loop in (torch_loop, tf_loop):
        monkeypatch.setattr(loop, "learning_rate", lambda *_: 0.125)
    config = resnet_config(8, family="cifar", in_channels=1, width=4)
    net, twin = (training.new_network(framework, config, dtype="float64") for framework in FRAMEWORKS)
    parity.copy_weights(source=net, target=twin)
    recipe = training.Recipe(epochs=3, batch_size=32, peak_rate=0.125, momentum=0.875)
    ours, theirs = (training.fit(n, small(digits, 192), recipe, progress=False) for n in (net, twin))
    for epoch in range(3):
        # Keras averages an epoch's losses in float32.
        assert ours["train_loss"][epoch] == pytest.approx(theirs["train_loss"][epoch], rel=1e-6)
    for name, array in parity.state_of(net).items():
        if "running_var" not in name:  # PyTorch's is the unbiased one
            np.testing.assert_allclose(array, parity.state_of(twin)[name], rtol=1e-9, atol=1e-12)


def test_the_order_of_images_is_a_function_of_seed_and_epoch():
    recipe = training.Recipe(batch_size=32)
    first, again = (np.concatenate(list(training.batch_order(100, recipe, 3))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert sorted(first) == list(range(100))
    assert [len(batch) for batch in training.batch_order(100, recipe, 3)] == [32, 32, 32, 4]
    others = [training.batch_order(100, recipe, 4), training.batch_order(100, training.Recipe(seed=1), 3)]
    assert all((np.concatenate(list(other)) != first).any() for other in others)


def test_the_rate_rises_to_its_peak_and_falls_to_zero():
    recipe = training.Recipe(peak_rate=0.3, warm_up=0.3)
    rates = [training.learning_rate(recipe, step, 100) for step in range(100)]
    assert max(rates) == rates[29] == 0.3
    assert all(np.diff(rates)[:29] > 0)
    assert all(np.diff(rates)[29:] < 0)
    assert rates[-1] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("epochs", 1.5),
        ("batch_size", -1),
        ("peak_rate", 0),
        ("momentum", 1),
        ("warm_up", 0),
        ("seed", -1),
        ("seed", 0.5),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_explained(field, value):
    with pytest.raises(ValueError, match=f"{field} is {value}"):
        training.Recipe(**{field: value})


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
        training.fit(net, small(digits, 100), training.Recipe(epochs=3, peak_rate=1e30), progress=False)


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


def test_digits_are_real_and_split_by_class(digits):
    assert (len(digits.train), len(digits.test), digits.image_shape) == (1437, 360, (1, 8, 8))
    assert digits.train.images.max() == digits.brightest == 16
    shares = [np.bincount(part.labels) / len(part) for part in (digits.train, digits.test)]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.01)
    normalized = digits.normalized(digits.train)
    assert normalized.shape == (1437, 1, 8, 8)
    assert normalized.dtype == np.float32
    assert normalized.mean() == pytest.approx(0, abs=1e-5)
    assert normalized.std() == pytest.approx(1, abs=1e-5)


def test_what_is_not_on_this_machine_is_explained(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="digits, cifar10"):
        datasets.load_dataset("mnist")
    monkeypatch.delenv(datasets.VARIABLE, raising=False)
    with pytest.raises(ValueError, match="RESNET_LESSONS_DATA is not set"):
        datasets.load_dataset("cifar10")
    monkeypatch.setenv(datasets.VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match=r"holds no uoft-cs/cifar10"):
        datasets.load_dataset("cifar10")


def test_cifar10_is_read_from_parquet_files_of_the_hubs_schema(monkeypatch, tmp_path):
    import datasets as hub
    from PIL import Image

    generator = np.random.default_rng(0)
    pixels = {
        "train": generator.integers(0, 256, (6, 32, 32, 3), np.uint8),
        "test": np.full((3, 32, 32, 3), 7, np.uint8),
    }
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    features = hub.Features({"img": hub.Image(), "label": hub.ClassLabel(names=names)})
    folder = tmp_path / "uoft-cs" / "cifar10" / "plain_text"
    folder.mkdir(parents=True)
    for part, images in pixels.items():
        rows = {"img": [Image.fromarray(image) for image in images], "label": list(range(len(images)))}
        hub.Dataset.from_dict(rows, features=features).to_parquet(folder / f"{part}-00000-of-00001.parquet")
    monkeypatch.setenv(datasets.VARIABLE, str(tmp_path))
    found = datasets.load_dataset("cifar10")
    np.testing.assert_array_equal(found.train.images, pixels["train"])
    np.testing.assert_array_equal(found.test.images, pixels["test"])
    assert found.class_names == tuple(names)
    np.testing.assert_array_equal(found.train.labels, range(6))
    np.testing.assert_allclose(found.mean, pixels["train"].mean(axis=(0, 1, 2)) / 255)


def test_recorded_degradation_says_what_chapter_00_says_of_it():
    record = training.recorded("degradation")
    reached = {
        network: [run["history"]["train_accuracy"][-1] for run in record["runs"] if run["network"] == network]
        for network in ("plain-20", "plain-56", "residual-56")
    }
    assert all(len(values) == 10 for values in reached.values())
    assert min(reached["plain-20"]) > 0.98
    assert max(reached["plain-56"]) < 0.75
    assert min(reached["residual-56"]) > 0.98
    assert record["made_by"]["command"] == "python benchmarks/degradation.py"
    patient = [run["history"]["train_accuracy"][-1] for run in training.recorded("patience")["runs"]]
    assert len(patient) == 6
    assert max(patient) < min(reached["plain-20"]) - 0.05
    with pytest.raises(ValueError, match="There is no record 'nonsense'; there are: degradation, lesion, patience, "):
        training.recorded("nonsense")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_recordings_are_what_both_frameworks_compute(framework):
    from resnet_lessons import tf_resnet, torch_resnet
    from resnet_lessons.tf_layers import dtype_of_layers

    import keras

    recording = parity.recorded(f"basic_block_{framework}")
    with dtype_of_layers("float64"):
        x = keras.Input((None, None, 8), dtype="float64")
        blocks = [torch_resnet.BasicBlock(8, 8).double(), keras.Model(x, tf_resnet.BasicBlock(8, 8)(x))]
    for block in blocks:
        parity.copy_weights(source=recording, target=block)
        report = parity.compare(block, recording)
        assert report.agrees(1e-12), str(report)
    gamma = dict(parity.wrap(blocks[0]).tensors())[parity.Key("bn1", "weight")]
    gamma.write(gamma.read() * 1.001)
    assert not parity.compare(blocks[0], recording).agrees(1e-6)


# The command line -----------------------------------------------------------------------------------------------------


def test_train_and_evaluate_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    quick = ["--depth", "8", "--width", "4", "--epochs", "2", "--framework"]
    for framework, other in (FRAMEWORKS, FRAMEWORKS[::-1]):
        assert run(["train", *quick, framework]) == 0
        said = capsys.readouterr().out
        weights = f"resnet-8-v1-digits-{framework}.safetensors"
        assert weights in said
        share = said.split("test accuracy ")[1].split(" (")[0]
        assert run(["evaluate", weights, "--framework", other]) == 0
        assert f"test accuracy {share}" in capsys.readouterr().out
        assert pretrained.load(weights, framework=other).config.width == 4
    assert run(["train", *quick, "pytorch"]) == 0
    assert "resnet-8-v1-digits-pytorch-2.safetensors" in capsys.readouterr().out
    from safetensors import safe_open

    with safe_open("resnet-8-v1-digits-pytorch-2.safetensors", framework="numpy") as file:
        assert json.loads(file.metadata()["resnet_lessons"])["depth"] == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--framework", "jax"], "framework is 'jax'; it is one of pytorch, tensorflow"),
        (["train", "--depth", "37"], "There is no ResNet-37"),
        (["train", "--version", "v1.5"], "There is no ResNet-20 v1.5"),
        (["train", "--data", "mnist"], "There is no dataset 'mnist'"),
        (["train", "--epochs", "0"], "epochs is 0"),
        (["train", "--epochs", "many"], "invalid value 'many'"),
        (["train", "--seed", "-1"], "seed is -1; it is a whole number from 0 on."),
        (["train", "--batch-size", "5000"], "there are only 1,437 training images"),
        (["train", "--output", "weights.pth"], "let it end in .safetensors"),
        (["train", "--output", "there.safetensors"], "exists already"),
        (["train", "--output", "nowhere/w.safetensors"], "no folder that can be written to"),
        (["evaluate", "nothing.safetensors"], "There is no file nothing.safetensors"),
        (["evaluate", "."], "'.' is a folder; give a weights file"),
        (["evaluate", "there.safetensors"], "truncated or damaged"),
        (["evaluate", "colour.safetensors"], "images of 3 channels and 10 classes; digits has 1 and 10"),
        (["evaluate", "colour.safetensors", "--normalization", "none"], "one of dataset, imagenet"),
        (["evaluate"], "missing argument"),
    ],
)
def test_what_is_asked_wrongly_gets_one_line_and_status_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.safetensors").write_bytes(b"nonsense")
    pretrained.save(training.new_network("pytorch", resnet_config(8, family="cifar", width=4)), "colour.safetensors")
    assert_one_line(arguments, f"(?i){re.escape(message)}", capsys)
