"""Precision "auto" measures, says what it found, and a resumed run keeps what was chosen."""

from resnet_lessons import parity, training
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.training import speed
from tests.training.small import network, small

import numpy as np
import pytest

AUTO = training.Recipe(epochs=1, batch_size=32, precision="auto")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_it_measures_and_leaves_the_network_alone(framework):
    net = network(framework)
    before = parity.state_of(net)
    recipe, measured = speed.settle(net, small(64), AUTO, None, False)
    wanted = ["float32", "float32, channels last", "bfloat16"] if framework == "pytorch" else ["float32", "bfloat16"]
    assert list(measured["milliseconds"]) == wanted
    assert min(measured["milliseconds"].values()) > 0
    assert recipe.precision in ("float32", "bfloat16")
    assert speed.wording(measured).endswith(f"Chosen: {measured['name']}.")
    after = parity.state_of(net)
    for name, array in before.items():
        np.testing.assert_array_equal(array, after[name], err_msg=name)


@pytest.mark.parametrize(
    ("seconds", "name"),
    [((3, 2, 1), "bfloat16"), ((1, 2, 3), "float32"), ((2, 1, 0.99), "float32, channels last")],
    ids=["fast bfloat16", "neither is quicker", "bfloat16 gains too little"],
)
def test_it_never_chooses_what_is_slower(seconds, name, monkeypatch):
    times = dict(zip([("float32", False), ("float32", True), ("bfloat16", True)], seconds, strict=True))
    clock = [0.0]

    def step(net, dataset, recipe):
        def run():
            clock[0] += times[recipe.precision, recipe.channels_last]

        return run

    monkeypatch.setattr(speed, "_torch_step", step)
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock[0])
    assert speed.settle(network("pytorch"), small(64), AUTO, None, False)[1]["name"] == name


def test_what_is_said_is_not_asked_again(tmp_path, monkeypatch, capsys):
    training.fit(network("pytorch"), small(64), AUTO, run=tmp_path / "run", label="x")
    assert "Measured for one update: float32 " in capsys.readouterr().err
    monkeypatch.setattr(speed, "_measure", lambda *_: pytest.fail("measured again"))
    training.fit(network("pytorch"), small(64), AUTO, run=tmp_path / "run", resume=True, progress=False)
    assert (
        training.Recipe(epochs=1, batch_size=32)
        == speed.settle(network("pytorch"), small(64), training.Recipe(epochs=1, batch_size=32), None, False)[0]
    )
