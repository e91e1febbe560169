"""The rounds of the lab "Mystery net": which network comes, and between which names one has to choose.

Names stand together only if five probes can tell all of them apart, whichever is the true one, by what can be foreseen of
the readings (`probes.Reading.signature`). So no round is a riddle without an answer, and none has two.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, NamedTuple

from .nets import LEVELS, NOTHING, WEIGHTS, Kind, Twist, playable
from .probes import PROBES, reading

OPTIONS, MOST_PROBES = 6, 5
_NEAR = 8  # how many names count as near the true one: those that most probes show alike
_RIGHT_EVERY = 8  # of so many rounds about one has no mistake


class Round(NamedTuple):
    """One round."""

    kind: Kind
    key: str  # the true mistake
    twist: Twist  # the way in which it was made
    options: tuple[str, ...]  # keys to choose from
    weights: int


def rounds(seed: int, level: str) -> Iterator[Round]:
    """Yield rounds without end; all mistakes of all kinds of a level come before one comes again."""
    dice, kinds = random.Random(f"{seed}"), LEVELS[level]
    pairs = [(kind, key) for kind in kinds for key in playable(kind) if key != NOTHING.key]
    while True:
        bag = pairs + [(dice.choice(kinds), NOTHING.key) for _ in range(len(pairs) // (_RIGHT_EVERY - 1))]
        for kind, key in dice.sample(bag, len(bag)):
            twist = dice.choice(playable(kind)[key][1])
            yield Round(kind, key, twist, _options(dice, kind, key, twist), dice.choice(WEIGHTS))


def _options(dice: random.Random, kind: Kind, key: str, twist: Twist) -> tuple[str, ...]:
    """The true name and five others, "nothing" among them; three of them near the true one, where that leaves an answer."""
    others = [other for other in playable(kind) if other not in (key, NOTHING.key)]
    others = dice.sample(others, len(others))
    near = sorted(others, key=lambda other: -max(_alike(kind, twist, way) for way in playable(kind)[other][1]))[:_NEAR]
    chosen = [key] if key == NOTHING.key else [key, NOTHING.key]
    wanted = len(chosen) + 3
    for other in (*dice.sample(near, len(near)), *others):
        enough = len(chosen) >= (wanted if other in near else OPTIONS)
        if other not in chosen and not enough and solvable(kind, (*chosen, other)):
            chosen.append(other)
    for other in others:  # if near ones are all that is left
        if len(chosen) < OPTIONS and other not in chosen and solvable(kind, (*chosen, other)):
            chosen.append(other)
    return tuple(dice.sample(chosen, len(chosen)))


def _alike(kind: Kind, one: Twist, other: Twist) -> int:
    """How many probes show two networks alike."""
    a, b = (_shown(kind, twist, WEIGHTS[0]) for twist in (one, other))
    return sum(a[probe] == b[probe] for probe in PROBES)


def solvable(kind: Kind, options: Sequence[str], weights: int = WEIGHTS[0]) -> bool:
    """Whether some five probes together tell all these mistakes apart, in whatever way each was made."""
    ways = [(key, _shown(kind, twist, weights)) for key in options for twist in playable(kind)[key][1]]
    pairs = [[probe for probe in PROBES if a[probe] != b[probe]] for (x, a), (y, b) in combinations(ways, 2) if x != y]
    return any(
        all(any(probe in chosen for probe in telling) for telling in pairs)
        for chosen in combinations(PROBES, MOST_PROBES)
    )


def rules_out(kind: Kind, twist: Twist, key: str, probes: Sequence[str], weights: int) -> bool:
    """Whether these probes together show that a network is not one with the mistake `key`, in whatever way it is made."""
    here = _shown(kind, twist, weights)
    there = [_shown(kind, way, weights) for way in playable(kind)[key][1]]
    return all(any(here[probe] != other[probe] for probe in probes) for other in there)


def telling(played: Round) -> list[tuple[str, ...]]:
    """The smallest sets of probes that leave the true name alone."""
    others = [key for key in played.options if key != played.key]
    for size in range(1, MOST_PROBES + 1):
        found = [
            probes
            for probes in combinations(PROBES, size)
            if all(rules_out(played.kind, played.twist, key, probes, played.weights) for key in others)
        ]
        if found:
            return found
    return []


@lru_cache(maxsize=1024)
def _shown(kind: Kind, twist: Twist, weights: int) -> dict[str, tuple[Any, ...]]:
    """What can be foreseen of each probe's reading."""
    return {probe: reading(kind, twist, probe, weights).signature for probe in PROBES}
