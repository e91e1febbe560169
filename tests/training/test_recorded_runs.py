"""The recorded trainings reach what the course promises, by the recipes that the course has now."""

from dataclasses import replace

from resnet_lessons import resnet_config, training
from resnet_lessons.frameworks import FRAMEWORKS

import numpy as np
import pytest

AIMS = {"digits": 0.985, "fashion_mnist": 0.925, "cifar10": 0.9125}
MINUTES = {"digits": 0.5, "fashion_mnist": 6}  # in PyTorch, on two cores
RECIPES = {"digits": "digits", "fashion_mnist": "fashion", "cifar10": "fast-cifar"}
SIZES = {"digits": (1437, 360), "fashion_mnist": (60_000, 10_000), "cifar10": (50_000, 10_000)}
EVERY = [(data, framework) for data in AIMS for framework in FRAMEWORKS]
NETWORKS = {"digits": {"in_channels": 1}, "fashion_mnist": {"in_channels": 1}, "cifar10": {"shortcut": "B"}}
EPOCHS = {("cifar10", "tensorflow"): 50}  # where it is not the recipe's


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("data", AIMS)
def test_the_mean_over_the_seeds_reaches_the_aim(data, framework):
    runs = training.recorded(f"{data}_{framework}")["runs"]
    assert [run["seed"] for run in runs] == list(range(len(runs)))
    assert np.mean([run["history"]["test_accuracy"][-1] for run in runs]) >= AIMS[data]


@pytest.mark.parametrize("data", MINUTES)
def test_no_recorded_run_in_pytorch_took_longer_than_promised(data):
    record = training.recorded(f"{data}_pytorch")
    assert record["made_by"]["environment"]["cores"] == 2
    assert len(record["runs"]) >= 3
    assert max(run["history"]["seconds"][-1] for run in record["runs"]) <= 60 * MINUTES[data]


@pytest.mark.parametrize(("data", "framework"), EVERY)
def test_a_record_was_made_by_the_recipe_of_that_name_on_the_whole_data(data, framework):
    made_by = training.recorded(f"{data}_{framework}")["made_by"]
    recipe = training.RECIPES[RECIPES[data]]
    recipe = replace(recipe, seed=0, epochs=EPOCHS.get((data, framework), recipe.epochs))
    assert training.Recipe.from_dict(made_by["recipe"]) == recipe
    words = made_by["each_run"].split()
    assert words[:6] == ["resnet-lessons", "train", "--data", data, "--depth", "20"]
    assert words[words.index("--recipe") + 1] == RECIPES[data]
    assert (made_by["data"]["train"], made_by["data"]["test"]) == SIZES[data]
    assert made_by["network"] == resnet_config(20, family="cifar", **NETWORKS[data]).to_dict()
    assert made_by["environment"]["processor"]
    assert made_by["environment"]["threads"] >= 1


@pytest.mark.parametrize(("data", "framework"), EVERY)
def test_a_recorded_history_is_whole(data, framework):
    record = training.recorded(f"{data}_{framework}")
    for run in record["runs"]:
        history = run["history"]
        epochs = record["made_by"]["recipe"]["epochs"]
        assert history["epoch"] == list(range(1, epochs + 1))
        assert len({len(values) for values in history.values()}) == 1
        assert history["seconds"] == sorted(history["seconds"])
        right = np.array(history["test_accuracy"]) * SIZES[data][1]
        assert np.allclose(right, right.round(), atol=0.1), "accuracies are whole numbers of test images"
