"""The twins are equal, in both directions; and a twin that is not is caught and located."""

import copy

from resnet_lessons import parity, resnet_config, tf_resnet, torch_resnet
from resnet_lessons.parity_networks import Key
from tests.networks import images, twins

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from keras import layers
from torch import nn

IMAGENET = [(d, v) for d in (18, 34, 50) for v in ("v1", "v1.5", "v2") if d == 50 or v != "v1.5"]
AS_WIDE_AS_PUBLISHED = {
    (18, "v1"),
    (50, "v1.5"),
    (50, "v2"),
}  # the others at a quarter, which has a 16th of the weights


def assert_equal_in_float64(net, twin, x):
    report = parity.compare(net, twin, x)
    assert report.agrees(1e-9), str(report)
    assert report.gradients.value > 0  # something was computed


@pytest.mark.parametrize(("depth", "version"), IMAGENET)
def test_imagenet_twins_agree_in_float64(depth, version):
    width = 64 if (depth, version) in AS_WIDE_AS_PUBLISHED else 16
    net, twin = twins(depth, version, num_classes=10, width=width)
    for size in ((64, 64), (65, 47)):
        assert_equal_in_float64(net, twin, images(net.config, size))


@pytest.mark.parametrize(
    ("depth", "version", "option"),
    [
        *((20, version, option) for version in ("v1", "v2") for option in ("A", "B", "C", "none")),
        *((56, version, option) for version in ("v1", "v2") for option in ("A", "B", "C")),
        *((164, "v2", option) for option in ("A", "B", "C")),
    ],
)
def test_cifar_twins_agree_in_float64(depth, version, option):
    net, twin = twins(depth, version, family="cifar", shortcut=option)
    assert_equal_in_float64(net, twin, images(net.config, (16, 16) if option in "AC" else (15, 13)))


@pytest.mark.parametrize("option", ["A", "B", "C"])
@pytest.mark.parametrize("in_channels", [1, 3])
def test_options_of_resnet_18_agree_with_one_and_three_channels(option, in_channels):
    net, twin = twins(18, shortcut=option, in_channels=in_channels, num_classes=10, width=16)
    assert_equal_in_float64(net, twin, images(net.config, (48, 33)))


@pytest.mark.parametrize(("depth", "version", "family"), [(50, "v1.5", "imagenet"), (20, "v2", "cifar")])
def test_float32_outputs_and_running_statistics_agree(depth, version, family):
    """Gradients are reported, not asserted: in float32, ReLU kinks flip under BN in training (chapter 01)."""
    net, twin = twins(depth, version, family=family, dtype="float32")
    report = parity.compare(net, twin, images(net.config, (64, 64)).astype("float32"))
    assert report.outputs.value < 1e-4
    assert report.running_stats.value < 1e-4
    assert np.isfinite(report.gradients.value)


def test_weights_survive_the_round_trip():
    net, twin = twins(20, "v2", family="cifar", shortcut="B")
    back = torch_resnet.resnet(config=net.config, dtype="float64")
    parity.copy_weights(source=twin, target=back)
    for (name, ours), theirs in zip(net.state_dict().items(), back.state_dict().values(), strict=True):
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(ours, theirs), name


def test_compare_leaves_both_networks_as_they_were():
    config = resnet_config(14, family="cifar")
    net, twin = torch_resnet.resnet(config=config), tf_resnet.resnet(config=config)
    net.train()
    next(net.modules()).get_submodule("layer1.0.bn1").eval()
    parity.copy_weights(source=net, target=twin)
    before = copy.deepcopy(net.state_dict()), [variable.numpy() for variable in twin.variables]
    parity.compare(net, twin, images(config, (8, 8)))
    parity.first_divergence(net, twin, images(config, (8, 8)))
    assert all(torch.equal(value, before[0][name]) for name, value in net.state_dict().items() if "num_b" not in name)
    for variable, value in zip(twin.variables, before[1], strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
    assert net.training
    assert not net.layer1[0].bn1.training
    assert all(parameter.grad is None for parameter in net.parameters())


def test_running_variances_would_differ_without_the_convention():
    """PyTorch's step uses n/(n−1) times Keras's variance; with one 4×4 map of two images n is 32."""
    net, twin = twins(14, family="cifar", width=4)
    x = images(net.config, (4, 4), batch=2)
    assert parity.compare(net, twin, x).running_stats.value < 1e-12
    net.train()(torch.tensor(x))
    twin(tf.constant(x.transpose(0, 2, 3, 1)), training=True)
    ours = net.bn1.running_var.numpy()
    theirs = twin.get_layer("bn1").moving_variance.numpy()
    assert np.abs(ours / theirs - 1).max() > 1e-3


class BadTwins:
    """Networks with one planted fault each, by the layer at which it must be found."""

    @staticmethod
    def asymmetric_padding(net):
        twin = rebuilt(net, lambda layer, config: {**config, "padding": "same"} if layer.strides == (2, 2) else config)
        return twin, "layer2.0.conv1"

    @staticmethod
    def wrong_eps(net):
        def change(layer, config):
            return {**config, "epsilon": 1e-3} if layer.name == "layer1_1_bn2" else config

        return rebuilt(net, change), "layer1.1.bn2"

    @staticmethod
    def swapped_bn_tensors(net):
        twin = tf_resnet.resnet(config=net.config, dtype="float64")
        parity.copy_weights(source=net, target=twin)
        norm = twin.get_layer("layer1_2_bn1")
        gamma, beta, mean, variance = norm.get_weights()
        norm.set_weights([variance, beta, mean, gamma])
        return twin, "layer1.2.bn1"


def rebuilt(net, change):
    """A Keras copy of a network with some layers' configuration changed (and explicit padding dropped with it)."""
    twin = tf_resnet.resnet(config=net.config, dtype="float64")

    def clone(layer):
        config = layer.get_config()
        if isinstance(layer, (layers.Conv2D, layers.BatchNormalization)):
            if isinstance(layer, layers.BatchNormalization):
                layer.strides = None
            config = change(layer, config)
        if isinstance(layer, layers.ZeroPadding2D) and change is not None and config["padding"]:
            probe = twin.get_layer(layer.name.removesuffix("_pad"))
            if change(probe, probe.get_config()).get("padding") == "same":
                config["padding"] = ((0, 0), (0, 0))
        return type(layer).from_config(config)

    plain = keras.Model(twin.input, twin.output)
    bad = keras.models.clone_model(plain, clone_function=clone)
    parity.copy_weights(source=net, target=bad)
    return bad


@pytest.mark.parametrize("fault", [name for name in vars(BadTwins) if not name.startswith("_")])
def test_a_broken_keras_twin_is_caught_and_located(fault):
    net = torch_resnet.resnet(20, family="cifar", shortcut="B", dtype="float64")
    parity.randomize_batch_norm(net)
    bad, where = getattr(BadTwins, fault)(net)
    x = images(net.config, (16, 16))
    assert parity.compare(net, bad, x).outputs.value > 1e-6
    found = parity.first_divergence(net, bad, x)
    assert found is not None
    assert found.layer == where
    assert f"first different at {where}" in str(found)


class ReluBeforeAdd(torch_resnet.BasicBlock):
    def forward(self, x):
        out = self.relu1(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(out))) + self.downsample(x)


def test_relu_before_the_addition_is_caught_and_located():
    net, twin = twins(20, family="cifar")
    bad = copy.deepcopy(net)
    bad.layer2[1].__class__ = ReluBeforeAdd
    x = images(net.config, (16, 16))
    assert not parity.compare(bad, twin, x).agrees(1e-3)
    found = parity.first_divergence(bad, twin, x)
    assert found.layer == "layer2.1.relu2"
    assert found.agreed_up_to == "layer2.1.bn2"


def test_a_stride_on_the_wrong_convolution_is_caught_and_located():
    net = torch_resnet.resnet(50, "v1", num_classes=4, width=16, dtype="float64")
    parity.randomize_batch_norm(net)
    twin = tf_resnet.resnet(50, "v1.5", num_classes=4, width=16, dtype="float64")
    parity.copy_weights(source=net, target=twin)  # the weights fit without a word: that is the trap
    x = images(net.config, (64, 64), batch=2)
    assert parity.compare(net, twin, x).outputs.value > 1e-2
    found = parity.first_divergence(net, twin, x)
    assert found.layer == "layer2.0.conv1"
    assert "shape 2×32×8×8 against 2×32×16×16" in str(found)


def test_equal_networks_do_not_diverge():
    net, twin = twins(20, "v2", family="cifar")
    x = images(net.config, (16, 16))
    assert parity.first_divergence(net, twin, x) is None
    assert parity.first_divergence(twin, net, x) is None
    assert parity.first_divergence(net, copy.deepcopy(net), x) is None


def test_a_forgotten_copy_is_noticed():
    config = resnet_config(14, family="cifar")
    net, twin = torch_resnet.resnet(config=config), tf_resnet.resnet(config=config)
    report = parity.compare(net, twin, images(config, (8, 8)))
    assert report.outputs.value > 1e-2
    assert "DIFFERENT" in report.verdict(1e-4)


def test_a_different_keras_momentum_is_found_in_the_running_statistics():
    net = torch_resnet.resnet(14, family="cifar", dtype="float64")
    parity.randomize_batch_norm(net)
    bad = rebuilt(net, lambda layer, config: {**config, "momentum": 0.99} if "momentum" in config else config)
    report = parity.compare(net, bad, images(net.config, (8, 8)))
    assert report.outputs.value < 1e-9
    assert report.running_stats.value > 1e-3


def test_outputs_of_other_shapes_point_to_the_walk():
    net = torch_resnet.resnet(14, family="cifar", dtype="float64")
    strided = copy.deepcopy(net)
    strided.conv1.stride = (2, 2)
    strided.avgpool = nn.Identity()
    strided.fc = nn.Identity()
    net.avgpool = net.fc = nn.Identity()
    x = images(net.config, (8, 8))
    with pytest.raises(ValueError, match=r"different shapes, 3×256 and 3×64, .*first_divergence"):
        parity.compare(net, strided, x)
    assert parity.first_divergence(net, strided, x).layer == "conv1"


def test_a_parameter_without_effect_has_a_gradient_of_zeros_in_both():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.idle = nn.Conv2d(3, 4, 1, bias=False), nn.Conv2d(3, 4, 1, bias=False)

        def forward(self, x):
            return self.conv(x)

    x = keras.Input((None, None, 3))
    idle = layers.Conv2D(4, 1, use_bias=False, name="idle")(x)
    out = layers.Conv2D(4, 1, use_bias=False, name="conv")(x) + 0 * idle
    net, twin = Idle(), keras.Model(x, out)
    parity.copy_weights(source=net, target=twin)
    report = parity.compare(net, twin, np.random.default_rng(0).standard_normal((2, 3, 4, 4)))
    assert report.tensors["gradients"]["idle.weight"] == 0
    assert report.agrees(1e-4)


def test_nan_is_a_difference():
    net, twin = twins(14, family="cifar")
    with torch.no_grad():
        net.fc.bias[0] = float("nan")
    parity.copy_weights(source=net, target=twin)
    assert parity.compare(net, twin, images(net.config, (8, 8))).outputs.value == float("inf")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("layer1.0.conv1.weight"), r"missing in the source: layer1_0_conv1\.weight"),
        (lambda s: s.update(extra_weight=torch.ones(1)), "not in the target: extra_weight"),
        (lambda s: s.update({"fc.bias": torch.ones(11)}), r"fc\.bias is 11 in the source and 10 in the target"),
    ],
)
def test_weights_that_do_not_fit_are_named_and_nothing_is_copied(change, message):
    config = resnet_config(14, family="cifar")
    state = torch_resnet.resnet(config=config).state_dict()
    change(state)
    twin = tf_resnet.resnet(config=config)
    before = [variable.numpy() for variable in twin.variables]
    with pytest.raises(ValueError, match=message):
        parity.copy_weights(source=state, target=twin)
    for variable, value in zip(twin.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)


def test_a_copy_that_fails_half_way_is_undone():
    config = resnet_config(14, family="cifar")
    net = torch_resnet.resnet(config=config)
    before = copy.deepcopy(net.state_dict())
    state = {name: value.numpy() for name, value in torch_resnet.resnet(config=config).state_dict().items()}
    state["fc.bias"] = np.array(["not a number"] * 10)
    with pytest.raises(TypeError):
        parity.copy_weights(source=state, target=net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_learners_own_block_is_compared_by_its_names():
    class Mine(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)

        def forward(self, x):
            return torch.relu(self.bn(self.conv(x)))

    x = keras.Input((None, None, 3))
    out = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(x)
    out = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="bn")(out)
    twin, net = keras.Model(x, layers.ReLU()(out)), Mine()
    parity.randomize_batch_norm(net)
    parity.copy_weights(source=net, target=twin)
    batch = np.random.default_rng(0).standard_normal((2, 3, 6, 6)).astype("float32")
    assert parity.compare(net, twin, batch).agrees(1e-4)
    assert parity.compare(net, twin, torch.tensor(batch)).agrees(1e-4)
    assert parity.compare(net, twin, tf.constant(batch.transpose(0, 2, 3, 1))).agrees(1e-4)


def test_every_kind_of_keras_model_is_compared_and_only_a_subclassed_one_hides_its_layers():
    def conv_and_bn():
        return [
            layers.Conv2D(4, 3, padding="same", name="conv"),
            layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="bn"),
        ]

    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv, self.bn = conv_and_bn()

        def call(self, x):
            return self.bn(self.conv(x))

    x = keras.Input((None, None, 3))
    conv, norm = conv_and_bn()
    functional = keras.Model(x, norm(conv(x)))
    sequential = keras.Sequential([keras.Input((None, None, 3)), *conv_and_bn()])
    subclassed = Subclassed()
    subclassed(np.zeros((1, 6, 6, 3)))
    batch = np.random.default_rng(0).standard_normal((2, 3, 6, 6))
    parity.randomize_batch_norm(functional)
    for other in (sequential, subclassed):
        parity.copy_weights(source=functional, target=other)
        assert parity.compare(functional, other, batch).agrees(1e-4)
    assert parity.first_divergence(functional, sequential, batch) is None
    with pytest.raises(TypeError, match="is a subclassed Keras model, whose inside cannot be seen"):
        parity.first_divergence(functional, subclassed, batch)


def test_random_bn_values_are_each_tensors_own():
    net = torch_resnet.resnet(20, family="cifar")
    parity.randomize_batch_norm(net)
    values = [net.layer1[0].bn1.weight, net.layer1[0].bn1.running_var, net.layer1[1].bn1.weight]
    assert not any(torch.allclose(a, b) for a in values for b in values if a is not b)
    assert all((module.running_var > 0).all() for module in net.modules() if isinstance(module, nn.BatchNorm2d))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda net: parity.compare(net, tf_resnet.BasicBlock(3, 4), np.zeros((1, 3, 4, 4))), TypeError, "keras.Model"),
        (lambda net: parity.compare(net, 3, None), TypeError, "neither a torch.nn.Module nor a keras.Model"),
        (lambda net: parity.compare(net, net, None), ValueError, "images is missing"),
        (lambda net: parity.compare(net, net, np.zeros((3, 8, 8))), ValueError, r"shape \(3, 8, 8\)"),
        (lambda net: parity.compare(net, net, np.zeros((1, 3, 8, 8), int)), ValueError, "floating-point"),
        (lambda net: parity.compare(net, nn.Linear(3, 4), np.zeros((1, 3, 8, 8))), ValueError, "no tensor in common"),
        (lambda net: parity.recorded("nonsense"), ValueError, "There is no recording 'nonsense'"),
    ],
)
def test_what_cannot_be_compared_is_explained(call, error, message):
    with pytest.raises(error, match=message):
        call(torch_resnet.resnet(14, family="cifar"))


def test_keys_are_the_same_in_both_frameworks():
    net, twin = twins(164, "v2", family="cifar")
    ours, theirs = parity.wrap(net).tensors(), parity.wrap(twin).tensors()
    assert ours.keys() == theirs.keys()
    assert Key("layer3_17_conv2", "weight") in ours
    assert len({tensor.name for tensor in ours.values()}) == len(ours)
