"""What is recorded is what the text says of it, and what is computed."""

import errno
import os
import sys

from resnet_lessons import parity, training
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.training import records

import pytest


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
    with pytest.raises(ValueError, match=r"no record 'nonsense'; there are: .*degradation, .*lesion, patience, "):
        training.recorded("nonsense")


@pytest.mark.parametrize("file", sorted(records.RECORDS.glob("*.json")), ids=lambda file: file.stem)
def test_each_record_is_as_its_program_would_write_it(file, tmp_path, monkeypatch):
    record = training.recorded(file.stem)
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    written = records.write_record(file.stem, record["made_by"], record["runs"], digits=17)
    assert written.read_bytes() == file.read_bytes()


def test_a_record_says_what_made_it_and_is_rounded(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    monkeypatch.setattr(sys, "argv", ["/somewhere/degradation.py", "--seeds", "2"])
    history = {"train_loss": [1 / 3, 2.0], "seconds": [1.5, 3.1]}
    made_by = records.provenance("benchmarks/degradation.py", packages=("numpy", "tensorflow"), recipe={"epochs": 2})
    records.write_record("tiny", made_by, [{"seed": 0, "history": records.curves(history), "by_number": {1: (2 / 3,)}}])
    record = training.recorded("tiny")
    assert record["runs"] == [{"seed": 0, "history": {"train_loss": [0.33333, 2.0]}, "by_number": {"1": [0.66667]}}]
    assert record["made_by"]["command"] == "python benchmarks/degradation.py --seeds 2"
    assert record["made_by"]["recipe"] == {"epochs": 2}
    assert list(record["made_by"]["packages"]) == ["numpy", "tensorflow"]


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(records, "RECORDS", tmp_path)
    records.write_record("tiny", {}, [{"seed": 0}])
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        records.write_record("tiny", {}, [{"seed": 1}])
    assert training.recorded("tiny")["runs"] == [{"seed": 0}]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.json"]


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
