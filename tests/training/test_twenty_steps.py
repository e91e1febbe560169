"""The recorded twenty steps, whose loops chapter 06 writes out, are those of the package's loops."""

import importlib.util
from pathlib import Path

from resnet_lessons import datasets, training
from resnet_lessons.frameworks import FRAMEWORKS

import numpy as np
import pytest

PATH = Path(__file__).parents[2] / "benchmarks" / "twenty_steps.py"
SPEC = importlib.util.spec_from_file_location("twenty_steps", PATH)
assert SPEC is not None
assert SPEC.loader is not None
twenty_steps = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(twenty_steps)


def recorded(loop, setting):
    (losses,) = (
        run["losses"]
        for run in training.recorded("twenty_steps")["runs"]
        if (run["loop"], run["setting"]) == (loop, setting)
    )
    return np.array(losses)


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("setting", ["weight decay", "whole recipe"])
def test_the_losses_of_pytorch_are_those_of_fit(framework, setting):
    seen: list[float] = []
    recipe = twenty_steps.SETTINGS[setting].recipe
    training.fit(
        twenty_steps.fresh(framework), datasets.load_dataset("digits"), recipe, progress=False,
        on_step=lambda session: seen.append(session.loss),
    )  # fmt: skip
    np.testing.assert_allclose(seen, recorded("pytorch", setting), rtol=1e-11)


def test_the_losses_of_keras_as_typed_are_those_of_its_own_momentum():
    """With numbers that float32 holds; the schedule's rates are rounded on one side alone."""
    from dataclasses import replace

    seen: list[float] = []
    recipe = replace(twenty_steps.SETTINGS["schedule"].recipe, momentum_form="keras")
    training.fit(
        twenty_steps.fresh("pytorch"), datasets.load_dataset("digits"), recipe, progress=False,
        on_step=lambda session: seen.append(session.loss),
    )  # fmt: skip
    np.testing.assert_allclose(seen, recorded("keras, typed", "schedule"), rtol=1e-6)
