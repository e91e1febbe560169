"""The mystery net never asks a riddle without an answer, shows what is true, and answers by click as by call."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import islice

from resnet_lessons import progress
from resnet_lessons.checks.mystery import mystery_net
from resnet_lessons.checks.mystery.lab import _title
from resnet_lessons.checks.mystery.nets import LEVELS, NOTHING, WEIGHTS, Net, Twist, playable
from resnet_lessons.checks.mystery.probes import PROBES, reading
from resnet_lessons.checks.mystery.rounds import MOST_PROBES, OPTIONS, rounds, solvable, telling
from resnet_lessons.labs.lab import without_code

import numpy as np
import pytest

SEEDS = range(200)
KINDS = [kind for kinds in LEVELS.values() for kind in kinds]


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.fixture
def lab():
    return mystery_net(seed=9)


def records() -> list:
    return [r.value for r in progress.read()]


def right_name(lab) -> str:
    return lab.options[lab._round.options.index(lab._round.key)]


def wrong_name(lab) -> str:
    return next(name for name in lab.options if name != right_name(lab))


def name_it(lab, name=None) -> None:
    lab.probe("count")
    lab.choose(name or right_name(lab))


# Rounds -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_over_many_seeds_five_probes_leave_the_true_name_and_no_other(level):
    for seed in SEEDS:
        (played,) = islice(rounds(seed, level), 1)
        assert len(set(played.options)) == OPTIONS
        assert {played.key, NOTHING.key} <= set(played.options)
        # With the weights of this round: those probes that `telling` names leave one name, in whatever way it is made.
        probes = telling(played)[0]
        assert len(probes) <= MOST_PROBES
        shown = [reading(played.kind, played.twist, p, played.weights).signature for p in probes]
        left = {
            key
            for key in played.options
            for way in playable(played.kind)[key][1]
            if [reading(played.kind, way, p, played.weights).signature for p in probes] == shown
        }
        assert left == {played.key}
        if seed % 10 == 0:  # and whichever name were the true one, five probes would tell it
            assert solvable(played.kind, played.options, played.weights)


@pytest.mark.parametrize("level", LEVELS)
def test_every_mistake_that_can_be_played_comes_before_one_comes_again(level):
    keys = {(kind.key, key) for kind in LEVELS[level] for key in playable(kind) if key != NOTHING.key}
    played = [(r.kind.key, r.key) for r in islice(rounds(1, level), len(keys) + len(keys) // 7)]
    assert {pair for pair in played if pair[1] != NOTHING.key} == keys
    assert any(key == NOTHING.key for _, key in played)


def test_what_cannot_be_played_is_what_only_a_framework_shows():
    left_out = {kind.key: {m.key for m in kind.catalogue} - set(playable(kind)) for kind in LEVELS["blocks"]}
    raised_or_framework = {
        "no_return", "not_called", "takes_the_batch", "not_registered", "layers_made_in_call", "edits_its_input",
        "overwrites_for_backward", "output_dropped",
    }  # fmt: skip
    assert left_out["basic"] == raised_or_framework
    sum_fails = {
        "projection_missing", "projection_only_if_stride", "projection_only_if_channels", "projection_only_if_both",
        "projection_without_stride", "projection_dropped", "stride_on_both", "branch_without_stride", "no_padding",
        "late_shortcut",
    }  # fmt: skip
    assert left_out["stage"] == raised_or_framework | sum_fails | {"rectified_apart"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.key)
def test_what_a_probe_shows_of_a_mistake_hangs_on_no_weights(kind):
    for key, (_, ways) in playable(kind).items():
        for twist in ways:
            for probe in PROBES:
                seen = {repr(reading(kind, twist, probe, weights).signature) for weights in WEIGHTS}
                assert len(seen) == 1, (key, probe)


def test_a_seed_gives_the_same_rounds_again():
    def first(seed):
        return [(r.kind.key, *r[1:]) for r in islice(rounds(seed, "blocks"), 12)]

    assert first(5) == first(5)
    assert first(5) != first(6)


# Probes -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.key)
def test_of_the_right_network_every_probe_shows_no_difference_and_of_all_others_one_does(kind):
    right = {probe: reading(kind, Twist(), probe) for probe in PROBES}
    for found in right.values():
        assert "✗" not in found.table
        assert not re.search(r"differ|fewer|more than|another|not the right", found.finding, re.IGNORECASE)
    for key, (_, ways) in playable(kind).items():
        for twist in ways:
            other = [p for p in PROBES if reading(kind, twist, p).signature != right[p].signature]
            assert bool(other) == (key != NOTHING.key), key


def test_the_right_network_is_pytorch_s():
    """Outputs, running statistics and both slopes, against the package's own blocks and autograd."""
    from resnet_lessons import torch_resnet

    import torch

    for kind, shapes in zip(LEVELS["blocks"], ([(6, 6, 1)] * 3, [(4, 6, 2), (6, 6, 1), (6, 6, 1)]), strict=True):
        net = Net(kind)
        twin = torch.nn.Sequential(*(torch_resnet.BasicBlock(*shape, shortcut="B") for shape in shapes)).double()
        for block, (name, _) in zip(twin, net.blocks, strict=True):
            for (layer, tensor), values in net.tensors[name].items():
                where = {"downsample.1×1": "downsample.0", "downsample.bn": "downsample.1"}.get(layer, layer)
                getattr(block.get_submodule(where), tensor).data.copy_(torch.from_numpy(values))
        images = torch.from_numpy(net.images(signed=True))
        with torch.no_grad():
            assert np.allclose(twin.eval()(images), net.look(signed=True).outputs[-1])
        before = twin[2].bn1.running_var.clone()
        images = torch.from_numpy(net.images()).requires_grad_()
        out = twin.train()(images)
        assert np.allclose(out.detach(), net.look(training=True).outputs[-1])
        moved = (twin[2].bn1.running_var - before).numpy()
        (place,) = [p for p in net.look(training=True).moves if str(p) == "block 3, bn1"]
        assert np.allclose(moved, net.look(training=True).moves[place][6:])
        dice = np.random.default_rng([net.weights, 2])
        direction = torch.from_numpy(dice.standard_normal(tuple(out.shape)))
        v, u = (torch.from_numpy(dice.standard_normal(tuple(t.shape))) for t in (images, twin[0].conv1.weight))
        by_input, by_weight = torch.autograd.grad((out * direction).sum(), [images, twin[0].conv1.weight])
        expected = [float((by_input * v).sum()), float((by_weight * u).sum())]
        assert np.allclose(list(net.slopes.values()), expected, rtol=1e-5)
        assert sum(p.numel() for p in twin.parameters()) == sum(net.parameters().values())


@pytest.mark.parametrize(
    ("mistake", "probe", "finding"),
    [
        (
            "bias_before_bn",
            "count",
            "2,052 trainable parameters, 36 more than",
        ),  # two convolutions of 6 in each of three
        ("no_second_bn", "count", "1,980 trainable parameters, 36 fewer than"),
        ("halved_sum", "silence", "With silent branches block 1 puts out half of its input."),
        ("no_addition", "silence", "With silent branches block 1 puts out nothing but zeros."),
        ("bn_after_addition", "silence", "With silent branches block 1 puts out nothing but zeros."),
        ("bn_momentum", "running", "block 1, bn1 moved the same way, 0.1 times as far"),
        ("running_statistics", "running", "block 1, bn1 did not move"),
        ("training_statistics", "training", "All layers and outputs are equal"),
        ("training_statistics", "evaluation", "block 1, bn1 differs"),
        ("bn_eps", "evaluation", "block 1, bn1 differs by less than 2 %"),
        ("in_place_relu", "evaluation", "All layers and outputs are equal"),
        ("in_place_relu", "signs", "No output is negative. The outputs are not the right network's."),
        ("no_last_relu", "signs", "Negative outputs."),
        ("two_relus", "signs", "no output below its input"),
        ("shortcut_without_gradient", "gradient", "The gradient differs at the input"),
        ("shortcut_without_gradient", "evaluation", "All layers and outputs are equal"),
        ("late_shortcut", "wiring", "first at block 1, the output"),
        ("no_middle_relu", "wiring", "Every layer is fed as in the right network."),
    ],
)
def test_what_a_mistake_shows_is_what_one_can_foresee(mistake, probe, finding):
    kind = LEVELS["blocks"][0]
    for twist in playable(kind)[mistake][1]:
        assert finding in reading(kind, twist, probe).finding


# The lab ----------------------------------------------------------------------------------------------------------------


def test_the_right_name_is_explained_by_the_catalogue(lab):
    for _ in range(15):
        mistake = playable(lab._round.kind)[lab._round.key][0]
        name_it(lab)
        assert lab.feedback.startswith(f"✓ Right: {_title(mistake)}.")
        for text in (mistake.explanation, mistake.why, mistake.seen, str(mistake.section)):
            assert without_code(text) in lab.feedback
        assert f'href="{mistake.section.chapter}.ipynb"' in lab._feedback.value
        assert re.search("one probe would have told it|probe tells it from the other five", lab.feedback)
        lab.next()


@pytest.mark.parametrize("level", LEVELS)
def test_one_name_is_right_and_each_wrong_one_is_ruled_out_by_what_is_shown(level):
    lab = mystery_net(seed=77, level=level)
    for _ in range(25):
        lab.probe("evaluation")
        said = []
        for name in lab.options:
            lab.choose(name)
            said.append(lab.feedback)
        assert sum(text.startswith("✓ Right") for text in said) == 1
        for text in said:
            if cited := re.search("it shows: “(.*?)” Of this one: “(.*?)”", text):
                assert cited[1] != cited[2]
            else:
                assert text.startswith("✓ Right") or "Several probes together rule it out" in text
        lab.next()


def test_the_probes_that_would_have_told_it_are_named(lab):
    lab.probe("evaluation")
    lab.choose(right_name(lab))
    assert "No single probe tells it from the other five; 2 together do" in lab.feedback
    assert "Your 1 probe did not rule out:" in lab.feedback
    other = mystery_net(seed=9)
    for probe in ("evaluation", "signs"):
        other.probe(probe)
    other.choose(right_name(other))
    assert other.feedback.endswith("Your 2 probes left no other name.")


def test_five_probes_are_all_there_are(lab):
    for number, probe in enumerate(list(PROBES)[:5], 1):
        lab.probe(probe)
        assert f"Probes left: {5 - number} of 5." in lab.status
    lab.probe("count")
    assert lab.notice.startswith("This probe is used")
    lab.probe("signs")
    assert lab.notice == "The 5 probes are used. Name the mistake."
    assert list(lab.findings) == list(PROBES)[:5]
    assert [place.value.count("<details open>") for place in lab._readings] == [0, 0, 0, 0, 1]


def test_three_names_at_the_first_try_solve_it(lab):
    name_it(lab, wrong_name(lab))
    lab.choose(right_name(lab))
    assert lab.score == (0, 1)
    assert "Your first name stays noted" in lab.feedback
    for _ in range(3):
        assert not lab.solved
        lab.next()
        name_it(lab)
    assert lab.solved
    assert "Named 3 of 4 at the first try. ✓ Solved" in lab.status
    assert [value["step"] for value in records()].count("solved") == 1


def test_buttons_do_what_calls_do_and_each_says_what_it_is(lab):
    # ipywidgets' buttons are a page's own buttons: Tab reaches them, Enter and Space press them.
    lab._probes[list(PROBES).index("signs")].click()
    lab._names[2].click()
    assert (lab.probed, lab.choice) == (["signs"], lab.options[2])
    assert "rl-chosen" in lab._names[2]._dom_classes
    lab.choose(" b ")
    assert lab.choice == lab.options[1]
    lab.choose(right_name(lab))
    lab._next.click()
    assert (lab.round, lab.probed, lab.findings) == (2, [], {})
    for button in (*lab._probes, *lab._names, lab._next):
        assert button.description.strip()
        assert not button.disabled
    assert all(button.tooltip for button in lab._probes)


def test_what_was_done_is_noted(lab):
    lab.probe("signs")
    lab.choose(right_name(lab))
    assert records() == [
        {"round": 1, "network": "basic", "mistake": "in_place_relu", "step": "probe", "probe": "signs"},
        {
            "round": 1, "network": "basic", "mistake": "in_place_relu", "step": "name", "choice": "in_place_relu",
            "first": True, "right": True, "probes": ["signs"],
        },
    ]  # fmt: skip
    assert progress.read()[0][1:3] == ("mystery_net", "mystery_net")


def test_nothing_raises_into_the_lesson(lab):
    lab.choose("A")
    assert lab.notice.startswith("First use a probe")
    for given in ("<probe>", None, 7):
        lab.probe(given)
        assert lab.notice.startswith("There is no probe")
    lab.next()
    assert lab.notice.startswith("Name this mistake first")
    lab.probe("count")
    for given in ("Z", None):
        lab.choose(given)
        assert lab.notice.endswith("choose one of A to F.")
    lab.choose(wrong_name(lab))
    lab.probe("signs")
    assert lab.notice.startswith("The name is given")
    assert (lab.round, lab.score) == (1, (0, 1))
    nowhere = mystery_net(level="<all>")
    assert "There is no level '<all>' here; choose one of 'blocks', 'versions'" in nowhere.notice
    for act in (nowhere.next, lambda: nowhere.probe("count"), lambda: nowhere.choose("A")):
        act()
    assert nowhere.round == 0


def test_what_a_notebook_saves_is_the_same_in_every_run(lab):
    before = lab._repr_mimebundle_()
    name_it(lab)
    lab.next()
    again = mystery_net(seed=4)
    for mime in ("text/plain", "text/html"):
        assert before[mime] == lab._repr_mimebundle_()[mime] == again._repr_mimebundle_()[mime]
    assert all(probe.title in before["text/html"] for probe in PROBES.values())


def test_tables_have_headings_for_those_who_listen():
    kind = LEVELS["blocks"][1]
    for probe in PROBES:
        found = reading(kind, Twist(), probe)
        assert len(found.head) == len(found.rows[0])
        assert found.table.count('scope="row"') == len(found.rows)


def test_it_needs_no_framework():
    program = (
        "import sys; from resnet_lessons.checks.mystery import mystery_net; lab = mystery_net(); "
        "lab.probe('gradient'); lab.choose('A'); "
        "print([name for name in ('torch', 'tensorflow', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
