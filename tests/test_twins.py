"""Both twins build what the description says, start as it says, and work with their ecosystems' tools."""

import copy
import inspect
import pickle
import subprocess
import sys
from pathlib import Path

from resnet_lessons import parity, resnet_config, tf_resnet, torch_resnet, trace
from tests.networks import images

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.utils.flop_counter import FlopCounterMode

EVERY_IMAGENET = [
    (depth, version)
    for depth in (18, 34, 50, 101, 152)
    for version in ("v1", "v1.5", "v2")
    if depth >= 50 or version != "v1.5"
]
CIFAR_NETS = [
    resnet_config(20, family="cifar"),
    resnet_config(32, "v2", family="cifar", shortcut="B"),
    resnet_config(56, family="cifar", shortcut="none"),
    resnet_config(164, "v2", family="cifar"),
    resnet_config(164, "v1.5", family="cifar", shortcut="C"),
]


def count_macs(net, size):
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net.eval()(torch.zeros(1, net.config.in_channels, *size))
    return counter.get_total_flops() // 2  # one multiply-add is two operations


def trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize(("depth", "version"), EVERY_IMAGENET)
def test_imagenet_networks_have_the_described_parameters_and_macs(depth, version):
    config = resnet_config(depth, version)
    with torch.device("meta"):  # no memory, no time: only shapes
        net = torch_resnet.ResNet(config)
    assert sum(parameter.numel() for parameter in net.parameters()) == config.parameters
    with FlopCounterMode(display=False) as counter:
        net.eval()(torch.zeros(1, 3, 224, 224, device="meta"))
    assert counter.get_total_flops() // 2 == sum(layer.macs for layer in trace(config))


@pytest.mark.parametrize(("depth", "version"), [(18, "v1"), (34, "v2"), (50, "v1.5"), (101, "v2"), (152, "v1")])
def test_the_keras_twin_has_the_described_parameters(depth, version):
    assert trainable(tf_resnet.resnet(depth, version)) == resnet_config(depth, version).parameters


@pytest.mark.parametrize("config", CIFAR_NETS, ids=lambda config: f"{config.name}-{config.shortcut}")
def test_cifar_networks_have_the_described_parameters_and_macs(config):
    net, twin = torch_resnet.resnet(config=config), tf_resnet.resnet(config=config)
    assert sum(parameter.numel() for parameter in net.parameters()) == trainable(twin) == config.parameters
    for size in [(32, 32), (33, 30)]:
        assert count_macs(net, size) == sum(layer.macs for layer in trace(config, size))


@pytest.mark.parametrize("config", [*CIFAR_NETS, resnet_config(18), resnet_config(50, "v2")], ids=lambda c: c.name)
def test_the_trace_names_and_shapes_are_those_of_both_networks(config):
    size = (64, 50) if config.family == "imagenet" else (16, 11)
    net, twin = torch_resnet.resnet(config=config), tf_resnet.resnet(config=config, image_size=size)
    traced = {layer.name: layer.out_shape for layer in trace(config, size)}
    seen = parity.wrap(net).layer_outputs(images(config, size, batch=1))
    for name in traced.keys() & seen.keys():
        assert seen[name].shape[1:] == traced[name] or name == "avgpool"
    own_layers = {name for name, kind in ((layer.name, layer.kind) for layer in trace(config, size)) if kind != "add"}
    assert own_layers <= seen.keys()
    for name, shape in traced.items():
        if not (layer := keras_layer(twin, name)):
            assert name.endswith("downsample")  # the padding of option A is an operation, not a layer
            continue
        keras_shape = tuple(layer.output.shape[1:])
        assert (keras_shape[-1], *keras_shape[:-1]) == (shape if name != "avgpool" else shape[:1])


def keras_layer(model, name):
    return next((layer for layer in model.layers if layer.name == name.replace(".", "_")), None)


def test_state_dict_names_are_torchvisions():
    names = set(torch_resnet.resnet50().state_dict())
    assert len(names) == 320  # torchvision's resnet50 has 320 entries
    assert {
        "conv1.weight",
        "bn1.running_mean",
        "layer1.0.conv3.weight",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.num_batches_tracked",
        "layer4.2.bn3.bias",
        "fc.weight",
        "fc.bias",
    } <= names
    assert "layer1.1.downsample.0.weight" not in names
    assert {"bn.weight", "bn.running_var"} <= set(torch_resnet.resnet50("v2").state_dict())


def test_the_twins_define_the_same_classes_in_the_same_order():
    def classes(module):
        return [
            name
            for name, value in vars(module).items()
            if inspect.isclass(value) and value.__module__ == module.__name__ and name != "PadShortcut"
        ]

    assert classes(torch_resnet) == classes(tf_resnet)
    assert classes(torch_resnet) == ["BasicBlock", "Bottleneck", "PreActBasicBlock", "PreActBottleneck", "ResNet"]


@pytest.mark.parametrize("build", [torch_resnet.resnet, tf_resnet.resnet])
def test_convolutions_start_kaiming_normal_fan_out(build):
    """Standard deviation √(2 / (k²·out)), a normal distribution that is not truncated; the head uniform in ±1/√in."""
    net = parity.wrap(build(18, num_classes=1000)).tensors()
    for key, tensor in net.items():
        values = tensor.read()
        if values.ndim == 4 and values.size > 30_000:
            expected = np.sqrt(2 / (values.shape[0] * values.shape[2] * values.shape[3]))
            assert values.std() == pytest.approx(expected, rel=0.03), key
            assert np.abs(values).max() > 3 * expected  # a truncated normal ends at two standard deviations
    head = {key.kind: tensor.read() for key, tensor in net.items() if key.layer == "fc"}
    for values in head.values():
        assert np.abs(values).max() <= 512**-0.5
        assert np.abs(values).max() > 0.98 * 512**-0.5
    firsts = [net[parity.Key(f"layer1_{block}_conv2", "weight")].read() for block in (0, 1)]
    assert not np.allclose(*firsts)  # layers of one shape are drawn apart


@pytest.mark.parametrize("build", [torch_resnet.resnet, tf_resnet.resnet])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_zero_init_residual_makes_blocks_identities(build, version):
    config = resnet_config(20, version, family="cifar", zero_init_residual=True)
    seen = parity.wrap(build(config=config)).layer_outputs(images(config, (12, 12)))
    for block in config.blocks:
        if block.shortcut_kind == "identity" and not block.first:
            stage, number = block.name.split(".")
            before = seen.get(f"{stage}.{int(number) - 1}")
            if before is None:  # Keras: the block's output is that of its last layer
                last = "relu2" if version == "v1" else "add"
                before = seen[f"{stage}_{int(number) - 1}_{last}"]
                after = seen[f"{stage}_{number}_{last}"]
            else:
                after = seen[block.name]
            np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_zero_init_residual_leaves_every_parameter_trainable(framework, version):
    """A zero γ in front of a ReLU would never get a gradient; after a few steps every tensor has moved."""
    config = resnet_config(14, version, family="cifar", zero_init_residual=True, in_channels=1)
    net = (torch_resnet if framework == "pytorch" else tf_resnet).resnet(config=config)
    before = {key: tensor.read() for key, tensor in parity.wrap(net).tensors().items()}
    generator = np.random.default_rng(0)
    x, labels = generator.standard_normal((16, 1, 8, 8)).astype("float32"), generator.integers(0, 10, 16)
    if framework == "pytorch":
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(torch.tensor(x)), torch.tensor(labels)).backward()
            optimizer.step()
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        net.compile(keras.optimizers.SGD(0.1), loss)
        net.fit(x.transpose(0, 2, 3, 1), labels, batch_size=16, epochs=5, verbose=0)
    after = parity.wrap(net).tensors()
    unmoved = [key for key, values in before.items() if np.array_equal(values, after[key].read())]
    assert unmoved == []


@pytest.mark.parametrize("in_training", [False, True])
def test_a_single_image_with_maps_of_one_pixel_is_the_same_error_in_both(in_training):
    config = resnet_config(18, num_classes=3)
    net, twin = torch_resnet.resnet(config=config), tf_resnet.resnet(config=config)
    net.train(in_training)
    steps = [lambda: net(torch.zeros(1, 3, 32, 32)), lambda: twin(tf.zeros((1, 32, 32, 3)), training=in_training)]
    if not in_training:
        assert [tuple(step().shape) for step in steps] == [(1, 3), (1, 3)]
        return
    said = []
    for step in steps:
        with pytest.raises(ValueError, match="one value per channel") as error:
            step()
        said.append(str(error.value))
    assert said[0] == said[1]


def test_fit_refuses_such_a_batch_too():
    model = tf_resnet.resnet(18, num_classes=3)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    with pytest.raises(tf.errors.InvalidArgumentError, match="value per channel"):
        model.fit(np.zeros((1, 32, 32, 3), "float32"), np.zeros(1), verbose=0)


def test_config_comes_whole_or_in_fields():
    config = resnet_config(20, family="cifar")
    for module in (torch_resnet, tf_resnet):
        with pytest.raises(ValueError, match="alone"):
            module.resnet(config=config, num_classes=3)
        assert module.resnet(20, family="cifar").config == config
        assert module.resnet18(num_classes=2).config == resnet_config(18, num_classes=2)


def test_torch_compile_gives_the_same_logits():
    net = torch_resnet.resnet(20, "v2", family="cifar").eval()
    x = torch.randn(2, 3, 16, 16)
    compiled = torch.compile(net, backend="aot_eager")  # the graph is captured whole; no C++ compiler is needed
    torch.testing.assert_close(compiled(x), net(x))
    explained = torch._dynamo.explain(net)(x)
    assert explained.graph_break_count == 0


def test_torch_export_with_a_free_batch_size():
    """Sizes: any batch from 1 on; height and width as exported."""
    net = torch_resnet.resnet(18, num_classes=5).eval()
    batch = torch.export.Dim("batch", min=1)
    exported = torch.export.export(net, (torch.randn(2, 3, 64, 64),), dynamic_shapes={"images": {0: batch}})
    x = torch.randn(5, 3, 64, 64)
    torch.testing.assert_close(exported.module()(x), net(x))


def test_tf_function_gives_the_same_logits_for_any_size():
    net = tf_resnet.resnet(20, family="cifar")
    run = tf.function(net, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for size in (16, 21):
        x = tf.random.normal((2, size, size, 3))
        np.testing.assert_allclose(run(x), net(x), atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_saved_keras_network_loads_as_itself(dtype, tmp_path):
    net = tf_resnet.resnet(18, "v2", num_classes=4, image_size=(40, 40), dtype=dtype)
    net.save(tmp_path / "net.keras")
    loaded = keras.models.load_model(tmp_path / "net.keras")
    x = np.random.default_rng(0).standard_normal((2, 40, 40, 3)).astype(dtype)
    assert isinstance(loaded, tf_resnet.ResNet)
    assert (loaded.config, loaded.image_size) == (net.config, net.image_size)
    assert loaded(x).dtype == dtype
    np.testing.assert_array_equal(loaded(x), net(x))


def test_a_plain_keras_model_of_it_loads_without_this_package(tmp_path):
    net = tf_resnet.resnet(20, family="cifar")
    x = np.random.default_rng(0).standard_normal((2, 16, 16, 3)).astype("float32")
    keras.Model(net.input, net.output).save(tmp_path / "net.keras")
    np.savez(tmp_path / "io.npz", x=x, y=net(x))
    script = (
        "import sys, numpy, keras; data = numpy.load('io.npz'); model = keras.models.load_model('net.keras');"
        "numpy.testing.assert_allclose(model.predict(data['x'], verbose=0), data['y'], atol=1e-5);"
        "assert not any(name.startswith('resnet_lessons') for name in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_copies_are_independent():
    for module, x in [
        (torch_resnet, torch.randn(2, 3, 16, 16)),
        (tf_resnet, np.random.default_rng(0).standard_normal((2, 16, 16, 3)).astype("float32")),
    ]:
        net = module.resnet(20, family="cifar")
        net.eval() if module is torch_resnet else None
        twin = copy.deepcopy(net)
        assert twin.config == net.config
        logits = np.asarray(net(x).detach() if module is torch_resnet else net(x))
        np.testing.assert_array_equal(np.asarray(twin(x).detach() if module is torch_resnet else twin(x)), logits)
        parity.randomize_batch_norm(twin)
        np.testing.assert_array_equal(np.asarray(net(x).detach() if module is torch_resnet else net(x)), logits)


def test_torch_networks_pickle():
    net = torch_resnet.resnet(20, family="cifar").eval()
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(pickle.loads(pickle.dumps(net))(x), net(x))


def test_a_mixed_precision_policy_is_taken_from_keras():
    net = tf_resnet.resnet(20, family="cifar", dtype="mixed_bfloat16")
    assert net.get_layer("layer1_0_conv1").compute_dtype == "bfloat16"
    assert net.get_layer("layer1_0_conv1").kernel.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"  # and the global one is left alone


@pytest.mark.parametrize("module", [torch_resnet, tf_resnet])
def test_a_twin_stays_short_enough_to_read(module):
    assert len(Path(module.__file__).read_text(encoding="utf-8").splitlines()) <= 270
