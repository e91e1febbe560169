"""The lab's rules hold where layers are really run, every wrong answer is told what is wrong, and nothing raises."""

from __future__ import annotations

import itertools
import math
import re
from importlib import import_module

from resnet_lessons import labs, parity, progress, resnet_config, tf_resnet, torch_resnet, trace, training
from resnet_lessons.figures import dots, shape_pair, strided_windows
from resnet_lessons.figures.windows import windows
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.labs import addition_rules as rules
from resnet_lessons.labs.addition_rules import Shortcut
from resnet_lessons.labs.lab import without_code
from resnet_lessons.tf_layers import dtype_of_layers
from resnet_lessons.torch_threads import one_thread

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch

lab_module = import_module("resnet_lessons.labs.legal_addition")
EVERY_CASE = list(itertools.islice(rules.rounds(0), 3 * len(rules._CASES)))


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.fixture
def lab() -> labs.LegalAddition:
    return labs.legal_addition("pytorch")


def best_of(lab) -> Shortcut:
    return rules.cheapest(lab.x_shape, lab.branch_shape)


def answer(lab, shortcut=None) -> None:
    best = shortcut or best_of(lab)
    lab.predict("nothing")
    lab.choose(best.kind, best.stride, best.channels)


def records() -> list:
    return [r.value for r in progress.read()]


def as_layers(shortcut, x):
    """The shortcut as layers of PyTorch, built here a second time; None if there is no such layer."""
    if shortcut.kind == "identity":
        return torch.nn.Identity()
    if shortcut.kind == "pad":
        more = shortcut.channels - x[0]
        return torch_resnet.PadShortcut(x[0], shortcut.channels, shortcut.stride) if more >= 0 else None
    if shortcut.kind == "projection":
        conv = torch.nn.Conv2d(x[0], shortcut.channels, 1, shortcut.stride, bias=False)
        return torch.nn.Sequential(conv, torch.nn.BatchNorm2d(shortcut.channels))
    return None


# The rules, against layers that really run --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked", EVERY_CASE, ids=lambda asked: f"{asked.case}-{asked.x}-{asked.branch}".replace(" ", "")
)
def test_brute_force_over_all_choices_finds_the_same_cheapest(asked):
    priced = {}
    for shortcut in rules.choices(asked.x, asked.branch):
        layers = as_layers(shortcut, asked.x)
        if layers is None:
            continue
        with torch.no_grad(), one_thread():
            out = layers.eval()(torch.zeros(1, *asked.x))
        if tuple(out.shape[1:]) == asked.branch:
            parameters = sum(p.numel() for p in layers.parameters())
            places = math.prod(out.shape[2:])
            priced[shortcut] = (parameters, asked.x[0] * out.shape[1] * places if parameters else 0)
    for shortcut in rules.choices(asked.x, asked.branch):
        assert rules.is_legal(shortcut, asked.x, asked.branch) == (shortcut in priced), shortcut
    for shortcut, price in priced.items():
        assert rules.cost(shortcut, asked.x) == price
        assert rules.is_cheapest(shortcut, asked.x, asked.branch) == (price == min(priced.values()))
    best = rules.cheapest(asked.x, asked.branch)
    assert (best.kind == "none") == (not priced)
    assert rules.is_cheapest(Shortcut("none", 1, asked.x[0]), asked.x, asked.branch) == (not priced)


def test_every_case_asks_what_it_is_there_for():
    kinds: dict[str, set[str]] = {}
    for asked in EVERY_CASE:
        kinds.setdefault(asked.case, set()).add(rules.cheapest(asked.x, asked.branch).kind)
    assert kinds == {
        "stage": {"pad"},
        "odd": {"pad"},
        "same": {"identity"},
        "narrower": {"projection"},
        "narrower, smaller": {"projection"},
        "subsampled": {"pad"},
        "wider": {"pad"},
        "broadcast": {"pad"},
        "unpadded": {"none"},
        "lopsided": {"none"},
        "twice": {"pad"},
    }
    assert any(asked.x[1] % 2 and asked.branch[1] == asked.x[1] // 2 + 1 for asked in EVERY_CASE if asked.case == "odd")


@pytest.mark.parametrize(
    ("option", "kind", "blocks"), [("A", "pad", 3), ("B", "projection", 3), ("C", "projection", 16)]
)
@pytest.mark.parametrize("size", [(224, 224), (225, 97)], ids=str)
def test_shapes_and_costs_are_those_of_the_same_layers_in_a_whole_network(option, kind, blocks, size):
    config, compared = resnet_config(34, shortcut=option), 0
    traced = trace(config, size)
    for block in config.blocks:
        layers = [layer for layer in traced if layer.name.startswith(f"{block.name}.downsample")]
        if layers:
            shortcut, x = Shortcut(kind, block.stride, block.out_channels), layers[0].in_shape
            assert rules.output_shape(shortcut, x) == layers[-1].out_shape
            assert rules.cost(shortcut, x) == (sum(one.parameters for one in layers), sum(one.macs for one in layers))
            compared += 1
    assert compared == blocks


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_framework_adds_equal_shapes_repeats_ones_and_refuses_the_rest(framework):
    assert lab_module.add_in(framework, (8, 4, 6), (8, 4, 6)) == ((8, 4, 6), "")
    assert lab_module.add_in(framework, (8, 2, 2), (8, 1, 1)) == ((8, 2, 2), "")
    shape, error = lab_module.add_in(framework, (8, 4, 6), (16, 2, 3))
    assert shape == (0, 0, 0)
    wanted = {
        "pytorch": "RuntimeError: The size of tensor a (6) must match the size of tensor b (3) at non-singleton dimension 3",
        "tensorflow": "InvalidArgumentError: Incompatible shapes: [1,4,6,8] vs. [1,2,3,16]",
    }
    assert error == wanted[framework]


# What a learner is told ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_every_choice_of_every_case_is_answered_truly(framework):
    for asked in EVERY_CASE[: len(rules._CASES)]:
        x, branch = asked.x, asked.branch
        best = rules.cheapest(x, branch)
        for shortcut in rules.choices(x, branch):
            said = lab_module.feedback_html(framework, asked, shortcut)
            text = without_code(said)
            if rules.is_cheapest(shortcut, x, branch):
                assert text.startswith("✓ Right:")
                assert asked.story in text
            elif shortcut.kind == "none":
                assert text.startswith("✗ Not so: one of these fits.")
            elif shortcut.kind == "pad" and shortcut.channels < x[0]:
                assert f"cannot go from {x[0]} channels down to {shortcut.channels}" in text
            elif rules.is_legal(shortcut, x, branch):
                assert f"a projection costs {rules.cost(shortcut, x)[0]:,} parameters" in text
                assert ("where the identity costs none" in text) == (best.kind == "identity")
                assert ("option C" in text) == (best.kind == "identity")
            else:
                out = rules.output_shape(shortcut, x)
                named = re.findall(r"(channels|height|width) (\d+) ≠ (\d+)", text)
                axes = zip(("channels", "height", "width"), out, branch, strict=True)
                assert named == [(axis, str(a), str(b)) for axis, a, b in axes if a != b]
                silent = all(a == b or 1 in (a, b) for a, b in zip(out, branch, strict=True))
                assert ("no error tells you" in text) == silent
                assert ("<pre>" in said) != silent


def test_answers_read_the_same_in_both_frameworks():
    lab, twin = (labs.legal_addition(framework) for framework in FRAMEWORKS)
    for _ in range(len(rules._CASES)):
        for shortcut in [*rules.choices(lab.x_shape, lab.branch_shape), best_of(lab)]:
            for one in (lab, twin):
                answer(one, shortcut)
            assert (lab.feedback, lab.status, lab.notice) == (twin.feedback, twin.status, twin.notice)
        lab.next()
        twin.next()


def test_padding_channels_away_is_refused_and_what_the_frameworks_do_is_as_told():
    text = lab_module.feedback_html("pytorch", rules.Round("", (64, 7, 7), (32, 7, 7), ""), Shortcut("pad", 1, 32))
    assert "a padding of −16 and −16" in text
    cut = torch.nn.functional.pad(torch.zeros(1, 64, 7, 7), (0, 0, 0, 0, -16, -16))
    assert cut.shape == (1, 32, 7, 7)
    pads = ((0, 0), (0, 0), (0, 0), (-16, -16))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be non-negative"):
        keras.ops.pad(tf.zeros((1, 7, 7, 64)), pads)
    x = keras.Input((7, 7, 64))
    built = keras.Model(x, keras.ops.pad(x, pads))
    assert built.output_shape == (None, 7, 7, 32)
    with pytest.raises(tf.errors.InvalidArgumentError):
        built(tf.zeros((1, 7, 7, 64)))
    assert "a Keras model is built with it, and fails at its first batch" in text


def test_the_picture_marks_the_axes_that_differ_and_says_so():
    figure = lab_module.outcome_picture(Shortcut("pad", 2, 64), (64, 56, 28), (128, 28, 14))
    assert "✗ channels: 64 ≠ 128" in figure.alt
    assert "✓ height: 28 = 28" in figure.alt
    assert "✓ width: 14 = 14" in figure.alt
    assert figure.svg.count('stroke-dasharray="7 3"') == 2  # one edge of each box
    assert shape_pair((8, 4, 4), (8, 4, 4)).svg.count("stroke-dasharray") == 0


# The game -----------------------------------------------------------------------------------------------------------------


def test_three_cheapest_first_tries_solve_it(lab):
    answer(lab)
    lab.next()
    answer(lab, Shortcut("projection", 4, lab.branch_shape[0]))
    assert lab.feedback.startswith("✗")
    lab.next()
    assert lab.round == 2
    assert lab.notice.startswith("Find the cheapest legal shortcut first")
    answer(lab)
    assert lab.score == (1, 2)
    lab.next()
    answer(lab)
    assert not lab.solved
    lab.next()
    answer(lab)
    assert lab.solved
    assert "cheapest in 3 of 4. ✓ Solved in round 4" in lab.status
    assert [value["step"] for value in records()].count("solved") == 1
    lab.choose("identity")
    lab.next()
    assert (lab.round, lab.solved) == (5, True)


def test_clicks_do_what_calls_do(lab):
    assert lab.x_shape[0] < lab.branch_shape[0]
    lab._predictions[0].click()
    lab._kinds[1].click()
    lab.add()
    assert lab.notice.startswith("Choose its stride too")
    lab._strides[1].click()
    lab._add.click()
    assert lab.notice.startswith("Choose its channels too")
    channels = rules.channel_choices(lab.x_shape, lab.branch_shape)
    lab._channels[channels.index(lab.branch_shape[0])].click()
    lab._add.click()
    assert lab.choice == Shortcut("pad", 2, lab.branch_shape[0])
    assert lab.feedback.startswith("✓ Right:")
    assert "✓ You predicted: nothing." in lab.feedback
    assert "rl-chosen" in lab._kinds[1]._dom_classes
    lab._next.click()
    assert (lab.round, lab.guess, lab.feedback) == (2, None, "")
    assert "rl-chosen" not in lab._kinds[1]._dom_classes


def test_an_identity_has_neither_stride_nor_channels_to_choose(lab):
    lab.predict("nothing")
    lab._kinds[0].click()
    assert all(button.disabled for button in [*lab._strides, *lab._channels])
    lab._kinds[2].click()
    assert not any(button.disabled for button in [*lab._strides, *lab._channels])


def test_what_was_chosen_is_noted(lab):
    answer(lab)
    x, branch = list(lab.x_shape), list(lab.branch_shape)
    where = {"round": 1, "x": x, "branch": branch}
    assert records() == [
        {**where, "step": "predict", "cost": "nothing", "right": True},
        {**where, "step": "add", "kind": "pad", "stride": 2, "channels": branch[0], "first": True, "right": True},
    ]
    assert progress.read()[0][1:3] == ("legal_addition", "legal_addition")


def test_nothing_raises_into_the_lesson(lab):
    lab.add()
    assert lab.notice.startswith("First predict")
    lab.predict("<free>")
    assert lab.notice.startswith("'<free>' is no cost to predict")
    lab.predict("nothing")
    lab.predict("some parameters")
    assert lab.notice == "Your prediction stays noted: nothing."
    lab.add()
    assert lab.notice == "Choose a kind of shortcut first."
    for wrong, words in [
        (("<b>",), "There is no shortcut '<b>' here"),
        (("identity", 2), "The identity hands on x as it is"),
        (("pad", 3), "The stride is 3; choose one of 1, 2, 4."),
        (("pad", 2, 7), "7 channels are not offered"),
        (("projection", None, None), "The stride is None"),
    ]:
        lab.choose(*wrong)
        assert lab.notice.startswith(words)
    assert (lab.guess, lab.round) == (None, 1)


def test_a_framework_that_is_not_there_is_said_in_its_place():
    lab = labs.legal_addition("jax")
    assert "no framework 'jax' here; choose 'pytorch' or 'tensorflow'." in lab.notice
    for act in (lambda: lab.predict("nothing"), lambda: lab.choose("identity"), lab.add, lab.next):
        act()
    assert (lab.framework, lab.prediction, lab.guess) == (None, None, None)


def test_a_seed_gives_the_same_rounds_again():
    def first(seed, count=40):
        return list(itertools.islice(rules.rounds(seed), count))

    assert first(5) == first(5)
    assert first(5) != first(6)
    cases = [asked.case for asked in first(5)]
    number = len(rules._CASES)
    assert cases[0] == "stage"
    assert len(set(cases[:number])) == len(set(cases[number : 2 * number])) == number
    assert all(a != b for a, b in itertools.pairwise(cases))


def test_something_fits_in_each_of_the_first_three_rounds_and_nothing_in_some_later_one():
    for seed in range(60):
        asked = list(itertools.islice(rules.rounds(seed), len(rules._CASES)))
        fits = [rules.cheapest(one.x, one.branch).kind != "none" for one in asked]
        assert all(fits[:3]), seed
        assert fits.count(False) == 2, seed
        assert len({one.case for one in asked}) == len(asked), seed


def test_what_a_notebook_saves_is_the_same_in_every_run(lab):
    before = lab._repr_mimebundle_()
    answer(lab)
    lab.next()
    again = labs.legal_addition("tensorflow", seed=4)
    for mime in ("text/plain", "text/html"):
        assert before[mime] == lab._repr_mimebundle_()[mime] == again._repr_mimebundle_()[mime]
    assert before["text/plain"].startswith("Make this addition legal\nA block's input")


# The chapter's figures, its recorded block and its recorded runs -----------------------------------------------------------


@pytest.mark.parametrize(("kernel", "size"), [*itertools.product((3, 5, 7), (6, 7, 14, 15, 224))])
def test_windows_lie_where_keras_and_pytorch_put_them(kernel, size):
    row = np.arange(size, dtype="float32")
    centre = np.zeros(kernel, dtype="float32")
    centre[kernel // 2] = 1  # picks the pixel in the middle of the window
    same = keras.ops.conv(row[None, :, None] + 1, centre[:, None, None], strides=2, padding="same")
    symmetric = torch.nn.functional.conv1d(
        torch.tensor(row)[None, None] + 1, torch.tensor(centre)[None, None], stride=2, padding=kernel // 2
    )
    assert tuple(np.asarray(same).ravel() - 1) == windows(size, "same", kernel).centres
    assert tuple(symmetric.numpy().ravel() - 1) == windows(size, "symmetric", kernel).centres


def test_the_windows_figure_says_where_branch_and_shortcut_meet():
    figure = strided_windows((6, 7))
    assert figure.svg.count("✗ one pixel apart") == 1
    assert figure.svg.count("✓ they meet") == 3
    assert "6 pixels, “same”, TensorFlow: 0 zeros in front and 1 behind" in figure.alt
    with pytest.raises(ValueError, match="padding is 'valid'"):
        windows(6, "valid")


def test_dots_draw_every_run():
    figure = dots({"A": [98.0, 99.0], "B": [97.0]}, "accuracy (%)")
    assert figure.svg.count("<circle") == 3
    assert "A: 2 runs from 98.0 to 99.0, mean 98.5." in figure.alt
    assert dots({"A": [1.0]}, "x").svg.count("<circle") == 1  # all values equal: still a plot
    with pytest.raises(ValueError, match="at least one value"):
        dots({"A": []}, "x")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_recorded_block_is_what_both_frameworks_compute(framework):
    recording = parity.recorded(f"projection_block_{framework}")
    with dtype_of_layers("float64"):
        x = keras.Input((None, None, 8), dtype="float64")
        twin = keras.Model(x, tf_resnet.BasicBlock(8, 16, 2)(x))
    for block in (torch_resnet.BasicBlock(8, 16, 2).double(), twin):
        parity.copy_weights(source=recording, target=block)
        report = parity.compare(block, recording)
        assert report.agrees(1e-12), str(report)


def test_the_recorded_runs_cannot_rank_the_options():
    """What chapter 02 says of its own experiment: opposite orders, and means nearer to each other than they are sure."""
    record = training.recorded("shortcut_options")
    last = {
        (framework, option): [
            run["history"]["test_accuracy"][-1]
            for run in record["runs"]
            if (run["framework"], run["option"]) == (framework, option)
        ]
        for framework in FRAMEWORKS
        for option in "ABC"
    }
    assert all(len(values) == 5 for values in last.values())
    torch_means, keras_means = ([np.mean(last[framework, o]) for o in "ABC"] for framework in FRAMEWORKS)
    assert torch_means == sorted(torch_means, reverse=True)
    assert keras_means == sorted(keras_means)
    pooled = [np.mean([*last["pytorch", o], *last["tensorflow", o]]) for o in "ABC"]
    assert np.ptp(pooled) < 0.001
    spread = np.sqrt(np.mean([np.var(values, ddof=1) for values in last.values()]))
    for means in (torch_means, keras_means):
        assert np.ptp(means) < 0.7 * spread * np.sqrt(2 / 5)  # the standard error of a difference of two means of five
    gap = np.mean(torch_means) - np.mean(keras_means)
    assert 1.7 < gap / (spread * np.sqrt(2 / 15)) < 1.8
    assert gap > max(np.ptp(torch_means), np.ptp(keras_means))
    expected = {o: resnet_config(20, family="cifar", shortcut=o, width=8, in_channels=1).parameters for o in "ABC"}
    assert all(run["parameters"] == expected[run["option"]] for run in record["runs"])
