"""A recipe says all that decides a training, refuses what cannot be, and comes back from a file as it was."""

import json
from dataclasses import replace

from resnet_lessons.training import RECIPES, Recipe
from resnet_lessons.training.recipe import differences

import pytest


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_comes_back_from_json_as_it_was(name):
    recipe = RECIPES[name]
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_a_field_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="A recipe has no 'learning_rate'; it has epochs, batch_size, peak_rate"):
        Recipe.from_dict({"learning_rate": 0.1})
    with pytest.raises(ValueError, match="momentum is 2"):
        Recipe.from_dict({"momentum": 2})


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("epochs", 0, "epochs is 0"),
        ("epochs", 1.5, "epochs is 1.5"),
        ("batch_size", -1, "batch_size is -1"),
        ("peak_rate", 0, "peak_rate is 0"),
        ("peak_rate", float("inf"), "peak_rate is inf"),
        ("momentum", 1, "momentum is 1"),
        ("warm_up", 0, "warm_up is 0"),
        ("warm_up", 1, "warm_up is 1"),
        ("warm_up_from", -1, "warm_up_from is -1"),
        ("seed", -1, "seed is -1"),
        ("seed", 0.5, "seed is 0.5"),
        ("weight_decay", -1e-4, "weight_decay is -0.0001"),
        ("label_smoothing", 1, "label_smoothing is 1"),
        ("ema", 1.0, "ema is 1.0"),
        ("clip", 0, "clip is 0"),
        ("drops", (0.75, 0.5), r"drops is \(0.75, 0.5\); it lists rising shares"),
        ("schedule", "linear", "schedule is 'linear'; it is one of one-cycle, cosine, steps, constant"),
        ("precision", "float16", "precision is 'float16'; it is one of float32, bfloat16, float64, auto"),
        ("augment", "mixup", "augment is 'mixup'; it is one of None, pad-crop-flip"),
        ("momentum_form", "caffe", "it is one of native, pytorch, keras"),
        ("channels_last", 2, "channels_last is 2; it is one of True, False"),
        ("iterations", 100, "epochs is 20 and iterations is 100; one of the two"),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_explained(field, value, says):
    with pytest.raises(ValueError, match=says):
        Recipe(**{field: value})


def test_the_papers_recipe_is_the_papers():
    """He et al. 2015, section 4.2."""
    recipe = RECIPES["paper-cifar"]
    assert (recipe.steps(50_000), recipe.batch_size, recipe.peak_rate) == (64_000, 128, 0.1)
    assert (recipe.momentum, recipe.nesterov, recipe.weight_decay, recipe.decay_all) == (0.9, False, 1e-4, True)
    assert (recipe.augment, recipe.normalization) == ("pad-crop-flip", "pixel")
    assert replace(RECIPES["paper-cifar-110"], warm_up=0.0, warm_up_from=0.0, warm_up_shape="linear") == recipe


def test_what_was_there_before_means_what_it_meant():
    assert RECIPES["digits"] == Recipe(batch_size=32)
    plain = Recipe()
    assert (plain.epochs, plain.batch_size, plain.peak_rate, plain.momentum, plain.warm_up) == (20, 64, 0.1, 0.9, 0.25)
    assert (plain.schedule, plain.nesterov, plain.weight_decay, plain.momentum_form) == (
        "one-cycle",
        True,
        0.0,
        "native",
    )
    assert plain.steps(1437) == 20 * 23


def test_larger_batches_scale_the_rate_and_not_where_it_begins():
    """Goyal et al. 2017, table 1: 8,192 images, rate 3.2."""
    scaled = RECIPES["imagenet"].scaled(8192)
    assert (scaled.batch_size, scaled.peak_rate, scaled.warm_up_from) == (8192, 3.2, 0.1)


def test_differences_name_the_field():
    one, other = Recipe(), Recipe(epochs=3, peak_rate=0.2)
    assert differences({"recipe": one.to_dict()}, {"recipe": other.to_dict()}) == [
        "recipe.epochs: 3 there, 20 here",
        "recipe.peak_rate: 0.2 there, 0.1 here",
    ]
    assert differences({"a": 1}, {"a": 1, "b": 2}) == ["b: 2 there, None here"]
