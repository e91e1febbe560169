"""The learning rate of every update."""

from resnet_lessons.training import RECIPES, Recipe, learning_rate
from resnet_lessons.training.schedule import rate_change

import numpy as np
import pytest


def rates(recipe, steps):
    return [learning_rate(recipe, step, steps) for step in range(steps)]


def test_one_cycle_rises_to_its_peak_and_falls_to_zero():
    found = rates(Recipe(peak_rate=0.3, warm_up=0.3), 100)
    assert max(found) == found[29] == 0.3
    assert all(np.diff(found)[:29] > 0)
    assert all(np.diff(found)[29:] < 0)
    assert found[-1] == pytest.approx(0, abs=1e-9)


def test_a_cosine_may_do_without_warm_up():
    found = rates(Recipe(schedule="cosine", peak_rate=0.3), 100)
    assert all(np.diff(found) < 0)
    assert found[49] == pytest.approx(0.15)


def test_a_constant_rate_is_constant():
    assert set(rates(Recipe(schedule="constant", peak_rate=0.125), 10)) == {0.125}


def test_the_papers_rate_drops_after_32k_and_48k_updates():
    found = rates(RECIPES["paper-cifar"], 64_000)
    assert [found[step] for step in (0, 31_999, 32_000, 47_999, 48_000, 63_999)] == pytest.approx(
        [0.1, 0.1, 0.01, 0.01, 0.001, 0.001]
    )


def test_depth_110_begins_with_400_updates_at_a_tenth():
    found = rates(RECIPES["paper-cifar-110"], 64_000)
    assert set(found[:400]) == {0.01}
    assert found[400:] == rates(RECIPES["paper-cifar"], 64_000)[400:]


def test_imagenet_drops_at_epochs_30_60_80_and_warms_up_over_five():
    """Goyal et al. 2017, section 5.1: 8,192 images a batch."""
    recipe = RECIPES["imagenet"].scaled(8192)
    per_epoch = recipe.steps_per_epoch(1_281_167)
    found = rates(recipe, recipe.steps(1_281_167))
    assert 0.1 < found[0] < 0.11
    assert max(found) == found[5 * per_epoch - 1] == 3.2
    for epoch, rate in ((29, 3.2), (30, 0.32), (59, 0.32), (60, 0.032), (79, 0.032), (80, 0.0032)):
        assert found[epoch * per_epoch] == pytest.approx(rate)


def test_the_change_of_the_rate_is_relative_to_the_update_before():
    recipe = Recipe(schedule="steps", drops=(0.5,))
    assert [rate_change(recipe, step, 4) for step in range(4)] == pytest.approx([1, 1, 0.1, 1])
