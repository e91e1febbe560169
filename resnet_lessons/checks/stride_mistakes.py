"""What goes wrong when a bottleneck's stride moves, and in a shortcut that averages.

An edit names fields of `stride_blocks`. What goes wrong in any bottleneck comes from chapter 03's catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from . import bottleneck_mistakes as bottlenecks
from . import shortcut_mistakes as shortcuts
from . import structure
from .cases import Judged
from .evidence import RUNNING, Evidence
from .mistakes import Mistake, Section, known_otherwise
from .uses import Use

CHAPTER = "04_stride_move"
MOVE = Section(CHAPTER, 1, "One stride, moved")
BUILD = Section(CHAPTER, 2, "Build it")
PIXELS = Section(CHAPTER, 3, "The pixels that count")
COST = Section(CHAPTER, 4, "What it costs, what it earns")
OTHER = Section(CHAPTER, 5, "Weights of the other version")
WHICH = Section(CHAPTER, 6, "Which ResNet is this?")
WRONG = Section(CHAPTER, 7, "What goes wrong")
LAB = Section(CHAPTER, 8, "The lab: coverage")
_TWEAKS = '<a href="https://arxiv.org/abs/1812.01187" target="_blank" rel="noopener">He et al. 2019</a>, section 4.2'


def _size(use: Use) -> tuple[int, ...]:
    return use.out_shape[2:]


def _text(size: tuple[int, ...]) -> str:
    return " × ".join(map(str, size))


def _halved(size: Iterable[int]) -> tuple[int, ...]:
    return tuple(-(-n // 2) for n in size)


def _raised_with(evidence: Evidence) -> list[Use]:
    """The 1×1 convolutions that ran before the addition raised."""
    done = evidence.stage == RUNNING and evidence.error is not None
    return (
        [u for u in evidence.partial if u.layer.kind == "conv" and u.layer.shape[2] == 1 and u.out_shape]
        if done
        else []
    )


def shrunk_twice(evidence: Evidence) -> str:
    """A projection that strides over a map which a pool has halved."""
    half = _halved(evidence.images.shape[2:])
    for use in _raised_with(evidence):
        if use.in_shape[1] == evidence.images.shape[1] and use.in_shape[2:] == half and _size(use) == _halved(half):
            return f"{use.layer.name} is given maps of {_text(half)}, half of x's, and puts out maps of {_text(_size(use))}."
    return ""


def pooled_without_stride(evidence: Evidence) -> str:
    """A pool of 2×2 that moves by one pixel, where the block keeps its size."""
    smaller = tuple(n - 1 for n in evidence.images.shape[2:])
    for use in _raised_with(evidence):
        if use.in_shape[1] == evidence.images.shape[1] and use.in_shape[2:] == smaller:
            return f"{use.layer.name} is given maps of {_text(smaller)}: one row and one column less than x has."
    return ""


def _wrong_3x3s(evidence: Evidence) -> list[Use]:
    """The 3×3 convolutions that put out maps of another size than x has, divided by their stride, before something raised."""
    if evidence.stage != RUNNING or evidence.error is None or bottlenecks.grows(evidence):
        return []
    kernels = [u for u in evidence.partial if u.layer.kind == "conv" and u.layer.shape[2] == 3 and u.out_shape]
    return [u for u in kernels if _size(u) != _strided(evidence, u)]


def _strided(evidence: Evidence, use: Use) -> tuple[int, ...]:
    return tuple(-(-n // structure.stride_of(use.layer)) for n in evidence.images.shape[2:])


def too_many_zeros(evidence: Evidence) -> str:
    """A 3×3 whose map comes out larger than its stride leaves it."""
    for use in _wrong_3x3s(evidence):
        if any(n > m for n, m in zip(_size(use), _strided(evidence, use), strict=True)):
            given, made, x = map(_text, (use.in_shape[2:], _size(use), evidence.images.shape[2:]))
            return f"{use.layer.name}, a 3×3, makes maps of {made} from maps of {given}; x has {x}."
    return ""


def zeros_on_two_sides(evidence: Evidence) -> str:
    """A 3×3 without padding of its own, on a map that has got one row and one column."""
    larger = tuple(n + 1 for n in evidence.images.shape[2:])
    for use in [] if too_many_zeros(evidence) else _wrong_3x3s(evidence):
        if use.in_shape[2:] == larger:
            return f"{use.layer.name} is given maps of {_text(larger)}: one row and one column more than x has."
    return ""


def shrinks(evidence: Evidence) -> str:
    """A 3×3 without any zeros around its map."""
    return "" if too_many_zeros(evidence) or zeros_on_two_sides(evidence) else bottlenecks.shrinks(evidence)


NOT_MOVED = Mistake(
    "stride_not_moved",
    "the first 1×1 has the stride: this is the block of v1",
    "The shapes and the parameters are those of v1.5. But three quarters of the map are dropped before the 3×3 could look at "
    "them, and its neighbours are every second pixel.",
    "Weights of one version load into the other without an error and give other outputs.",
    MOVE,
    "KaimingHe/deep-residual-networks, prototxt/ResNet-101-deploy.prototxt; keras.applications' ResNet50",
    edits=[{"strided": 1}],
)
ON_LAST = Mistake(
    "stride_on_last",
    "the last 1×1 has the stride",
    "In evaluation mode all outputs are right: what follows the 3×3 looks at one position at a time, so it makes no difference "
    "to the values when three quarters of the positions are dropped. In training BN takes its statistics over more of them.",
    "The 3×3 is computed on the large map, four times as often as needed: as layer2.0 of ResNet-50 such a block costs 719 "
    "million multiply-adds in place of 373.",
    WRONG,
    edits=[{"strided": 3}],
)
SAME_PADDING = replace(
    shortcuts.SAME_PADDING,
    explanation="On an even map “same” puts the only zero of a strided 3×3 on the right and at the bottom: every window lies one "
    "pixel further than with one zero on either side. On an odd map, and at stride 1, there is no difference.",
    why="In v1 no 3×3 strides, so “same” is right there. Moved onto it, the stride makes it wrong, and no error says so; weights "
    "from elsewhere then compute something else.",
    section=BUILD,
)
UNSTRIDED = replace(
    shortcuts.UNSTRIDED,
    explanation="The projection changes the channels and keeps height and width, while the branch halves them.",
    why="The move concerns the branch alone: the shortcut still has to shrink the map as much as the branch does.",
    section=BUILD,
    visible=next(m for m in bottlenecks.SHORTCUTS if m.key == shortcuts.UNSTRIDED.key).visible,
)
FIXED = Mistake(
    "stride_fixed_at_2",
    "a stride is always 2",
    "The block is made with a stride, and one of its layers has another.",
    "The first block of ResNet-50's first stage is made by the same class with a stride of 1: the max-pool in front of it has "
    "halved the map already.",
    BUILD,
    visible=known_otherwise,
)
TOO_MANY_ZEROS = Mistake(
    "too_many_zeros",
    "too many zeros around the map of the 3×3",
    "A 3×3 needs one zero on every side. Here there are more: put there twice, by the layer itself and in front of it, or by a "
    "number that was meant as the stride and stands where the padding is expected.",
    "With another size of map the addition fails. Where it does not, the borders are computed from zeros that nobody wanted.",
    BUILD,
    visible=too_many_zeros,
)
TWO_SIDES = Mistake(
    "zeros_on_two_sides",
    "zeros on two sides of the map only",
    "One row and one column of zeros are enough for an even map at stride 2: the windows of a 3×3 never reach the zeros on the "
    "other sides. An odd map, and stride 1, need zeros on all four.",
    "Which sides they stand on is easily mixed up, and ResNet-50 meets odd maps as soon as an image's sides are no multiples "
    "of 32.",
    BUILD,
    visible=zeros_on_two_sides,
)
SHRINKS = replace(bottlenecks.SHRINKS, visible=shrinks)
_OWN = (FIXED, NOT_MOVED, ON_LAST, SAME_PADDING, UNSTRIDED, TOO_MANY_ZEROS, TWO_SIDES, SHRINKS)
_REPLACED = {bottlenecks.STRIDE_ON_3X3.key, *(mistake.key for mistake in _OWN)}
MOVED = (*(m for m in bottlenecks.BLOCK if m.key not in _REPLACED), *_OWN)

NO_POOL = Mistake(
    "no_pool",
    "the shortcut still strides: this is the block of v1.5",
    "A 1×1 with a stride of 2 reads one pixel in four, and averages nothing.",
    f"To read them all is the point of this block ({_TWEAKS}): its authors found that the projection, too, ignores three "
    "quarters of what it is given.",
    PIXELS,
    "torchvision's ResNet-50",
    edits=[{"pool": "none"}],
)
MAXIMUM = Mistake(
    "maximum_for_average",
    "the shortcut takes the largest of each 2×2 where it should average",
    "A maximum is not linear, and is never smaller than the average: what the shortcut hands on is larger, and has a bias.",
    f"The tweak that was measured averages ({_TWEAKS}), and its weights were trained for that.",
    LAB,
    edits=[{"pool": "maximum of 2×2"}],
)
WINDOW_OF_3 = Mistake(
    "pool_of_3",
    "the shortcut averages windows of 3×3",
    "Windows of 3 that move by 2 overlap: some pixels count once, others two or four times, and zeros at the border count "
    "as well.",
    f"Windows of 2×2 read each pixel exactly once ({_TWEAKS}).",
    LAB,
    edits=[{"pool": "average of 3×3"}],
)
POOLED_BEHIND = Mistake(
    "pooled_behind_bn",
    "the shortcut averages behind its BN",
    "In evaluation mode nothing differs: a 1×1, BN and an average are all linear, and change places freely. In training BN "
    "takes its statistics over four times as many positions, and other ones.",
    "The projection is computed on the large map, at four times the cost. And the running statistics are those of single "
    "pixels, not of averages.",
    LAB,
    edits=[{"pool_at": "behind"}],
)
SHRUNK_TWICE = Mistake(
    "shrunk_twice",
    "the shortcut averages and strides",
    "The pool halves the map, and the projection halves it again.",
    f"Where the average takes over the shrinking, the projection has no stride left ({_TWEAKS}: “whose stride is changed "
    "to 1”).",
    LAB,
    visible=shrunk_twice,
)
POOLS_ALWAYS = Mistake(
    "pools_at_stride_1",
    "the shortcut averages where nothing shrinks",
    "A window of 2×2 that moves by one pixel fits one time less often than there are pixels.",
    "The first block of ResNet-50's first stage has a projection and keeps its map: the average belongs to the shrinking, not "
    "to the projection.",
    LAB,
    visible=pooled_without_stride,
)
NOT_SHRUNK = replace(
    UNSTRIDED,
    title="nothing shrinks the map on the shortcut",
    explanation="The projection keeps height and width, as it should here. But nothing in front of it halves them, while the "
    "branch does.",
    why=f"The average takes over the shrinking ({_TWEAKS}). A stride on the projection would make the sizes fit as well, and "
    "drop three quarters of the map: the block of v1.5.",
    section=LAB,
)
AVERAGE = (NO_POOL, MAXIMUM, WINDOW_OF_3, POOLED_BEHIND, SHRUNK_TWICE, POOLS_ALWAYS)
AVERAGING = (*(NOT_SHRUNK if m.key == UNSTRIDED.key else m for m in MOVED), *AVERAGE)


def combined(judged: Sequence[Judged]) -> tuple[Mistake, ...]:
    """Name a layer that strides in a block made with stride 1, and not what follows from it."""
    fixed = [one for one in judged if one.case.arguments[2] == 1 and _strides(one.evidence)]
    others = [one for one in judged if all(one is not other for other in fixed)]
    found = bottlenecks.combined(others)
    return (*found, FIXED) if fixed else found


def _strides(evidence: Evidence) -> bool:
    return any(u.layer.kind == "conv" and structure.stride_of(u.layer) > 1 for u in evidence.partial)
