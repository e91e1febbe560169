"""The lab's NumPy signal is that of the frameworks' blocks; a wrong prediction is answered, and nothing is raised."""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
import time
from importlib import import_module

from resnet_lessons import labs, parity_networks, progress
from resnet_lessons.architecture import Block
from resnet_lessons.figures.signal import signal_along_depth
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.labs import signals
from resnet_lessons.labs.placements import PLACEMENTS, Order, parse_order, stem_words

import numpy as np
import pytest

lab_module = import_module("resnet_lessons.labs.order_of_operations")
SLOTS = ("", "BN", "ReLU", "BN ReLU", "ReLU BN")
EVERY_ORDER = [" ".join(f"{a} conv {b} conv {c} + {d}".split()) for a, b, c, d in itertools.product(SLOTS, repeat=4)]
SOME_ORDERS = random.Random(0).sample(EVERY_ORDER, 40)


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.fixture
def lab() -> labs.OrderOfOperations:
    return labs.order_of_operations()


# The signal -------------------------------------------------------------------------------------------------------------


def frameworks_chain(framework: str, order: Order, seed: int) -> list[np.ndarray]:
    """What the 27 blocks put out, built of the framework's own layers."""
    names = [f"block{number}" for number in range(signals.BLOCKS)]
    blocks = [Block(name, "basic", "v1", 8, 8, 1, "A", name == "block0") for name in names]
    images, stem, kernels = signals.weights(seed)
    net = (_torch_chain if framework == "pytorch" else _keras_chain)(order, blocks)
    for key, tensor in parity_networks.wrap(net).tensors().items():
        if key.layer == "stem":
            tensor.write(stem)
        elif "conv" in key.layer:
            block, layer = key.layer.removeprefix("block").split("_")
            tensor.write(kernels[int(block)][int(layer[-1]) - 1])
    if framework == "pytorch":
        import torch

        with torch.no_grad():
            return [after.numpy() for after in net.train()(torch.tensor(images))]
    import tensorflow as tf

    return [
        after.numpy().transpose(0, 3, 1, 2) for after in net(tf.constant(images.transpose(0, 2, 3, 1)), training=True)
    ]


def _torch_chain(order, blocks):
    from resnet_lessons.labs.placements_torch import OrderedBlock

    import torch

    class Chain(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)
            after = {"BN": torch.nn.BatchNorm2d(8), "ReLU": torch.nn.ReLU()}
            self.between = torch.nn.Sequential(*(after[word] for word in stem_words(order)))
            for block in blocks:
                self.add_module(block.name, OrderedBlock(order, block))

        def forward(self, x):
            x, outputs = self.between(self.stem(x)), []
            for block in blocks:
                x = self.get_submodule(block.name)(x)
                outputs.append(x)
            return outputs

    return Chain().double()


def _keras_chain(order, blocks):
    from resnet_lessons.labs.placements_tf import OrderedBlock
    from resnet_lessons.tf_layers import batch_norm, dtype_of_layers
    from resnet_lessons.tf_resnet import conv3x3

    import keras

    with dtype_of_layers("float64"):
        images = keras.Input((8, 8, 3), dtype="float64")
        x, outputs = conv3x3(3, 8, name="stem")(images), []
        for word in stem_words(order):
            x = batch_norm(1e-5, name="between")(x) if word == "BN" else keras.layers.ReLU()(x)
        for block in blocks:
            x = OrderedBlock(order, block)(x)
            outputs.append(x)
        return keras.Model(images, outputs)


@pytest.mark.parametrize("key", PLACEMENTS)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_signal_in_numpy_is_that_of_the_frameworks_blocks(framework, key):
    order = parse_order(PLACEMENTS[key].order)
    ours, theirs = signals.chain(order, 1)[0][1:], frameworks_chain(framework, order, 1)
    assert len(ours) == len(theirs) == 27
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-9 * np.abs(other).max())


def test_the_five_placements_can_be_told_apart_by_what_the_lab_shows():
    kinds = {
        key: (s.growth, s.sign, s.clean, s.branch_mean < 1e-9)
        for key, s in ((key, signals.measure(p.order)) for key, p in PLACEMENTS.items())
    }
    root, line = "grows like √depth", "grows like the depth"
    assert kinds == {
        "original": (root, "never negative", False, True),
        "bn_after": ("stays level", "never negative", False, False),
        "relu_before": (line, "never negative", True, False),
        "relu_only": (root, "both signs", True, True),
        "full": (root, "both signs", True, False),
    }


@pytest.mark.parametrize("order", SOME_ORDERS)
def test_what_is_measured_of_an_order_follows_from_its_words(order):
    """Each claim of the lab's explanations, for orders that nobody chose."""
    found, signal = parse_order(order), signals.measure(order)
    last = (*found.branch, *found.after)[-1]
    only_adds = found.branch[-1] == "ReLU"
    assert signal.clean == (not found.after or (only_adds and "BN" not in found.after))  # that ReLU has nothing to cut
    # ReLU last is never negative: behind the addition, or in the branch, since the chain begins behind a ReLU.
    assert (signal.sign == "never negative") == (last == "ReLU")
    assert (signal.fall == 0) == (only_adds and "BN" not in found.after)
    if "BN" in found.after:
        assert signal.growth == "stays level"
    elif "BN" not in found.branch:
        assert signal.growth == "explodes"
    else:
        assert signal.growth in ("grows like √depth", "grows like the depth")
        assert signal.growth == "grows like the depth" or signal.lowest_branch < 0
    for text in (lab_module.why_growth(found, signal), lab_module.why_sign(found, signal)):
        assert text.endswith(".")


def test_the_books_of_an_order_are_kept_by_brute_force():
    order = parse_order(PLACEMENTS["original"].order)
    worst = 0.0
    for seed in signals.SEEDS:
        signal, branches = signals.chain(order, seed)
        total = signal[0].copy()
        for branch in branches:
            total += branch
        worst = max(worst, np.abs(signal[-1] - total).max() / np.abs(signal[-1]).max())
    assert signals.measure(str(order)).left_over == pytest.approx(worst, rel=1e-9)


def test_variances_of_full_pre_activation_grow_along_a_line():
    signal, _ = signals.chain(parse_order(PLACEMENTS["full"].order), 0)
    variances = [x.var(axis=(0, 2, 3)).mean() for x in signal[1:]]
    fit = np.polynomial.Polynomial.fit(range(27), variances, 1)
    residue = np.array(variances) - fit(np.arange(27))
    assert 1 - residue.var() / np.var(variances) > 0.98


def test_an_order_is_measured_and_drawn_within_200_ms():
    signals._measured.cache_clear()
    begin = time.process_time()
    lab_module.picture_html(parse_order("BN conv BN ReLU conv ReLU + BN"))
    assert time.process_time() - begin < 0.2


# The lab ----------------------------------------------------------------------------------------------------------------


def truth(lab) -> str:
    return lab._asked


ANSWERS = {"only-grow": "relu_before", "level": "bn_after", "clean": "full"}
WRONG = {"only-grow": "full", "level": "original", "clean": "relu_before"}


def foresee(lab, key) -> None:
    signal = signals.measure(PLACEMENTS[key].order)
    lab.place(key)
    lab.predict(signal.growth, signal.sign)


def do_task(lab) -> None:
    if lab._kind == "find":
        foresee(lab, ANSWERS[truth(lab)])
        lab.run()
    else:
        lab.choose(PLACEMENTS[truth(lab)].title)


def test_four_tasks_at_the_first_try_solve_it(lab):
    for number in range(4):
        assert not lab.solved
        assert lab.score == (number, number)
        do_task(lab)
        lab.next()
    assert lab.solved
    assert "✓ Solved" in lab.status
    assert [r.value["step"] for r in progress.read()].count("solved") == 1


def test_every_goal_and_every_placement_can_be_answered_and_wrong_answers_are_told_why(lab):
    seen = set()
    for _ in range(10):
        seen.add((lab._kind, truth(lab)))
        if lab._kind == "find":
            foresee(lab, WRONG[truth(lab)])
            lab.run()
            assert "✗ The task asks for another order." in lab.answer
            assert lab.answer.count("✓ Right") == 2
        else:
            for key, placement in PLACEMENTS.items():
                if key != truth(lab):
                    lab.choose(placement.title)
                    assert lab.answer.startswith(f"✗ Not so: {placement.title}.")
                    assert len(lab.answer) > 80
        lab.next()
        assert "Do this task first" in lab.notice
        do_task(lab)
        assert "✓" in lab.answer
        lab.next()
    assert len(seen) == 8
    assert lab.score == (0, 10)
    assert not lab.solved


@pytest.mark.parametrize(("shown", "named"), [("full", "relu_only"), ("relu_only", "full")])
def test_the_two_pre_activations_are_told_apart_by_what_a_bn_at_the_end_does(shown, named):
    said = lab_module.contradiction(shown, named)
    assert "A BN at the end of a branch makes each channel of what it adds have mean 0 (β = 0)" in said
    assert ("its branch ends in BN" in said) == (named == "relu_only")


@pytest.mark.parametrize(
    ("ratio", "growth"),
    [
        (0.75, "shrinks"),
        (0.77, "stays level"),
        (1, "stays level"),
        (1.7, "grows like √depth"),
        (3, "grows like the depth"),
        (5, "grows like the depth"),
        (5.5, "explodes"),
    ],
)
def test_the_strength_is_named_as_the_bench_says(lab, ratio, growth):
    signal = signals.measure(PLACEMENTS["full"].order)
    row = (1.0,) * 10 + (float(ratio),) * 18
    assert dataclasses.replace(signal, strength=(row,)).growth == growth
    steps = " ".join(getattr(part, "value", "") for part in lab._bench)
    assert "level is about ×1, √depth ×1.7, depth ×3" in steps
    assert "less than ×0.76: shrinks; more than ×5: explodes" in steps


def test_a_right_order_with_a_wrong_prediction_does_the_task_but_does_not_count(lab):
    key = ANSWERS[truth(lab)]
    signal = signals.measure(PLACEMENTS[key].order)
    lab.place(key)
    lab.predict("shrinks", signal.sign)
    lab.run()
    assert "✗ Not so: you predicted “shrinks”" in lab.answer
    assert "✓ Task done." in lab.answer
    assert lab.score == (0, 1)


@pytest.mark.parametrize("growth", signals.GROWTHS)
@pytest.mark.parametrize("sign", signals.SIGNS)
def test_every_wrong_prediction_is_named_with_what_is_seen(lab, growth, sign):
    lab.place("full")
    lab.predict(growth)
    lab.predict(sign=sign)
    lab.run()
    for predicted, seen in ((growth, "grows like √depth"), (sign, "both signs")):
        assert (f"you predicted “{predicted}”" in lab.answer) == (predicted != seen)


def test_an_order_runs_only_when_complete_and_predicted(lab):
    lab.run()
    assert "exactly once; this order has none" in lab.notice
    for word in ["conv", "BN", "ReLU", "conv", "BN", "ReLU", "+"]:
        lab.press(word)
    lab.run()
    assert lab.notice == "First predict its strength."
    lab.predict("explodes")
    lab.run()
    assert lab.notice == "First predict the sign of its values."
    lab.predict(sign="never negative")
    lab.run()
    assert lab.notice == ""
    assert lab.measured == signals.measure(PLACEMENTS["relu_before"].order)
    lab.undo()
    assert lab.measured is None  # another order: what was seen is gone, and so is the prediction
    assert lab.prediction == (None, None)
    lab.clear()
    assert lab.words == []


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda lab: lab.press("pool"), "'pool' is no operation here"),
        (lambda lab: [lab.press("BN") for _ in range(13)], "at most 12 words"),
        (lambda lab: lab.order("conv +"), "two convolutions, and here there is one"),
        (lambda lab: lab.order(None), "'None' is no operation here"),
        (lambda lab: lab.place("best"), "There is no placement 'best'"),
        (lambda lab: lab.place(None), "There is no placement None"),
        (lambda lab: lab.predict("wiggles"), "'wiggles' is no prediction here"),
        (lambda lab: lab.predict(sign=3), "3 is no prediction here"),
        (lambda lab: lab.choose("original"), "Here an order is to be found"),
        (lambda lab: lab.next(), "Do this task first"),
        (lambda lab: lab.press("<b>"), "'<b>' is no operation here"),
    ],
)
def test_bad_input_is_answered_in_place(lab, act, said):
    act(lab)
    assert said in lab.notice
    assert lab.score == (0, 0)


@pytest.mark.parametrize(
    "act",
    [
        lambda lab: lab.run(),
        lambda lab: lab.predict("explodes"),
        lambda lab: lab.press("BN"),
        lambda lab: lab.order("conv conv +"),
        lambda lab: lab.place("full"),
    ],
)
def test_while_a_curve_is_read_there_is_no_bench(lab, act):
    do_task(lab)
    lab.next()
    act(lab)
    assert lab.notice == "Here the curve is shown already: name the placement."
    lab.choose("none of them")
    assert "There is no placement" in lab.notice


def test_a_hidden_curve_does_not_give_its_order_away(lab):
    do_task(lab)
    lab.next()
    shown = lab._picture.value
    for placement in PLACEMENTS.values():
        assert placement.order not in shown
        assert placement.title not in re.sub(r"<img[^>]*>", "", shown)


def test_buttons_do_what_methods_do(lab):
    for word in ("conv", "conv", "+"):
        lab._words[lab_module.WORDS.index(word)].click()
    lab._growths[signals.GROWTHS.index("explodes")].click()
    lab._signs[signals.SIGNS.index("both signs")].click()
    lab._run.click()
    assert lab.answer.startswith("✓ Right: the strength explodes.")
    lab._edit[0].click()
    assert lab.words == ["conv", "conv"]
    lab._places[0].click()
    assert lab.words == PLACEMENTS["original"].order.split()
    every = [*lab._words, *lab._growths, *lab._signs, *lab._titles, *lab._edit, lab._run, lab._next]
    assert all(button.description for button in every)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-0.001, "0.00"), (-3.456, "−3.46"), (3008.26, "3,008.26"), (-1_234_567.0, "−1·10⁶"), (5e11, "5·10¹¹")],
)
def test_large_numbers_are_shown_as_powers(value, shown):
    assert lab_module._number(value) == shown


def test_seeds_bring_other_tasks_and_none_comes_twice_running():
    for seed in (0, 1):
        first = list(itertools.islice(lab_module.tasks(seed), 60))
        assert first == list(itertools.islice(lab_module.tasks(seed), 60))
        assert all(a != b for a, b in zip(first, first[2:], strict=False))
    assert list(itertools.islice(lab_module.tasks(0), 10)) != list(itertools.islice(lab_module.tasks(1), 10))


def test_what_a_notebook_saves_is_the_same_in_every_run(lab):
    before = lab._repr_mimebundle_()
    do_task(lab)
    again = labs.order_of_operations(seed=4)
    for mime in ("text/plain", "text/html"):
        assert before[mime] == lab._repr_mimebundle_()[mime] == again._repr_mimebundle_()[mime]
    assert before["text/plain"].startswith("Order of operations\nA block adds")
    assert 'alt="conv BN ReLU conv BN + ReLU: two line plots' in before["text/html"]


# Its picture ------------------------------------------------------------------------------------------------------------


def test_the_picture_says_in_words_what_it_shows():
    figure = signal_along_depth([[1, 2, 3, 4], [1, 2, 3, 5]], [[0, 0.5, 0.25, 0.1]] * 2, "a title")
    assert figure.alt.startswith("a title: two line plots by block, 0 to 3, 2 seeds.")
    assert "after block 0 1, after block 1 2, after block 3 4 to 5." in figure.alt
    assert "after block 1 50%, after block 3 10%." in figure.alt
    assert figure.svg.count('data-kind="seed"') == 4


def test_the_name_of_the_axis_stands_clear_of_the_key():
    svg = signal_along_depth([[1, 2, 3, 4]], [[0, 0.5, 0.25, 0.1]]).svg
    axis, key = (float(re.search(rf'y="([\d.]+)"[^>]*>{text}<', svg)[1]) for text in ("after block", "seed 0"))
    assert key - axis >= 30


def test_an_exploding_signal_gets_a_logarithmic_axis():
    tame = signal_along_depth([[1, 30]], [[0, 0]]).svg
    wild = signal_along_depth([[1, 1e6]], [[0, 0]]).svg
    assert "logarithmic" not in tame
    assert "logarithmic" in wild
    assert "10⁶" in wild


@pytest.mark.parametrize("bad", [([], []), ([[1, 2]], [[0]]), ([[1]], [[0]]), ([[1, 2]] * 4, [[0, 0]] * 4)])
def test_what_cannot_be_drawn_is_explained(bad):
    with pytest.raises(ValueError, match="one to three seeds"):
        signal_along_depth(*bad)
