"""What a stem computed, when its sizes are right: which zeros went around its convolution, and which windows its pool took.

Neither shows in any layer's settings where a learner pads by hand, and the pool is no layer with weights at all. So both are
computed here once more, from what the layers before and behind put out.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .diagnose import close
from .evidence import Evidence
from .uses import Use
from .wiring import Facts, Numbers, pooled

HALVING = 2  # the stride of the convolution and of the pool
Computed = Callable[[Numbers], np.ndarray]


def convolution_is_same(evidence: Evidence) -> bool:
    """Whether the first convolution computes what it would with “same”, and not what it should."""
    stem = _convolution(evidence, 0)
    if stem is None:
        return False
    name, images = stem.layer.name, evidence.images
    padding = _same(stem.layer.shape[2], images.shape[2])
    return _computes(
        evidence, stem,
        lambda on: on.conv(name, images, stride=HALVING, padding=padding),
        instead_of=lambda on: on.conv(name, images, stride=HALVING),
    )  # fmt: skip


def pool_is_same(evidence: Evidence) -> bool:
    """Whether the max-pool pads as “same” does, and not as it should."""
    return _pool_is(evidence, lambda maps: pooled("maximum of 3×3", HALVING, maps, _same(3, maps.shape[2])))


def pool_is_2x2(evidence: Evidence) -> bool:
    """Whether the max-pool takes windows of 2×2."""
    return _pool_is(evidence, lambda maps: pooled("maximum of 2×2", HALVING, maps))


def _pool_is(evidence: Evidence, pool: Callable[[np.ndarray], np.ndarray]) -> bool:
    """Whether the first block was given what another pool makes of the stem's maps: its first convolution tells."""
    behind = _convolution(evidence, 1)
    if behind is None or evidence.measured is None:
        return False
    norm, name = evidence.measured.trace.uses[1], behind.layer.name
    if norm.layer.kind != "bn" or norm.output is None:
        return False
    maps = np.maximum(norm.output, 0)  # so that a border of zeros wins over nothing
    return _computes(
        evidence, behind,
        lambda on: on.conv(name, pool(maps)),
        instead_of=lambda on: on.conv(name, pooled("maximum of 3×3", HALVING, maps)),
    )  # fmt: skip


def _computes(evidence: Evidence, use: Use, other: Computed, *, instead_of: Computed) -> bool:
    """Whether a layer put out what `other` computes from the learner's tensors, and not what it should."""
    assert evidence.measured is not None
    assert use.output is not None
    on = Numbers(evidence.measured.tensors, Facts(unbiased=True), training=False)
    right, wrong = (close(use.output, computed(on), evidence.tolerance) for computed in (instead_of, other))
    return wrong and not right


def _convolution(evidence: Evidence, number: int) -> Use | None:
    """The convolution that ran as number 0, 1, …; None if there is none, or it is one in groups."""
    uses = evidence.measured.trace.uses if evidence.measured else ()
    found = [use for use in uses if use.layer.kind == "conv" and use.output is not None]
    if len(found) <= number or found[number].layer.shape[1] != found[number].in_shape[1]:
        return None
    return found[number]


def _same(side: int, size: int) -> tuple[int, int]:
    """What TensorFlow's “same” puts around a map at stride 2, in front and behind: the odd zero comes behind."""
    zeros = max((-(-size // HALVING) - 1) * HALVING + side - size, 0)
    return zeros // 2, zeros - zeros // 2
