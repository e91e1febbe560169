"""Inserted blocks do what is said of them, measured against networks built by hand; training on follows; the lab keeps count."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import threading
import time
from functools import cache
from importlib import import_module

from resnet_lessons import labs, parity, progress, resnet_config, torch_resnet, training
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.labs import blockwise, surgery, surgery_views, train_on
from resnet_lessons.labs.surgery import CONSTRUCTIONS, NUMBERS, PLACES, Plan

import numpy as np
import pytest
import torch

lab_module = import_module("resnet_lessons.labs.identity_surgery")
BASES = ("plain-20", "residual-20")
EVERY = list(itertools.product(BASES, CONSTRUCTIONS, PLACES))


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.fixture
def lab() -> labs.IdentitySurgery:
    return labs.identity_surgery("pytorch")


def digit_images() -> np.ndarray:
    return blockwise.digits().normalized(blockwise.digits().test)


@cache  # what is measured is looked at by several tests, and none changes it
def operated(base: str, number: int, place: str, construction: str) -> tuple[surgery.Grown, surgery.Outcome]:
    network = blockwise.load_trained(base)
    grown = surgery.operate(network, Plan(number, place, construction))
    return grown, surgery.examine(network, grown)


@cache
def outputs_of(base: str) -> np.ndarray:
    return blockwise.load_trained(base).run(digit_images())


def torch_twin(grown: surgery.Grown) -> torch.nn.Module:
    """The grown network as the lab trains it, in float64, with the float64 weights."""
    net = train_on._torch_network(grown).double()
    *front, body = net
    names = parity.tensor_names(grown.net.config).values()
    parity.copy_weights(source={name: grown.net.weights[name] for name in names}, target=body)
    for block, described in zip(front, grown.front, strict=True):
        for name, tensor in block.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensor.copy_(torch.from_numpy(grown.net.weights[f"{described.name}.{name}"]))
    return net


# The surgery


@pytest.mark.parametrize(("base", "construction", "place"), EVERY)
def test_what_is_measured_is_what_pytorch_gives(base, construction, place):
    grown, outcome = operated(base, 3, place, construction)
    before = outputs_of(base)
    after = training.predict(torch_twin(grown), digit_images())
    labels = blockwise.digits().test.labels
    assert outcome.difference == pytest.approx(np.abs(before - after).max(), rel=1e-9, abs=1e-9)
    assert outcome.same_answers == (before.argmax(axis=1) == after.argmax(axis=1)).sum()
    assert outcome.right_before == (before.argmax(axis=1) == labels).sum()
    assert outcome.right == (after.argmax(axis=1) == labels).sum()


@pytest.mark.parametrize(("base", "construction", "place"), EVERY)
def test_the_outputs_stay_the_same_exactly_where_the_argument_says(base, construction, place):
    """Identity kernels in a plain block, a silent branch in a residual one; nowhere on the image, which has negative values."""
    _, outcome = operated(base, 3, place, construction)
    made = CONSTRUCTIONS[construction]
    plain = made.kernels == "identity" and made.bn in ("neutral", "fitted")
    expected = place != "image" and (made.last_gamma == 0 if base.startswith("residual") else plain)
    assert outcome.exact == expected
    assert outcome.exact == (outcome.difference < 1e-9) == (outcome.at == "")


def test_eighteen_blocks_make_the_network_of_56_layers():
    """Block for block, name for name: what chapter 00 builds by hand."""
    grown, _ = operated("plain-20", 18, "spread", "neutral")
    plain_56 = resnet_config(56, family="cifar", shortcut="none", width=8, in_channels=1)
    assert grown.layers == 56
    assert grown.net.config.blocks == plain_56.blocks
    assert grown.net.config.parameters == plain_56.parameters
    assert grown.inserted == tuple(f"layer{stage}.{number}" for stage in (1, 2, 3) for number in range(3, 9))
    net = torch_resnet.resnet(config=plain_56, dtype="float64")
    weights = dict(blockwise.load_trained("plain-20").weights)
    for block in plain_56.blocks:
        if block.name not in blockwise.load_trained("plain-20").blocks:
            torch.nn.init.dirac_(net.get_submodule(block.name).conv1.weight)
            kernel = net.get_submodule(block.name).conv1.weight.detach().numpy()
            ones = np.ones(block.width)
            for n in (1, 2):
                weights[f"{block.name}.conv{n}.weight"] = kernel
                norm = {"weight": ones, "bias": 0 * ones, "running_mean": 0 * ones, "running_var": ones * (1 - 1e-5)}
                weights |= {f"{block.name}.bn{n}.{kind}": values for kind, values in norm.items()}
    assert all(np.array_equal(weights[name], grown.net.weights[name]) for name in weights)
    parity.copy_weights(source=weights, target=net)
    before = blockwise.load_trained("plain-20").run(digit_images())
    assert np.abs(training.predict(net, digit_images()) - before).max() < 1e-9


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("place", PLACES)
def test_a_plan_inserts_as_many_blocks_as_it_says(number, place):
    grown, _ = operated("plain-20", number, place, "neutral")
    assert len(grown.inserted) == number
    assert grown.layers == 20 + 2 * number
    config = grown.net.config
    rest = sum(np.prod(grown.net.weights[f"{block.name}.conv1.weight"].shape) for block in grown.front)
    assert sum(p.numel() for p in train_on._torch_network(grown).parameters()) == (
        config.parameters + 2 * rest + 4 * len(grown.front)
    )


@pytest.mark.parametrize(
    ("base", "place", "construction", "says"),
    [
        ("plain-20", "spread", "fresh", "hands on 0.999990 times its input: BN divides by √(variance + ε)"),
        ("plain-20", "spread", "zero", "hands on zeros"),
        ("plain-20", "layer3", "random", "random kernels mix the channels"),
        ("plain-20", "image", "neutral", "receives negative values, down to −0.81, and its ReLU sets them to 0"),
        ("residual-20", "spread", "neutral", "hands on 2.00 times its input"),
        ("residual-20", "layer1", "fitted", "hands on 2.00 times its input"),
        ("residual-20", "image", "zero", "receives negative values, down to −0.81"),
        ("residual-20", "image", "fresh", "Besides, its ReLU sets negative values to 0"),
        ("residual-20", "layer3", "random", "something of its own, added to its input"),
        ("plain-20", "spread", "fitted", "both convolutions hand on what they get"),
        ("residual-20", "spread", "zero", "it adds 0, whatever its kernels are"),
    ],
)
def test_each_outcome_is_traced_to_its_cause(base, place, construction, says):
    grown, outcome = operated(base, 3, place, construction)
    assert says in surgery.because(outcome)
    if outcome.at:
        assert outcome.at == grown.inserted[0]


def test_the_numbers_in_the_causes_are_measured():
    """BN's two divisions by √(1 + 1e-5); the doubling; the darkest pixel after normalisation."""
    _, outcome = operated("plain-20", 3, "spread", "fresh")
    assert outcome.ratio == pytest.approx(1 / (1 + 1e-5), abs=1e-9)
    assert outcome.kind == "answers"
    _, outcome = operated("residual-20", 3, "spread", "neutral")
    assert outcome.ratio == pytest.approx(2, abs=1e-9)
    _, outcome = operated("plain-20", 3, "image", "neutral")
    assert outcome.smallest_in == pytest.approx(float(digit_images().min()))


def test_fitted_bn_changes_nothing_in_training_mode_either():
    """That is what it is fitted for; neutral BN changes the outputs of a training step."""
    images = torch.from_numpy(blockwise.digits().normalized(blockwise.digits().train)[:400]).double()
    base = torch_resnet.resnet(config=blockwise.network_config("plain-20"), dtype="float64").train()
    parity.copy_weights(source=blockwise.load_trained("plain-20").weights, target=base)
    with torch.no_grad():
        before = base(images)
        off = {}
        for construction in ("fitted", "neutral"):
            net = torch_twin(operated("plain-20", 3, "layer1", construction)[0]).train()
            off[construction] = float((net(images) - before).abs().max())
    # The statistics are those of evaluation mode in the layers in front, so they fit nearly, not exactly.
    assert off["fitted"] < 0.1 * off["neutral"]


def test_a_v2_network_is_refused():
    with pytest.raises(ValueError, match="is no v1 network"):
        surgery.operate(blockwise.load_trained("residual-20 v2"), Plan(3, "spread", "zero"))


# Training on


def test_both_frameworks_train_on_alike():
    grown, _ = operated("residual-20", 3, "spread", "random")
    learners = [train_on.Learner(framework, grown, blockwise.digits()) for framework in FRAMEWORKS]
    for indices in learners[0].batches(0)[:3]:
        right = [learner.step(indices) for learner in learners]
        assert abs(right[0] - right[1]) <= 1
    ours, theirs = (parity.state_of(net) for net in (learners[0].net[0], learners[1].net))
    start = grown.net.weights["layer1.3.conv1.weight"]
    moved = np.abs(ours["layer1.3.conv1.weight"] - start).max()
    assert moved > 1e-4
    assert np.abs(ours["layer1.3.conv1.weight"] - theirs["layer1.3.conv1.weight"]).max() < 0.01 * moved
    assert abs(learners[0].test() - learners[1].test()) < 0.02


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_blocks_on_the_image_are_trained_too(framework):
    grown, outcome = operated("plain-20", 3, "image", "neutral")
    learner = train_on.Learner(framework, grown, blockwise.digits())
    assert round(learner.test() * outcome.images) == outcome.right
    weights = learner.net.state_dict()["0.conv1.weight"] if framework == "pytorch" else learner.net.weights[0]
    before = np.array(weights.detach() if framework == "pytorch" else weights)
    learner.step(learner.batches(0)[0])
    assert np.abs(np.array(weights.detach() if framework == "pytorch" else weights) - before).max() > 0


def test_training_leaves_the_learners_random_numbers_alone():
    grown, _ = operated("plain-20", 3, "spread", "neutral")
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    train_on.Learner("pytorch", grown, blockwise.digits())
    assert torch.equal(torch.rand(3), wanted)


class Slow:
    """A learner that takes a while over each step, and notes them."""

    def __init__(self, fails: bool = False) -> None:
        self.steps = 0
        self.fails = fails

    def batches(self, epoch):
        return [np.arange(4)] * 8

    def step(self, indices):
        if self.fails:
            raise FloatingPointError("diverged")
        time.sleep(0.05)
        self.steps += 1
        return 2

    def test(self):
        return 0.75


def test_an_epoch_runs_in_the_background_and_reports():
    seen, learner = [], Slow()
    background = train_on.InBackground(
        lambda: learner, lambda p: seen.append((p.step, threading.current_thread().name))
    )
    started = time.monotonic()
    background.epoch()
    assert time.monotonic() - started < 0.2
    assert background.running
    background.epoch()  # nothing: one is under way
    assert background.wait(10)
    assert learner.steps == 8
    assert (background.progress.training, background.progress.test) == ([0.5], [0.75])
    assert background.progress.first_batch == 0.5
    assert seen[-1] == (8, "training in a lab")
    assert len(seen) > 1
    background.epoch()
    background.wait()
    assert background.progress.test == [0.75, 0.75]


def test_a_training_can_be_stopped():
    learner = Slow()
    background = train_on.InBackground(lambda: learner, lambda progress: None)
    background.epoch()
    time.sleep(0.12)
    background.stop()
    assert background.wait(2)
    assert 0 < learner.steps < 8
    assert background.progress.test == []
    background.epoch()
    assert not background.running


def test_what_goes_wrong_in_the_thread_is_reported():
    seen = []
    background = train_on.InBackground(lambda: Slow(fails=True), lambda p: seen.append(p.error))
    background.epoch()
    background.wait()
    assert seen == ["FloatingPointError: diverged"]


def test_python_can_end_while_a_lab_trains():
    program = (
        "from resnet_lessons import labs; lab = labs.identity_surgery('pytorch'); lab.predict('neither'); "
        "lab.predict_training('low'); lab.wait(3); print('on its way')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "on its way\n"


# The record


def recorded(network, construction, number):
    return [
        run["test_accuracy"]
        for run in training.recorded("surgery")["runs"]
        if (run["network"], run["construction"], run["number"]) == (network, construction, number)
    ]


def test_every_surgery_at_the_ends_of_the_stages_is_recorded_five_times():
    for case in itertools.product(BASES, CONSTRUCTIONS, NUMBERS):
        assert len(recorded(*case)) == 5


def test_what_the_texts_say_of_training_on():
    """A silent branch stays good; 18 random blocks ruin the plain network for long, and the residual one not."""
    intact = {
        base: surgery.examine(blockwise.load_trained(base), operated(base, 3, "spread", "zero")[0]) for base in BASES
    }
    before = intact["residual-20"].right_before / 360
    assert min(run[0] for run in recorded("residual-20", "zero", 18)) > before - 0.02
    assert max(run[2] for run in recorded("plain-20", "random", 18)) < 0.8
    assert min(run[2] for run in recorded("residual-20", "random", 18)) > 0.9
    assert max(run[0] for run in recorded("plain-20", "neutral", 18)) < intact["plain-20"].right_before / 360 - 0.03
    assert min(run[0] for run in recorded("plain-20", "fitted", 18)) > max(
        run[0] for run in recorded("plain-20", "neutral", 18)
    )
    # …and where it starts from identities, the plain network stays far above what training from new weights reaches.
    from_new = [
        run["history"]["test_accuracy"][-1]
        for run in training.recorded("degradation")["runs"]
        if run["network"] == "plain-56"
    ]
    assert min(run[2] for run in recorded("plain-20", "neutral", 18)) > max(from_new) + 0.2


# The lab


def fast(lab, monkeypatch, accuracy: float) -> None:
    """Let the lab train in no time, to a given accuracy."""

    class Quick(Slow):
        def step(self, indices):
            return 2

        def test(self):
            return accuracy

    monkeypatch.setattr(lab_module, "Learner", lambda *arguments: Quick())


def test_an_exact_surgery_is_predicted_and_seen(lab):
    lab.choose(network="plain-20", number=18, place="spread", construction="neutral")
    assert lab.difference is None
    lab.predict("outputs")
    assert lab.difference < 1e-9
    assert lab.verdict.startswith(
        "✓ Right: exactly the same outputs. The outputs are the same, because both convolutions"
    )
    assert lab.reached == ("plain",)
    lab.choose(network="residual-20")
    lab.predict("outputs")
    assert lab.verdict.startswith("✗ Not so: it gives other answers. The outputs differ by up to ")
    assert lab.reached == ("plain",)
    lab.choose(construction="zero")
    lab.predict("outputs")
    assert lab.reached == ("plain", "residual")
    assert lab.score == (2, 3)
    assert "Predicted right: 2 of 3. ✓ a plain network" in lab.status
    assert "○ one epoch" in lab.status


def test_only_the_first_prediction_of_a_surgery_counts(lab):
    lab.choose(construction="neutral")
    lab.predict("neither")
    lab.predict("outputs")
    assert lab.notice.startswith("Your prediction stays noted: other answers.")
    lab.choose(number=3)
    lab.choose(number=18)
    lab.predict("outputs")
    assert "✓ Right" in lab.verdict
    assert (lab.score, lab.reached) == ((0, 1), ())


@pytest.mark.parametrize(("accuracy", "band"), [(0.99, "near"), (0.7, "between"), (0.1, "low")])
def test_a_training_is_predicted_and_seen(lab, monkeypatch, accuracy, band):
    fast(lab, monkeypatch, accuracy)
    for number, guess in ((3, band), (18, "low" if band != "low" else "near"), (6, band)):
        lab.choose(network="residual-20", number=number, construction="zero")
        lab.predict("outputs")
        lab.predict_training(guess)
        assert lab.wait(5)
        assert lab.accuracies == [accuracy]
        assert lab.training_verdict.startswith("✓ Right:" if guess == band else "✗ Not so: it is")
        assert surgery_views.BANDS[band] in lab.training_verdict
    assert lab.reached == ("residual",)  # 18 blocks were guessed wrong, and fewer do not count for that goal
    assert lab.score == (5, 6)


def test_three_goals_solve_it(lab, monkeypatch):
    fast(lab, monkeypatch, 0.98)
    lab.choose(network="plain-20", construction="fitted")
    lab.predict("outputs")
    lab.predict_training("near")
    lab.wait(5)
    assert not lab.solved
    lab.choose(network="residual-20", construction="zero", number=3)
    lab.predict("outputs")
    assert lab.solved
    assert lab.status.endswith("✓ Solved.")
    steps = [record.value.get("step") for record in progress.read()]
    assert steps == ["goal", "outputs", "predict training", "goal", "trained", "goal", "solved", "outputs"]


def test_more_epochs_can_follow_and_recorded_runs_stand_beside_them(lab, monkeypatch):
    fast(lab, monkeypatch, 0.9)
    lab.predict("neither")
    lab.predict_training("near")
    lab.wait(5)
    lab.epoch()
    lab.wait(5)
    assert lab.accuracies == [0.9, 0.9]
    assert lab.score == (1, 2)
    runs = recorded("plain-20", "random", 18)
    low, high = (f"{100 * choose(run[0] for run in runs):.1f}" for choose in (min, max))
    assert f"5 recorded runs of this surgery, with other orders of the images: {low}–{high} %" in lab.training_verdict
    lab.choose(place="layer1")
    lab.predict("neither")
    lab.predict_training("low")
    lab.wait(5)
    assert "recorded runs" not in lab.training_verdict


def test_a_training_can_be_stopped_and_begun_again(lab, monkeypatch):
    monkeypatch.setattr(lab_module, "Learner", lambda *arguments: Slow())
    lab.predict("neither")
    lab.predict_training("near")
    lab.epoch()
    assert lab.notice.startswith("It trains just now")
    time.sleep(0.15)
    lab._halt.click()
    assert lab.wait(5)
    assert re.search(r"Stopped after step [1-7] of 8", lab.training_verdict)
    assert (lab.accuracies, lab.score[1]) == ([], 1)
    lab._more.click()
    assert lab.wait(5)
    assert lab.accuracies == [0.75]
    assert lab.score[1] == 2


def test_a_training_that_is_left_behind_shows_nothing_more(lab, monkeypatch):
    monkeypatch.setattr(lab_module, "Learner", lambda *arguments: Slow())
    lab.predict("neither")
    lab.predict_training("near")
    left = lab._background
    lab.choose(number=3)
    assert left.stopped
    assert left.wait(5)
    assert lab.training_verdict == ""
    assert lab.wait()
    assert lab.accuracies == []


def test_real_training_ends_as_recorded(lab):
    lab.choose(network="residual-20", construction="zero", number=3)
    lab.predict("outputs")
    lab.predict_training("near")
    assert lab.wait(120)
    assert lab.training_verdict.startswith("✓ Right: at most 3 points lower")
    assert "the first batch of 64 was right at 100 %" in lab.training_verdict


def test_clicks_do_what_calls_do(lab, monkeypatch):
    fast(lab, monkeypatch, 0.98)
    for axis, number in (("network", 1), ("number", 0), ("place", 2), ("construction", 3)):
        lab._rows[axis][1][number].click()
    assert (lab.network, lab.plan) == ("residual-20", Plan(3, "layer3", "zero"))
    lab._outcome_buttons[0].click()
    assert lab.prediction == "outputs"
    lab._band_buttons[0].click()
    assert lab.wait(5)
    assert lab.training_prediction == "near"
    assert "rl-chosen" in lab._band_buttons[0]._dom_classes
    assert lab._rows["place"][1][2].tooltip == f"Where: {PLACES['layer3']}"


def test_nothing_raises_into_the_lesson(lab):
    lab.predict_training("near")
    assert lab.notice.startswith("First predict what the surgery does")
    lab.epoch()
    assert lab.notice.startswith("First predict what training on does")
    lab.predict("<same>")
    assert lab.notice.startswith("'<same>' is no outcome; choose one of outputs, answers, neither")
    lab.predict_training("good")
    assert lab.notice.startswith("'good' is no choice here; choose one of near, between, low")
    for axis, value, text in (
        ("network", "vgg", "There is no network 'vgg'; choose one of plain-20, residual-20."),
        ("number", 4, "There is no number of blocks 4; choose one of 3, 6, 18."),
        ("place", "stem", "There is no place 'stem'; choose one of spread, layer1, layer3, image."),
        ("construction", [], "There is no construction []; choose one of neutral"),
    ):
        lab.choose(**{axis: value})
        assert lab.notice.startswith(text)
    lab.stop()
    assert (lab.score, lab.outcome) == ((0, 0), None)


def test_what_fails_in_training_is_said(lab, monkeypatch):
    def missing(*_):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(lab_module, "Learner", missing)
    lab.predict("neither")
    lab.predict_training("near")
    lab.wait(5)
    assert lab.training_verdict == "✗ Cannot train on: PyTorch is not installed here."


def test_a_framework_that_is_not_there_is_said_in_its_place():
    lab = labs.identity_surgery("jax")
    assert "no framework 'jax' here" in lab.notice
    for act in (lab.choose, lambda: lab.predict("outputs"), lambda: lab.predict_training("near"), lab.epoch, lab.stop):
        act()
    assert (lab.framework, lab.outcome, lab.difference, lab.accuracies) == (None, None, None, [])


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_it_takes_the_learners_own_networks(framework):
    config = resnet_config(14, family="cifar", shortcut="none", width=8, in_channels=1)
    net = training.new_network(framework, config, seed=3)
    lab = labs.identity_surgery("pytorch", plain=net)
    assert list(lab.networks) == ["plain-14", "residual-20"]
    lab.choose(construction="neutral")
    lab.predict("outputs")
    assert lab.outcome.exact
    logits = training.predict(net, digit_images())
    right = int((logits.argmax(axis=1) == blockwise.digits().test.labels).sum())
    assert abs(lab.outcome.right_before - right) <= 1  # float32 against float64
    assert "14" in lab._how.value or "50 layers" in lab._how.value


def test_networks_that_do_not_fit_are_said_in_their_place():
    residual = training.new_network("pytorch", resnet_config(14, family="cifar", width=8, in_channels=1))
    assert "ResNet-14 v1 is not what is wanted here: a plain network" in labs.identity_surgery(plain=residual).notice
    coloured = training.new_network("pytorch", resnet_config(14, family="cifar", width=8))
    assert "does not take the digits" in labs.identity_surgery(residual=coloured).notice
    assert "Linear is no network of this course" in labs.identity_surgery(plain=torch.nn.Linear(2, 2)).notice
    big = training.new_network("pytorch", resnet_config(18))
    assert "cannot be taken apart here" in labs.identity_surgery(residual=big).notice


def test_the_picture_shows_which_blocks_are_new():
    for place, number in itertools.product(PLACES, NUMBERS):
        grown, outcome = operated("plain-20", number, place, "fresh")
        figure = surgery_views.strip("plain-20", grown, outcome)
        boxes = re.findall(
            r'<rect x="([\d.]+)"[^>]*width="([\d.]+)"[^>]*fill="(#\w+)"[^>]*data-block="([^"]+)"', figure.svg
        )
        new = [name for _, _, fill, name in boxes if fill == surgery_views.CARD]
        assert tuple(new) == grown.inserted
        assert max(float(x) + float(width) for x, width, _, _ in boxes) <= 702.1
        assert f"with {number} inserted ones" in figure.alt
        assert f"The signal differs from {grown.inserted[0]} on" in figure.alt


def test_what_a_notebook_saves_is_the_same_in_every_run(lab):
    before = lab._repr_mimebundle_()
    lab.choose(number=3, construction="zero")
    lab.predict("neither")
    again = labs.identity_surgery("tensorflow")
    for mime in ("text/plain", "text/html"):
        assert before[mime] == lab._repr_mimebundle_()[mime] == again._repr_mimebundle_()[mime]
    assert before["text/plain"].startswith("Identity surgery\nPut blocks into a trained network")
