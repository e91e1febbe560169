"""What our counts and runs say of a claim, and the verdict that follows from them by rule.

    counted     numbers that a paper prints and anybody can count: exact, or contested
    ordered     what should be higher than what: reproduced, not at this scale, or contested
    alike       what should make no difference: not at this scale, or contested
    reached     an accuracy that should be reached: reproduced, or not at this scale
    not_run     nothing of ours: not at this scale

The rule for runs is the course's own (chapter 05, section 4): a difference counts where every run of the one lies beyond
every run of the other. Between two sets of five runs without any difference that happens once in 252 times, on either side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

EXACT, REPRODUCED, SCALE, CONTESTED = VERDICTS = ("exact", "reproduced", "not at this scale", "contested")
LEAST_RUNS = 3  # of each kind, before a difference counts


@dataclass(frozen=True)
class Finding:
    """What is ours, a line for each thing measured, and the verdict by rule: None where no rule can tell."""

    ours: tuple[str, ...]
    verdict: str | None


@dataclass(frozen=True)
class Count:
    """A number as a paper prints it ("3.8", in units of 10⁹), and ours."""

    name: str
    printed: str
    ours: int
    unit: int = 1

    @property
    def agrees(self) -> bool:
        """Whether they differ by less than one unit of the printed number's last digit: papers round, or cut off."""
        decimals = len(self.printed.partition(".")[2])
        return abs(self.ours - float(self.printed) * self.unit) < self.unit / 10**decimals


@dataclass(frozen=True)
class Group:
    """Runs that differ in one thing alone.

    Attributes
    ----------
    title
        What they have in common: "PyTorch, 110 layers".
    series
        The runs' values by name, in the order that the paper says: highest first.
    judged
        Whether the verdict rests on them; otherwise they are shown beside the others.
    form, unit, of
        How a value is written, and what one value is of.
    """

    title: str
    series: Mapping[str, Sequence[float]]
    judged: bool = True
    form: str = ".1f"
    unit: str = " %"
    of: str = "runs"

    def __str__(self) -> str:
        numbers = {name: self.number(values) for name, values in self.series.items()}
        if len(numbers) > 1 and len(set(numbers.values())) == 1:
            spans = ", ".join(f"{name} {self.span(values)}" for name, values in self.series.items())
            return f"{self.title}, {next(iter(numbers.values()))} each: {spans}"
        spans = ", ".join(f"{name} {self.span(values)} ({numbers[name]})" for name, values in self.series.items())
        return f"{self.title}: {spans}"

    def span(self, values: Sequence[float]) -> str:
        """Write lowest … highest, or what all are: "97.2 … 98.9 %"."""
        edges = dict.fromkeys(format(edge, self.form) for edge in (min(values), max(values)))
        return f"{' … '.join(edges)}{self.unit}"

    def number(self, values: Sequence[float]) -> str:
        """Write how many there are: "5 runs", "1 run"."""
        return f"{len(values)} {self.of if len(values) > 1 else self.of.removesuffix('s')}"


def counted(*counts: Count) -> Finding:
    """Exact if every count agrees with what is printed, contested otherwise."""
    lines = tuple(f"{count.name} {count.ours:,}" for count in counts)
    return Finding(lines, EXACT if all(count.agrees for count in counts) else CONTESTED)


def ordered(*groups: Group) -> Finding:
    """Judge whether each series lies above the next one.

    Reproduced if, in every judged group, all runs of each series lie above all of the next; contested if somewhere all lie
    below; otherwise the spread over the runs covers the difference, and the verdict is that this scale cannot show it.

    Raises
    ------
    ValueError
        If no group is judged, or a series has fewer than `LEAST_RUNS` runs.
    """
    pairs = _pairs(groups)
    if any(max(higher) < min(lower) for higher, lower in pairs):
        verdict = CONTESTED
    else:
        verdict = REPRODUCED if all(min(higher) > max(lower) for higher, lower in pairs) else SCALE
    return Finding(tuple(map(str, groups)), verdict)


def alike(*groups: Group) -> Finding:
    """Judge whether series make no difference: contested if two are apart, and else this scale cannot tell.

    Overlapping spreads do not prove two things equal, so there is no “reproduced”. Raises as `ordered` does.
    """
    apart = any(min(one) > max(other) or max(one) < min(other) for one, other in _pairs(groups))
    return Finding(tuple(map(str, groups)), CONTESTED if apart else SCALE)


def reached(*aims: tuple[Group, float]) -> Finding:
    """Judge accuracies: reproduced if in every series the mean is at least the paper's number, or the spread holds it."""
    there = [
        sum(values) / len(values) >= aim or min(values) <= aim <= max(values)
        for group, aim in aims
        for values in group.series.values()
    ]
    return Finding(tuple(str(group) for group, _ in aims), REPRODUCED if all(there) else SCALE)


def not_run(needs: str) -> Finding:
    """What is beyond the machine that this course is made for."""
    return Finding((f"not run: {needs}",), SCALE)


def _pairs(groups: Sequence[Group]) -> list[tuple[Sequence[float], Sequence[float]]]:
    pairs = [pair for group in groups if group.judged for pair in pairwise(group.series.values())]
    if not pairs:
        raise ValueError("Nothing to compare: a verdict needs a judged group with at least two series.")
    fewest = min(len(values) for pair in pairs for values in pair)
    if fewest < LEAST_RUNS:
        raise ValueError(
            f"A series has {fewest} runs; a difference between series takes at least {LEAST_RUNS} of each."
        )
    return pairs
