"""Nothing is lost: killed, interrupted, without room or damaged, a run goes on as if nothing had been."""

import builtins
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import types
from dataclasses import replace
from pathlib import Path

from resnet_lessons import pretrained, training
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.training import checkpoints
from tests.training.small import network, small

import numpy as np
import pytest

VICTIM = Path(__file__).with_name("victim.py")
RECIPE = training.Recipe(epochs=3, batch_size=32, ema=0.9)


def without_seconds(history):
    return {name: values for name, values in history.items() if name != "seconds"}


def ended(run):
    """A finished run's weights, and its history without the seconds."""
    lines = (run / "history.csv").read_text().splitlines()
    return (run / "weights.safetensors").read_bytes(), [line.rpartition(",")[0] for line in lines]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_killed_three_times_it_ends_with_the_same_bits(framework, tmp_path):
    """Killed after an update, within the writing of a checkpoint, and after an update of the last epoch."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for kill in (["--step", "5"], ["--resume", "--write", "30"], ["--resume", "--step", "17"]):
        done = subprocess.run([sys.executable, VICTIM, framework, killed, *kill], capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
    done = subprocess.run(
        [sys.executable, VICTIM, framework, killed, "--resume", "--again", whole], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Going on from step 15 of 21" in done.stderr
    assert "last bit" not in done.stderr
    assert ended(killed) == ended(whole)
    assert not list(killed.glob("**/.unfinished*"))


@pytest.fixture(scope="module", params=FRAMEWORKS)
def stopped_once(request, tmp_path_factory):
    framework = request.param
    whole = training.fit(network(framework), small(200), RECIPE, progress=False)

    def stop(session):
        if session.step == 12:
            os.kill(os.getpid(), signal.SIGINT)

    run = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(KeyboardInterrupt):
        training.fit(network(framework), small(200), RECIPE, run=run, save_steps=4, progress=False, on_step=stop)
    return framework, run, whole


@pytest.fixture
def stopped(stopped_once, tmp_path):
    """A run that was stopped by Ctrl-C after 12 of 21 updates, and what it would have become."""
    framework, run, whole = stopped_once
    return framework, shutil.copytree(run, tmp_path / "run"), whole


def go_on(framework, run, recipe=RECIPE, data=None, net=None, **options):
    data = data or small(200)
    return training.fit(net or network(framework), data, recipe, run=run, resume=True, progress=False, **options)


def interrupt(session):
    os.kill(os.getpid(), signal.SIGINT)


def close(history, other):
    """The same but for what TensorFlow's operations, run side by side in this process, leave open."""
    for name, values in without_seconds(history).items():
        np.testing.assert_allclose(values, other[name], rtol=1e-3, err_msg=name)


def test_ctrl_c_stops_after_an_update_which_is_saved(stopped, capsys):
    framework, run, whole = stopped
    assert [path.name for path in checkpoints.listed(run / "checkpoints")][-1] == "step-00000012"
    net = network(framework)
    close(go_on(framework, run, net=net), whole)
    assert f"Going on from step 12 of 21, saved in {run}" in capsys.readouterr().err
    data = small(200)
    for loaded in (pretrained.load(run / "weights.safetensors", framework=f) for f in FRAMEWORKS):
        loss, _ = training.evaluate(loaded, data.normalized(data.test), data.test.labels)
        assert loss == pytest.approx(whole["test_loss"][-1], rel=1e-3)


def test_what_is_said_when_stopping(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        training.fit(network("pytorch"), small(64), RECIPE, run=tmp_path / "run", progress=False, on_step=interrupt)
    assert capsys.readouterr().err == (
        f"Stopped after step 1 of 6. It is saved in {tmp_path / 'run'}; go on by resume=True (on the command line --resume).\n"
    )
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("how", ["cut", "changed", "missing"])
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_is_used(stopped, how, capsys):
    framework, run, whole = stopped
    file = run / "checkpoints" / "step-00000012" / "training.safetensors"
    data = file.read_bytes()
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(data[:-100] if how == "cut" else data[:-1] + bytes([data[-1] ^ 1]))
    close(go_on(framework, run), whole)
    said = capsys.readouterr().err
    assert "step-00000012" in said
    assert "The one before it is used" in said
    assert "Going on from step 8" in said


def test_another_training_is_refused_with_what_differs(stopped):
    framework, run, _ = stopped
    other = FRAMEWORKS[1 - FRAMEWORKS.index(framework)]
    for options, says in (
        ({"recipe": replace(RECIPE, peak_rate=0.2)}, "recipe.peak_rate: 0.1 there, 0.2 here"),
        ({"data": small(100)}, "data.train: 200 there, 100 here"),
        ({"net": network(framework, depth=14)}, "network.depth: 8 there, 14 here"),
    ):
        with pytest.raises(ValueError, match=f"cannot be resumed, because this is another training: .*{says}"):
            go_on(framework, run, **options)
    with pytest.raises(ValueError, match=f"framework: '{framework}' there, '{other}' here"):
        go_on(other, run)
    with pytest.raises(ValueError, match=r"holds a run already\. Go on with it by resume=True"):
        training.fit(network(framework), small(200), RECIPE, run=run, progress=False)


def test_only_one_process_trains_in_a_folder(tmp_path):
    run, seen = tmp_path / "run", []

    def train_there_too(session):
        if session.step == 1:
            with pytest.raises(ValueError, match="is being trained by another process"):
                go_on("pytorch", run)
            seen.append(session)

    training.fit(network("pytorch"), small(64), RECIPE, run=run, progress=False, on_step=train_there_too)
    assert seen


def test_a_finished_run_is_read_and_not_trained_again(tmp_path):
    first = training.fit(network("pytorch"), small(64), RECIPE, run=tmp_path / "run", progress=False)
    steps = []
    net = network("pytorch")
    assert go_on("pytorch", tmp_path / "run", data=small(64), net=net, on_step=steps.append) == first
    assert steps == []
    data = small(64)
    loss, _ = training.evaluate(net, data.normalized(data.test), data.test.labels)
    assert loss == pytest.approx(first["test_loss"][-1], rel=1e-4)


def test_the_last_two_checkpoints_and_the_best_are_kept(tmp_path):
    def worsen(session):
        if session.epoch == 1:  # after the first epoch: forget what was learned
            session.held.optimizer.param_groups[0]["lr"] = 0.0
            for parameter in session.held.net.parameters():
                parameter.data.zero_()

    recipe = training.Recipe(epochs=5, batch_size=32, peak_rate=0.05)
    history = training.fit(network("pytorch"), small(200), recipe, run=tmp_path, progress=False, on_step=worsen)
    assert np.argmax(history["test_accuracy"]) == 0
    kept = [path.name for path in checkpoints.listed(tmp_path / "checkpoints")]
    assert kept == ["step-00000007", "step-00000028", "step-00000035"]


# The disk ---------------------------------------------------------------------------------------------------------------


def test_a_full_disk_does_not_end_the_training_nor_spoil_what_was_saved(tmp_path, monkeypatch, capsys):
    whole = training.fit(network("pytorch"), small(200), RECIPE, progress=False)
    write, full = checkpoints._write_for_certain, []

    def no_room(path, data):
        if full:
            path.write_bytes(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write(path, data)

    monkeypatch.setattr(checkpoints, "_write_for_certain", no_room)

    def fill(session):
        full[:] = [True] if 8 <= session.step < 14 else []

    history = training.fit(
        network("pytorch"), small(200), RECIPE, run=tmp_path / "run", save_steps=4, progress=False, on_step=fill
    )
    assert without_seconds(history) == without_seconds(whole)
    said = capsys.readouterr().err
    assert "Nothing could be saved in" in said
    assert "(No space left on device). The training goes on" in said
    assert [p.name for p in checkpoints.listed(tmp_path / "run" / "checkpoints")][-2:] == [
        "step-00000020",
        "step-00000021",
    ]
    assert not list(tmp_path.glob("**/.unfinished*"))


def test_a_disk_that_stays_full_is_an_error_at_the_end(tmp_path, monkeypatch):
    def no_room(path, data):
        if path.parent.name != "run" or "run.json" not in path.name:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        path.write_bytes(data)

    monkeypatch.setattr(checkpoints, "_write_for_certain", no_room)
    net, data = network("pytorch"), small(200)
    with pytest.raises(
        OSError, match=r"The training is finished, but its weights could not be written .*No space left"
    ):
        training.fit(net, data, RECIPE, run=tmp_path / "run", progress=False)
    assert training.evaluate(net, data.normalized(data.test), data.test.labels)[1] > 0.1  # the network has learned
    monkeypatch.undo()
    go_on("pytorch", tmp_path / "run")
    assert (tmp_path / "run" / "weights.safetensors").exists()


@pytest.fixture
def disk(monkeypatch, tmp_path):
    """A folder that `disk.lock()` makes read-only, for root as well: whatever would change it is refused."""
    place = tmp_path / "disk"
    place.mkdir()
    locked = []

    def guard(module, name, changes=lambda *_: True):
        original = getattr(module, name)

        def guarded(path, *arguments, **options):
            inside = isinstance(path, str | os.PathLike) and place in Path(path).absolute().parents
            if locked and inside and changes(*arguments, *options.values()):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
            return original(path, *arguments, **options)

        monkeypatch.setattr(module, name, guarded)

    for name in ("mkdir", "rename", "replace", "unlink", "rmdir"):
        guard(os, name)
    for module in (io, builtins):
        guard(module, "open", lambda mode="r", *_: set(str(mode)) & set("wax+"))
    return types.SimpleNamespace(place=place, lock=lambda: locked.append(True), unlock=locked.clear)


@pytest.mark.parametrize("state", ["new", "half-way"])
def test_a_read_only_folder_is_an_error_before_the_training(disk, state, capsys):
    run, steps = disk.place / "run", []
    if state == "half-way":
        with pytest.raises(KeyboardInterrupt):
            training.fit(network("pytorch"), small(64), RECIPE, run=run, progress=False, on_step=interrupt)
    disk.lock()
    with pytest.raises(OSError) as caught:
        go_on("pytorch", run, data=small(64), on_step=steps.append)
    assert str(caught.value) == (
        f"The run cannot be kept in {run} (Read-only file system). Choose a folder that can be written."
    )
    assert steps == []
    disk.unlock()
    assert go_on("pytorch", run, data=small(64))["epoch"] == [1, 2, 3]


@pytest.mark.parametrize(
    "place", ["file", pytest.param("/proc", marks=pytest.mark.skipif(sys.platform != "linux", reason="Linux"))]
)
def test_a_place_where_no_folder_can_be_is_an_error_before_the_training(tmp_path, place):
    (tmp_path / "file").write_text("no folder")
    run, steps = tmp_path / place / "run", []
    with pytest.raises(OSError, match=f"The run cannot be kept in {run} .* Choose a folder that can be written"):
        training.fit(network("pytorch"), small(64), RECIPE, run=run, progress=False, on_step=steps.append)
    assert steps == []


def test_a_folder_that_becomes_read_only_keeps_its_last_state(disk, capsys):
    """As a disk does on which the system found an error, or a share that is taken away."""
    whole = training.fit(network("pytorch"), small(200), RECIPE, progress=False)
    run, net, data = disk.place / "run", network("pytorch"), small(200)

    def lock(session):
        if session.step == 10:
            disk.lock()

    with pytest.raises(OSError, match=r"The training is finished, but its weights could not be written .*Read-only"):
        training.fit(net, data, RECIPE, run=run, save_steps=4, progress=False, on_step=lock)
    said = capsys.readouterr().err
    assert "at step 12 (Read-only file system). The training goes on, and what was saved before is still there" in said
    assert training.evaluate(net, data.normalized(data.test), data.test.labels)[1] > 0.1  # the network has learned
    disk.unlock()
    assert without_seconds(go_on("pytorch", run)) == without_seconds(whole)
    assert f"Going on from step 8 of 21, saved in {run}" in capsys.readouterr().err
    assert (run / "weights.safetensors").exists()


@pytest.mark.parametrize(("locked", "kept"), [(1, ""), (6, " What was saved before is still there; go on by")])
def test_stopping_does_not_claim_what_was_not_saved(disk, capsys, locked, kept):
    def stop(session):
        if session.step == locked:
            disk.lock()
        if session.step == 6:
            interrupt(session)

    with pytest.raises(KeyboardInterrupt):
        training.fit(
            network("pytorch"), small(200), RECIPE, run=disk.place / "run", save_steps=4, progress=False, on_step=stop
        )
    said = capsys.readouterr().err.splitlines()
    assert "Nothing could be saved in" in said[-2]
    assert said[-1].startswith(f"Stopped after step 6 of 21.{kept}")
    assert "is saved in" not in said[-1]


# Divergence -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_loss_that_is_no_number_keeps_the_last_good_state(framework, tmp_path):
    def spoil(session):
        if session.step == 10:
            net = session.held.net
            weight = net.fc.weight.data if framework == "pytorch" else net.get_layer("fc").kernel
            weight.mul_(float("nan")) if framework == "pytorch" else weight.assign(weight * float("nan"))

    net = network(framework)
    with pytest.raises(
        FloatingPointError, match=r"The loss is nan in epoch 2.*a tenth of the learning rate.*step-00000008"
    ):
        training.fit(
            net, small(200), training.Recipe(epochs=3, batch_size=32), run=tmp_path, save_steps=4, progress=False,
            on_step=spoil,
        )  # fmt: skip
    good = checkpoints.read(tmp_path / "checkpoints" / "step-00000008")
    assert all(np.isfinite(array).all() for array in good.weights.values())


def test_weights_that_are_no_numbers_are_never_saved(tmp_path):
    def spoil(session):
        if session.step == 4:
            session.held.net.fc.weight.data.mul_(float("inf"))

    with pytest.raises(FloatingPointError, match=r"fc.weight is no longer finite after step 4"):
        training.fit(
            network("pytorch"), small(200), training.Recipe(epochs=3, batch_size=32), run=tmp_path, save_steps=4,
            progress=False, on_step=spoil,
        )  # fmt: skip
    assert not checkpoints.listed(tmp_path / "checkpoints")


# What is written --------------------------------------------------------------------------------------------------------


def test_a_run_says_what_it_was(tmp_path):
    history = training.fit(network("pytorch"), small(200), RECIPE, run=tmp_path / "run", progress=False)
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert training.Recipe.from_dict(facts["recipe"]) == RECIPE
    assert (facts["network"]["depth"], facts["data"]["name"], facts["framework"]) == (8, "digits", "pytorch")
    assert {"torch", "python", "threads"} <= facts["environment"].keys()
    header, *rows = (tmp_path / "run" / "history.csv").read_text().splitlines()
    assert header.split(",") == list(history)
    assert [[float(value) for value in row.split(",")] for row in rows] == [
        list(row) for row in zip(*history.values(), strict=True)
    ]
    done = subprocess.run(
        ["sha256sum", "--check", "SHA256SUMS"], cwd=checkpoints.listed(tmp_path / "run" / "checkpoints")[-1],
        capture_output=True, text=True,
    ) if shutil.which("sha256sum") else None  # fmt: skip
    assert done is None or done.returncode == 0, done.stdout


def test_tensorboard_reads_what_was_logged_and_pytorch_does_not_load_tensorflow(tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(VICTIM.parent)!r})
import victim
from resnet_lessons import training
training.fit(victim.network("pytorch"), victim.dataset(64), victim.RECIPE, run={str(tmp_path)!r}, progress=False)
print([name for name in ("tensorflow", "keras") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert done.stderr == ""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {"train_loss", "test_accuracy", "learning_rate"} <= set(log.Tags()["scalars"])
    assert [event.step for event in log.Scalars("train_loss")] == [2, 4, 6]
