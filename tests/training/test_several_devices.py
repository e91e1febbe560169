"""Two devices train as one: the same replicas, every image tested once, one writer; and what is killed is resumed."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from resnet_lessons import parity, pretrained, training
from resnet_lessons.training import checkpoints
from tests.training.several import IMAGES, RECIPE
from tests.training.small import network, small

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("several.py")


def launch(launcher, run, out, *more):
    """Train on two devices, and return what came of it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    start = {
        "torchrun": ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", port],
        "accelerate": [
            # "--cpu" would start a single process, unless MPI is there; the name of this option says too little
            "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
            "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", port,
        ],
        "mirrored": [],
    }[launcher]  # fmt: skip
    framework = "tensorflow" if launcher == "mirrored" else "pytorch"
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *start, SCRIPT, framework, run, out, *more],
        capture_output=True, text=True, timeout=300, env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module", params=["torchrun", "mirrored"])
def trained(request, tmp_path_factory):
    """A run on two devices: launcher, its folder, what each replica held, and its history in each process."""
    folder = tmp_path_factory.mktemp(request.param)
    done = launch(request.param, folder / "run", folder / "held")
    assert done.returncode == 0, done.stderr
    replicas = [np.load(folder / f"held-{number}.npz") for number in range(2)]
    histories = [json.loads(file.read_text()) for file in sorted(folder.glob("held-*.json"))]
    return request.param, folder / "run", replicas, histories


def test_replicas_end_identical_with_running_statistics_and_all(trained):
    _, _, (one, other), _ = trained
    assert len(one.files) == len(parity.state_of(network("pytorch")))
    for name in one.files:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_every_image_is_tested_once_as_a_single_process_would(trained):
    _, run, _, histories = trained
    data = small(IMAGES)
    net = network("pytorch", dtype="float64")
    parity.copy_weights(source=pretrained.read(run / "weights.safetensors").tensors, target=net)
    loss, accuracy = training.evaluate(net, data.normalized(data.test), data.test.labels)
    for history in histories:
        assert history["test_accuracy"][-1] == accuracy
        assert history["test_loss"][-1] == pytest.approx(loss, rel=1e-6)  # `pretrained` reads in float32
        assert len(history["epoch"]) == RECIPE.epochs
    assert len({json.dumps({**history, "seconds": 0}) for history in histories}) == 1


def test_it_learns_about_as_one_device_does(trained):
    """The same batches; only BN sees half of one at a time, and the last batch is filled up."""
    launcher, _, _, (history, *_) = trained
    alone = training.fit(
        network("tensorflow" if launcher == "mirrored" else "pytorch", dtype="float64"), small(IMAGES), RECIPE,
        progress=False,
    )  # fmt: skip
    assert history["train_loss"][-1] < history["train_loss"][0]
    assert history["train_loss"] == pytest.approx(alone["train_loss"], rel=0.1)


def test_a_killed_worker_ends_the_run_and_it_resumes(trained, tmp_path):
    launcher, _, replicas, (whole, *_) = trained
    done = launch(launcher, tmp_path / "run", tmp_path / "held", "--die", "11")
    assert done.returncode != 0
    assert not list(tmp_path.glob("held-*"))
    assert checkpoints.listed(tmp_path / "run" / "checkpoints")[-1].name == "step-00000010"
    launcher = "accelerate" if launcher == "torchrun" else launcher
    done = launch(launcher, tmp_path / "run", tmp_path / "held")
    assert done.returncode == 0, done.stderr
    assert "Going on from step 10 of 21" in done.stderr
    history = json.loads((tmp_path / "held-0.json").read_text())
    assert {**history, "seconds": 0} == {**whole, "seconds": 0}
    resumed = np.load(tmp_path / "held-0.npz")
    for name in resumed.files:
        np.testing.assert_array_equal(resumed[name], replicas[0][name], err_msg=name)


def test_a_batch_that_devices_cannot_share_is_refused(monkeypatch):
    from resnet_lessons.training.torch_state import TorchState

    before = TorchState.__init__

    def on_two(self, *arguments):
        before(self, *arguments)
        self.devices = 2

    monkeypatch.setattr(TorchState, "__init__", on_two)
    with pytest.raises(ValueError, match="batch_size is 33, for all 2 devices together; choose a multiple of 2"):
        training.fit(network("pytorch"), small(66), training.Recipe(batch_size=33), progress=False)


def test_a_mac_trains_on_the_processor(monkeypatch):
    """Its GPU has no float64, and Accelerate would take it."""
    from resnet_lessons.training.torch_state import on_the_processor

    import torch

    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert not on_the_processor()
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert on_the_processor()
