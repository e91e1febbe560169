"""The ledger of claims: its page is fresh, its numbers are computed, its verdicts follow, and its places are there."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from resnet_lessons import claims, cli, findings, training
from resnet_lessons.claims import CLAIMS, Claim, Source
from resnet_lessons.findings import (
    CONTESTED,
    EXACT,
    REPRODUCED,
    SCALE,
    VERDICTS,
    Count,
    Finding,
    Group,
    alike,
    counted,
    not_run,
    ordered,
    reached,
)

import pytest
import typer

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def ledger() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ledger", ROOT / "tools" / "ledger.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def chapter_text(name: str) -> str:
    """All that a chapter says: its cells, and what they print."""
    parts = []
    for cell in json.loads((ROOT / "chapters" / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
        parts.append("".join(cell["source"]))
        for output in cell.get("outputs", ()):
            parts.append("".join(output.get("text", output.get("data", {}).get("text/plain", ""))))
    return "\n".join(parts)


RECORDED = [claim for claim in CLAIMS if claim.recorded]


def name_of(claim: Claim) -> str:
    return claim.text[:50]


# The page -------------------------------------------------------------------------------------------------------------


def test_the_page_is_what_its_program_writes(ledger: ModuleType) -> None:
    """Writing it also checks every verdict against what follows from ours."""
    written = ledger.page()
    assert ledger.PATH.read_bytes() == written.encode(), "run tools/ledger.py, and read what changed in docs/claims.md"
    rows = [line for line in written.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} <= {3, 5, 8}, "a cell holds the sign that ends it"
    assert sum(line.count("|") == 5 for line in rows) == len(RECORDED) + 2 * 3
    for verdict in VERDICTS:
        assert written.count(f"| **{verdict}** |") == 1
    for target in re.findall(r"\]\((\.\.[^)]+)\)", written):
        assert (ledger.PATH.parent / target).exists(), target


def test_readme_and_contributing_lead_to_it() -> None:
    assert "](docs/claims.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "tools/ledger.py" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


# Claims ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", CLAIMS, ids=name_of)
def test_the_chapter_says_it_and_names_the_source(claim: Claim) -> None:
    text = chapter_text(claim.chapter)
    assert re.search(rf"^## {claim.section} · ", text, re.MULTILINE), "there is no such section"
    assert claim.source.name in text
    if re.match(r"(?i)table|figure|section|equation", claim.place):
        assert any(place.lower() in text.lower() for place in claim.place.split(", ")), claim.place


@pytest.mark.parametrize("claim", CLAIMS, ids=name_of)
def test_the_chapter_gives_the_numbers_that_the_ledger_gives(claim: Claim) -> None:
    """A number may stand there as the error, where the ledger has what is right as well."""
    text = chapter_text(claim.chapter)
    for number in re.findall(r"\d+\.\d+", claim.paper):
        decimals = len(number.partition(".")[2])
        assert number in text or f"{100 - float(number):.{decimals}f}" in text, number


@pytest.mark.parametrize("claim", RECORDED, ids=name_of)
def test_its_commands_exist(claim: Claim, ledger: ModuleType) -> None:
    root: Any = typer.main.get_command(cli.app)
    for command in ledger.commands_of(claim):
        program, name, *arguments = shlex.split(command)
        if program == "python":
            assert (ROOT / name).is_file(), command
        else:
            assert program == "resnet-lessons"
            root.commands[name].make_context(name, arguments)  # refuses what is no option
            if "--recipe" in arguments:
                assert arguments[arguments.index("--recipe") + 1] in training.RECIPES


def shifted(value: Any) -> Any:
    """Change every number of a record's run that is a result."""
    if isinstance(value, dict):
        keep = ("seed", "number", "epoch", "images")
        return {key: inner if key in keep else shifted(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shifted(inner) for inner in value]
    return value * 0.5 if isinstance(value, int | float) else value


@pytest.mark.parametrize("claim", [claim for claim in RECORDED if claim.records], ids=name_of)
def test_ours_come_from_the_records(claim: Claim, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other records every line is another one, and only the records that the claim names are read."""
    before, read, recorded = claim.find(), [], training.recorded

    def changed(name: str) -> dict[str, Any]:
        read.append(name)
        record = copy.deepcopy(recorded(name))
        return {**record, "runs": [shifted(run) for run in record["runs"]]}

    monkeypatch.setattr(training, "recorded", changed)
    after = claim.find()
    assert set(read) == set(claim.records)
    assert not set(before.ours) & set(after.ours)


@pytest.mark.parametrize(
    ("find", "same"),
    [
        (claims.parameters, 0),
        (claims.equal_parameters, 0),
        (claims.costs, 0),
        (claims.layer_costs, 0),
        (claims.stride_costs, 1),
    ],
)
def test_counts_come_from_the_architecture(
    find: Callable[[], Finding], same: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other widths, other counts: but a stride has no parameters in any of them."""
    before, build = find(), claims.resnet_config
    monkeypatch.setattr(claims, "resnet_config", lambda *args, **options: build(*args, width=24, **options))
    assert len(set(before.ours) & set(find().ours)) == same


# Verdicts -------------------------------------------------------------------------------------------------------------

APART = {"better": [98.0, 98.5, 99.0], "worse": [95.0, 96.0, 97.9]}
REVERSED = dict(reversed(APART.items()))
TOUCHING = {"better": [98.0, 98.5, 99.0], "worse": [95.0, 96.0, 98.0]}
MADE_UP = Claim(
    "The moon is larger on digits.",
    Source("Nobody", "0000.00000", "https://example.org"),
    "Table 9",
    "1 %",
    "00_start_here",
    3,
    lambda: ordered(Group("made up", APART)),
    REPRODUCED,
    "It is.",
)


def test_a_wrong_verdict_is_caught() -> None:
    assert claims.check(MADE_UP).ours == ("made up, 3 runs each: better 98.0 … 99.0 %, worse 95.0 … 97.9 %",)
    for wrong in set(VERDICTS) - {REPRODUCED}:
        with pytest.raises(ValueError, match=f"is called {wrong}; ours make it reproduced: made up, 3 runs each"):
            claims.check(replace(MADE_UP, verdict=wrong))
    touching = replace(MADE_UP, find=lambda: ordered(Group("made up", TOUCHING)))
    with pytest.raises(ValueError, match="is called reproduced; ours make it not at this scale"):
        claims.check(touching)


def test_published_evidence_to_the_contrary_makes_a_claim_contested() -> None:
    disputed = replace(MADE_UP, disputed_by="Somebody 2020.")
    with pytest.raises(ValueError, match="is called reproduced; ours make it contested"):
        claims.check(disputed)
    assert claims.check(replace(disputed, verdict=CONTESTED)).verdict == REPRODUCED


@pytest.mark.parametrize("verdict", VERDICTS)
def test_what_no_rule_and_nobody_decides_is_no_claim(verdict: str) -> None:
    undecided = replace(MADE_UP, find=lambda: Finding(("?",), None), verdict=verdict)
    with pytest.raises(ValueError, match="No rule decides “The moon"):
        claims.check(undecided)


@pytest.mark.parametrize(
    ("finding", "verdict"),
    [
        (ordered(Group("", APART)), REPRODUCED),
        (ordered(Group("", REVERSED)), CONTESTED),
        (ordered(Group("", TOUCHING)), SCALE),
        (ordered(Group("", APART), Group("", TOUCHING)), SCALE),
        (ordered(Group("", APART), Group("", REVERSED)), CONTESTED),
        (ordered(Group("", APART), Group("", REVERSED, judged=False)), REPRODUCED),
        (ordered(Group("", {"a": [3, 3, 3], "b": [2, 2, 2], "c": [2, 1, 1]})), SCALE),
        (alike(Group("", APART)), CONTESTED),
        (alike(Group("", REVERSED)), CONTESTED),
        (alike(Group("", TOUCHING)), SCALE),
        (reached((Group("", {"net": [91.3]}), 91.25)), REPRODUCED),
        (reached((Group("", {"net": [91.2]}), 91.25)), SCALE),
        (reached((Group("", {"net": [90.9, 91.0, 91.3]}), 91.25)), REPRODUCED),
        (reached((Group("", {"net": [91.3]}), 91.25), (Group("", {"net": [91.2]}), 91.25)), SCALE),
        (counted(Count("", "3.8", 3_857_973_248, 10**9)), EXACT),
        (counted(Count("", "3.8", 4_089_184_256, 10**9)), CONTESTED),
        (counted(Count("", "73984", 73_984), Count("", "73984", 73_985)), CONTESTED),
        (not_run("a moon"), SCALE),
    ],
)
def test_the_rule(finding: Finding, verdict: str) -> None:
    assert finding.verdict == verdict


def test_one_or_two_seeds_decide_nothing() -> None:
    with pytest.raises(
        ValueError, match=f"A series has 2 runs; a difference between series takes at least {findings.LEAST_RUNS}"
    ):
        ordered(Group("", {"better": [2.0, 2.0, 2.0], "worse": [1.0, 1.0]}))
    with pytest.raises(ValueError, match="Nothing to compare"):
        ordered(Group("", APART, judged=False))
    with pytest.raises(ValueError, match="Nothing to compare"):
        alike(Group("", {"alone": [1.0, 1.0, 1.0]}))


def test_spreads_are_written_with_their_number() -> None:
    assert str(Group("x", {"a": [1, 2], "b": [3, 4, 5]})) == "x: a 1.0 … 2.0 % (2 runs), b 3.0 … 5.0 % (3 runs)"
    assert str(Group("x", {"a": [1.0]}, unit="", of="draws")) == "x: a 1.0 (1 draw)"
