"""The learning rate of every update."""

from __future__ import annotations

import math

from resnet_lessons.training.recipe import Recipe


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Return the learning rate of an update, `step` counting from 0 to `steps` − 1.

    one-cycle, cosine
        After the warm-up, half a cosine down to 0 (Loshchilov and Hutter 2016, arXiv 1608.03983). A one-cycle rate
        rises for a good part of the steps; a cosine rate may do without.
    steps
        `peak_rate`, divided by 10 after each share of the steps in `drops` (He et al. 2015, section 4.2).
    constant
        `peak_rate`.

    >>> recipe = Recipe(peak_rate=0.5, warm_up=0.25)
    >>> [round(learning_rate(recipe, step, 8), 3) for step in range(8)]
    [0.25, 0.5, 0.467, 0.375, 0.25, 0.125, 0.033, 0.0]
    """
    warm_up = recipe.warm_up or 0.0
    rising = max(recipe.schedule == "one-cycle", round(warm_up * steps))
    if step < rising:
        if recipe.warm_up_shape == "constant":
            return recipe.warm_up_from
        return recipe.warm_up_from + (recipe.peak_rate - recipe.warm_up_from) * (step + 1) / rising
    if recipe.schedule == "constant":
        return recipe.peak_rate
    if recipe.schedule == "steps":
        passed = sum(step >= round(share * steps) for share in recipe.drops)
        return recipe.peak_rate / 10**passed
    fallen = (step + 1 - rising) / max(1, steps - rising)
    return recipe.peak_rate * (1 + math.cos(math.pi * fallen)) / 2


def rate_change(recipe: Recipe, step: int, steps: int) -> float:
    """Return this update's rate divided by the one before; 1 for the first."""
    if step == 0:
        return 1.0
    before = learning_rate(recipe, step - 1, steps)
    return learning_rate(recipe, step, steps) / before if before else 1.0
