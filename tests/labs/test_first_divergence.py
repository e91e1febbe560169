"""The lab names what is wrong with a wrong name, knows when it is solved, and never raises into a lesson."""

from __future__ import annotations

import itertools
import re
import sys
from importlib import import_module

from resnet_lessons import labs, progress
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.labs import faults
from resnet_lessons.labs.lab import chosen_framework

import pytest

lab_module = import_module("resnet_lessons.labs.first_divergence")
TITLES = {key: fault.title for key, fault in faults.FAULTS.items()}


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.fixture
def lab() -> labs.FirstDivergence:
    return labs.first_divergence("pytorch")


def truth(lab) -> str:
    return lab._truth


def right_name(lab) -> str:
    return TITLES[truth(lab)]


def wrong_names(lab) -> list[str]:
    return [title for title in lab.options if title != right_name(lab)]


def records() -> list:
    return [r.value for r in progress.read()]


def name_it(lab, title=None) -> None:
    lab.predict("conv2")
    lab.choose(title or right_name(lab))


def test_the_right_name_is_accepted_and_says_why_it_matters(lab):
    for _ in range(9):
        name_it(lab)
        assert lab.feedback.startswith(f"✓ Right: {right_name(lab)}.")
        fault = faults.FAULTS[truth(lab)]
        assert lab_module._plain(fault.why) in lab.feedback
        assert "▸ " in lab._feedback.value
        lab.next()


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_each_wrong_name_is_answered_with_a_true_contradiction(framework):
    lab = labs.first_divergence(framework)
    for _ in range(9):
        lab.predict("the output")
        here = lab.symptoms
        for title in wrong_names(lab):
            lab.choose(title)
            assert lab.feedback.startswith(f"✗ Not so: {title}.")
            guess = lab_module._key_of(title)
            there = faults.evidence(framework, guess)
            if cited := re.search(r"“(.*)” would be (.*?); here it is (.*?)\. ?(Your|$)", lab.feedback):
                symptom = next(key for key, label in faults.SYMPTOMS.items() if label == cited[1])
                assert cited[2] == lab_module.show(symptom, there.symptoms[symptom])
                assert cited[3] == lab_module.show(symptom, here[symptom])
                assert cited[2] != cited[3]
            else:
                cited = re.search(r"first differs at (.*?): .* This one first differs at (.*?)( \(|\.)", lab.feedback)
                assert (cited[1], cited[2]) == (there.first, faults.evidence(framework, truth(lab)).first)
                assert cited[1] != cited[2]
        lab.choose(right_name(lab))
        lab.next()


def test_the_answers_read_the_same_in_both_frameworks():
    lab, twin = (labs.first_divergence(framework) for framework in FRAMEWORKS)
    for _ in range(9):
        for one in (lab, twin):
            one.predict("bn2")
        for title in lab.options:
            lab.choose(title)
            twin.choose(title)
            assert (lab.feedback, lab.verdict, lab.status) == (twin.feedback, twin.verdict, twin.status)
        assert lab._evidence.value == twin._evidence.value
        lab.next()
        twin.next()


def test_three_names_at_the_first_try_solve_it(lab):
    name_it(lab)
    lab.next()
    name_it(lab, wrong_names(lab)[0])
    lab.choose(right_name(lab))
    assert lab.score == (1, 2)
    assert lab.feedback.endswith(f"Your first name stays noted: {lab.guess}.")
    lab.next()
    name_it(lab)
    assert not lab.solved
    assert lab.status == "Fault 3. Named 2 of 3 at the first try."
    lab.next()
    name_it(lab)
    assert lab.solved
    assert lab.score == (3, 4)
    assert "Named 3 of 4 at the first try. ✓ Solved" in lab.status
    assert [value["step"] for value in records()].count("solved") == 1
    lab.choose(wrong_names(lab)[0])
    lab.next()
    assert lab.round == 5
    assert lab.solved


def test_the_walk_shows_once_it_is_predicted(lab):
    assert lab.differences is None
    assert lab.verdict == ""
    lab._places[faults.LAYERS.index("conv1")].click()
    assert lab.differences == faults.evidence("pytorch", truth(lab)).layers
    assert lab.verdict.startswith("✗ Not so: conv1 agrees. It gets the same input and the same weights in both.")
    assert "✗ differs by" in lab._layers.value or "✗ never ran" in lab._layers.value


@pytest.mark.parametrize("key", [key for key in faults.FAULTS if key != "correct"])
@pytest.mark.parametrize("layer", faults.LAYERS)
def test_the_answer_to_a_prediction_is_true(key, layer):
    found = faults.evidence("pytorch", key)
    answer = lab_module.layers_html("pytorch", key, layer)
    if layer == found.first:
        assert "Right:" in answer
    elif found.agrees(layer):
        assert f"{layer} agrees" in answer
    else:
        assert faults.LAYERS.index(layer) > faults.LAYERS.index(found.first)
        assert f"{layer} differs too, but {found.first} comes before it" in answer


def test_signs_and_words_carry_what_the_tables_say():
    table = lab_module.symptoms_html("pytorch", "no_last_relu")
    assert "<td>✗ differs</td>" in table
    assert "<td>✓ same</td>" in table
    rows = lab_module.layers_html("pytorch", "no_first_bn", "bn1")
    assert "✗ never ran ← first" in rows
    assert "✓ equal" in rows
    assert 'scope="row"' in rows


def test_a_click_does_what_a_call_does(lab):
    lab._places[4].click()
    lab._names[1].click()
    assert (lab.prediction, lab.choice) == ("the output", lab.options[1])
    assert "rl-chosen" in lab._names[1]._dom_classes
    lab.choose("A")
    assert (lab.guess, lab.choice) == (lab.options[1], lab.options[0])
    assert [value["step"] for value in records()] == ["predict", "name", "name"]


def test_a_letter_counts_in_either_case(lab):
    lab.predict("conv2")
    for number, letter in enumerate(("A", "b", " c ", "D", "e")):
        lab.choose(letter)
        assert (lab.choice, lab.notice) == (lab.options[number], "")


def test_once_it_is_there_nothing_is_measured_again(lab, monkeypatch):
    monkeypatch.setattr(faults, "_build", None)
    for _ in range(9):
        lab.predict("conv2")
        for title in lab.options:
            lab.choose(title)
        lab.next()
    assert lab.round == 10


def test_what_was_chosen_is_noted(lab):
    name_it(lab)
    first = faults.FAULTS[truth(lab)].first
    assert records() == [
        {"round": 1, "fault": truth(lab), "step": "predict", "layer": "conv2", "right": first == "conv2"},
        {"round": 1, "fault": truth(lab), "step": "name", "choice": truth(lab), "first": True, "right": True},
    ]
    assert progress.read()[0][1:3] == ("first_divergence", "first_divergence")


def test_nothing_raises_into_the_lesson(lab):
    lab.choose("A")
    assert lab.notice.startswith("First predict where")
    lab.predict("<conv9>")
    assert lab.notice.startswith("There is no layer '<conv9>'")
    lab.predict("bn2")
    assert lab.notice == ""
    lab.predict("bn1")
    assert lab.notice == "Your prediction stays noted: bn2."
    lab.choose("Z")
    assert lab.notice == "'Z' is none of the names here; choose one of A to E."
    lab.next()
    assert lab.notice.startswith("Name this fault first")
    lab.choose(None)
    assert lab.round == 1
    assert lab.score == (0, 0)


def test_a_framework_that_is_not_there_is_said_in_its_place(monkeypatch):
    lab = labs.first_divergence("jax")
    assert "no framework 'jax' here; choose 'pytorch' or 'tensorflow'." in lab.notice
    for act in (lambda: lab.predict("conv1"), lambda: lab.choose("A"), lab.next):
        act()
    assert (lab.framework, lab.prediction, lab.differences, lab.symptoms) == (None, None, None, {})
    monkeypatch.setattr(faults, "evidence", _missing)
    assert "PyTorch is not installed here" in labs.first_divergence("pytorch").notice


def _missing(*_):
    raise ModuleNotFoundError("No module named 'torch'", name="torch")


def test_without_any_framework_the_lab_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert "PyTorch or TensorFlow, and neither is installed" in labs.first_divergence().notice


def test_by_default_it_takes_what_is_imported(monkeypatch):
    assert chosen_framework("keras") == "tensorflow"
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert chosen_framework(None) == "tensorflow"
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert chosen_framework(None) == "pytorch"


def test_a_seed_gives_the_same_faults_again():
    def first(seed, count=30):
        return list(itertools.islice(lab_module.rounds(seed), count))

    assert first(5) == first(5)
    assert first(5) != first(6)
    for key, names in first(5):
        assert key in names
        assert len(set(names)) == lab_module.OPTIONS
        assert "correct" not in names
        alike = [name for name in names if faults.FAULTS[name].first == faults.FAULTS[key].first]
        assert len(alike) >= 3 or faults.FAULTS[key].first != "the output"
    keys = [key for key, _ in first(5)]
    assert len(set(keys[:9])) == len(set(keys[9:18])) == 9
    assert all(a != b for a, b in itertools.pairwise(keys))


def test_what_a_notebook_saves_is_the_same_in_every_run(lab):
    before = lab._repr_mimebundle_()
    name_it(lab)
    lab.next()
    again = labs.first_divergence("tensorflow", seed=4)
    for mime in ("text/plain", "text/html"):
        assert before[mime] == lab._repr_mimebundle_()[mime] == again._repr_mimebundle_()[mime]
    assert before["text/plain"].startswith("Find the planted fault\nA basic block")
    assert "application/vnd.jupyter.widget-view+json" in before
