"""What the questions of chapter 06 say is so: networks, steps, schedulers, and the twenty recorded steps."""

from __future__ import annotations

import math

from resnet_lessons import resnet_config, trace, training
from resnet_lessons.labs import bank_full_training

import numpy as np
import torch


def question(name: str) -> bank_full_training.Question:
    found = bank_full_training.QUESTIONS[name]
    assert not isinstance(found, list)
    return found


def test_the_shape_is_that_of_the_layer():
    (_, shape, _) = bank_full_training.QUESTIONS["recall"]
    found = {}
    for version in ("v1", "v1.5"):
        first, *_ = (layer for layer in trace(resnet_config(50, version)) if layer.name == "layer3.0.conv1")
        assert first.in_shape == (512, 28, 28)
        found[version] = str((2, *first.out_shape))
    assert shape.answer == found["v1.5"]
    assert "So it is in v1" in shape.options[found["v1"]]


def test_the_recipe_as_it_is_typed_shares_not_even_one_digit():
    runs = training.recorded("twenty_steps")["runs"]
    losses = {(run["loop"], run["setting"]): np.array(run["losses"]) for run in runs}

    def digits(loop: str, setting: str) -> int:
        apart = np.abs(losses["pytorch", setting] / losses[loop, setting] - 1).max()
        return math.floor(-math.log10(max(apart, 1e-16)))

    assert digits("keras, typed", "whole recipe") == 0
    assert question("port").answer == "not even one digit"
    assert digits("keras, typed", "0.1 and 0.9") == 7, "the smallest cause: as many digits as float32 holds"
    assert digits("keras, typed", "schedule") == 0
    assert digits("keras, typed", "weight decay") == 1
    assert digits("keras, typed", "1/8 and 7/8") >= 12
    assert digits("keras, cured", "whole recipe") >= 12


def test_the_difference_begins_within_three_steps():
    runs = training.recorded("twenty_steps")["runs"]
    ours, theirs = (
        np.array(run["losses"][:3])
        for run in runs
        if run["setting"] == "whole recipe" and run["loop"] in ("pytorch", "keras, typed")
    )
    assert abs(ours[0] / theirs[0] - 1) < 1e-12
    assert abs(ours[2] / theirs[2] - 1) > 1e-3
    assert "within three steps" in question("port").options["about 3 digits"]


def test_when_the_rate_falls_to_a_tenth_keras_goes_on_with_nine_tenths_of_its_step():
    torch_velocity = keras_velocity = 0.0
    for rate in [0.1] * 200 + [0.01]:
        torch_velocity = 0.9 * torch_velocity + 1.0
        keras_velocity = 0.9 * keras_velocity - rate
    assert abs(0.01 * torch_velocity - 0.1) < 1e-6, "a tenth of a step of length 1"
    assert abs(-keras_velocity - 0.91) < 1e-6
    assert question("momentum").answer == "still almost as long as before"


def test_a_scale_of_the_kernels_is_gone_behind_batch_normalisation():
    net = training.new_network("pytorch", resnet_config(8, family="cifar", width=4, in_channels=1), dtype="float64")
    images = torch.tensor(np.random.default_rng(0).standard_normal((16, 1, 8, 8)))
    with torch.no_grad():
        before = net.train()(images)
        for weight in net.parameters():
            if weight.ndim == 4:
                weight.mul_(3)
        after = net(images)
    assert float((after - before).abs().max() / before.abs().max()) < 1e-3
    assert question("decay").answer == "stay the same, up to BN's ε"


def test_the_scheduler_multiplies_the_rate_that_it_finds():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[100, 150])
    optimizer.param_groups[0]["lr"] = 0.01
    optimizer.step()
    scheduler.step()
    assert f"{optimizer.param_groups[0]['lr']:g}" == question("autopsy").answer


def test_every_run_has_the_same_four_suspects_and_another_cause():
    suspects = [set(run.options) for run in bank_full_training.SYMPTOMS]
    assert all(options == suspects[0] for options in suspects)
    assert {run.answer for run in bank_full_training.SYMPTOMS} == suspects[0]
