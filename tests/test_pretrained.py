"""Published weights give their published results in both twins, and no file does harm."""

import json
import os
import pickle
import zipfile
from pathlib import Path

from resnet_lessons import datasets, parity, pretrained, resnet_config, tf_resnet, torch_resnet, training
from resnet_lessons.frameworks import FRAMEWORKS
from tests.networks import images
from tests.real_cifar10 import cifar10

import numpy as np
import pytest
import torch

DATA = os.environ.get(datasets.VARIABLE)
needs_data = pytest.mark.skipif(
    not (DATA and Path(DATA, "weights").is_dir() and Path(DATA, "uoft-cs").is_dir()),
    reason=f"set {datasets.VARIABLE} to a folder with uoft-cs/cifar10 (the hub's parquet files) and weights/ "
    "(resnet20-12fca82f.th and resnet32-d509ac18.th of akamaster/pytorch_resnet_cifar10, prefixed akamaster_)",
)


@pytest.fixture(scope="module")
def cifar10_test():
    dataset = cifar10()
    assert len(dataset.test) == 10_000
    return dataset.normalized(dataset.test, datasets.IMAGENET_MEAN, datasets.IMAGENET_STD), dataset.test.labels


@needs_data
@pytest.mark.parametrize(
    ("file", "correct", "framework"),
    [
        ("resnet20-12fca82f", 9_173, "tensorflow"),
        ("resnet32-d509ac18", 9_263, "pytorch"),
    ],
)
def test_published_cifar_weights_score_exactly_what_they_scored(file, correct, framework, cifar10_test):
    """akamaster/pytorch_resnet_cifar10 publishes errors of 8.27 % and 7.37 %.

    ResNet-20 in PyTorch is scored in tests/checks/test_networks.py, as a learner's own network.
    """
    x, labels = cifar10_test
    net = pretrained.load(Path(DATA, "weights", f"akamaster_{file}.th"), framework=framework)
    assert (net.config.shortcut, net.config.version) == ("A", "v1")
    logits = training.predict(net, x)
    assert (logits.argmax(axis=1) == labels).sum() == correct


@needs_data
def test_published_cifar_weights_give_the_same_logits_in_both_frameworks(cifar10_test):
    x, file = cifar10_test[0][:500], Path(DATA, "weights", "akamaster_resnet32-d509ac18.th")
    ours, theirs = (parity.wrap(pretrained.load(file, framework=framework)).outputs(x) for framework in FRAMEWORKS)
    np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4)


CONFIGS = [
    resnet_config(20, family="cifar"),
    resnet_config(14, "v2", family="cifar", shortcut="B", num_classes=3, in_channels=1, width=8),
    resnet_config(14, family="cifar", shortcut="none"),
    resnet_config(18, shortcut="C", num_classes=2, width=8),
    resnet_config(8, family="cifar", shortcut="C"),
    resnet_config(50, "v1.5", num_classes=5, width=16),
    resnet_config(164, "v2", family="cifar", zero_init_residual=True),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.name}-{config.shortcut}")
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_saved_weights_load_in_either_framework(config, framework, tmp_path):
    module = torch_resnet if framework == "pytorch" else tf_resnet
    net = module.resnet(config=config)
    parity.randomize_batch_norm(net)
    path = pretrained.save(net, tmp_path / "net.safetensors")
    x = images(config, (40, 40) if config.family == "imagenet" else (9, 9)).astype("float32")
    expected = parity.wrap(net).outputs(x)
    for other in FRAMEWORKS:
        loaded = pretrained.load(path, framework=other)
        assert loaded.config == config
        np.testing.assert_allclose(parity.wrap(loaded).outputs(x), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("config", CONFIGS[:2] + CONFIGS[3:], ids=lambda config: config.name)
def test_a_bare_state_dict_tells_its_network(config):
    weights = pretrained.read(torch_resnet.resnet(config=config).state_dict())
    told = {"version": config.version} if config.version == "v1.5" else {}
    found = pretrained.find_config(weights, **told)
    assert {**found.to_dict(), "zero_init_residual": config.zero_init_residual} == config.to_dict()


def test_v1_and_v1_5_cannot_be_told_apart_by_weights():
    state = torch_resnet.resnet(50, num_classes=2, width=4).state_dict()
    with pytest.raises(ValueError, match=r"v1 and v1\.5 have the same tensors"):
        pretrained.load(state)
    assert pretrained.load(state, version="v1.5").config.version == "v1.5"


def test_a_module_prefix_is_dropped(tmp_path):
    net = torch_resnet.resnet(14, family="cifar").eval()
    torch.save(
        {"state_dict": {f"module.{n}": v for n, v in net.state_dict().items()}, "best": 1.0}, tmp_path / "net.pth"
    )
    loaded = pretrained.load(tmp_path / "net.pth")
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(loaded(x), net(x))


def test_a_torchvision_checkpoint_needs_no_renaming():
    """Its names are ours, so PyTorch's own strict loading takes it."""
    state = torch_resnet.resnet50("v1.5").state_dict()
    torch_resnet.resnet50("v1").load_state_dict(state, strict=True)


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ["RESNET_LESSONS_EVIL"],)


def corrupted(tmp_path, kind):
    net = torch_resnet.resnet(8, family="cifar", width=4)
    path = tmp_path / f"{kind}.pth"
    if kind in ("truncated_safetensors", "garbage_safetensors"):
        path = pretrained.save(net, tmp_path / "net.safetensors")
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if kind.startswith("trunc") else b"\xff" * 100)
    elif kind == "evil":
        torch.save({"state_dict": net.state_dict(), "evil": Evil()}, path)
    elif kind == "evil_old_format":
        torch.save({"evil": Evil()}, path, _use_new_zipfile_serialization=False)
    elif kind in ("truncated", "truncated_old_format"):
        torch.save(net.state_dict(), path, _use_new_zipfile_serialization=kind == "truncated")
        path.write_bytes(path.read_bytes()[:-3000])
    elif kind == "bare_pickle":
        path.write_bytes(pickle.dumps(Evil()))
    elif kind == "text":
        path.write_text("<html>404: not found</html>")
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("readme.txt", "hello")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "a_list":
        torch.save([1, 2, 3], path)
    elif kind == "not_tensors":
        torch.save({"epoch": 3, "note": "hello"}, path)
    elif kind == "other_network":
        torch.save({"features.0.weight": torch.zeros(3)}, path)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated_safetensors", "truncated or damaged"),
        ("garbage_safetensors", "truncated or damaged"),
        ("truncated", "truncated or damaged"),
        ("truncated_old_format", "truncated or damaged"),
        ("zip", "truncated or damaged"),
        ("evil", "wants to run code while it is read, which is refused"),
        ("evil_old_format", "wants to run code while it is read, which is refused"),
        ("bare_pickle", "not a weights file"),
        ("text", "not a weights file"),
        ("empty", "not a weights file"),
        ("a_list", "holds a list, not a state dict"),
        ("not_tensors", "epoch is a int, not a tensor|not a state dict"),
        ("other_network", r"not the weights of a ResNet: there is no conv1\.weight among features\.0\.weight"),
    ],
)
def test_a_bad_file_is_explained_and_runs_nothing(kind, message, tmp_path, monkeypatch):
    trap = tmp_path / "code was run"
    monkeypatch.setenv("RESNET_LESSONS_EVIL", str(trap))
    with pytest.raises(ValueError, match=message):
        pretrained.load(corrupted(tmp_path, kind))
    assert not trap.exists()


def test_a_missing_file_and_a_wrong_framework_are_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no file"):
        pretrained.load(tmp_path / "nothing.pth")
    with pytest.raises(ValueError, match="pytorch, tensorflow"):
        pretrained.load({}, framework="jax")
    with pytest.raises(TypeError, match="neither a path, a state dict nor a model"):
        pretrained.load(3)


def test_shapes_of_no_known_network_are_explained():
    state = torch_resnet.resnet(18, num_classes=2, width=4).state_dict()
    without_a_block = {name: value for name, value in state.items() if not name.startswith("layer3.1")}
    with pytest.raises(ValueError, match="stages of 2-2-1-2 basic blocks; no network of the two papers has"):
        pretrained.load(without_a_block)
    without_a_tensor = {name: value for name, value in state.items() if name != "layer3.1.bn2.bias"}
    with pytest.raises(ValueError, match=r"missing in the source: layer3\.1\.bn2\.bias"):
        pretrained.load(without_a_tensor)


def test_a_failing_save_leaves_the_file_before_it(tmp_path, monkeypatch):
    path = pretrained.save(torch_resnet.resnet(8, family="cifar", width=4), tmp_path / "net.safetensors")
    before = path.read_bytes()

    def full_disk(tensors, file, metadata):
        Path(file).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.numpy.save_file", full_disk)
    with pytest.raises(OSError, match="No space"):
        pretrained.save(torch_resnet.resnet(8, family="cifar", width=4), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["net.safetensors"]


def test_the_config_travels_in_the_file(tmp_path):
    from safetensors import safe_open

    config = resnet_config(14, family="cifar", shortcut="none")
    path = pretrained.save(torch_resnet.resnet(config=config), tmp_path / "net.safetensors", data="digits")
    with safe_open(path, framework="numpy") as file:
        assert json.loads(file.metadata()["resnet_lessons"]) == config.to_dict()
        assert file.metadata()["data"] == "digits"
