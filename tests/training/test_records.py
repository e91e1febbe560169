"""What is recorded is what the text says of it, and what is computed."""

from resnet_lessons import parity, training
from resnet_lessons.frameworks import FRAMEWORKS

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
