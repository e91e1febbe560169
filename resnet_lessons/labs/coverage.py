"""Which pixels of a block's input reach its output: index arithmetic, for the lab "Coverage". No framework, no array.

A window of k × k is a window of k rows times a window of k columns, so everything here is said for rows; columns behave
alike. A pixel is read by a path if its row and its column are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..architecture import conv_strides, resnet_config, trace

VERSIONS = ("v1", "v1.5")
PATHS = ("branch", "shortcut", "sum")


@dataclass(frozen=True)
class Window:
    """A layer that slides a window: k rows high, moved by `stride`, as many rows padded above as below.

    A window of two rows (an average) is not padded, and the last one is cut off where an odd map ends.
    """

    name: str
    kernel: int
    stride: int
    shift: int = 0  # rows that all windows lie further down: 1 for padding "same" at stride 2 on an even map

    def out_size(self, size: int) -> int:
        """Rows of the output, of an input of `size` rows."""
        return -(-size // self.stride)

    def reads(self, size: int) -> list[range]:
        """The input rows that each output row reads; padding is no row.

        >>> [list(rows) for rows in Window("conv2", kernel=3, stride=2).reads(8)]
        [[0, 1], [1, 2, 3], [3, 4, 5], [5, 6, 7]]
        """
        starts = (self.stride * row - (self.kernel - 1) // 2 + self.shift for row in range(self.out_size(size)))
        return [range(max(0, start), min(size, start + self.kernel)) for start in starts]

    def __str__(self) -> str:
        kind = f"{self.kernel}×{self.kernel} {'average' if self.kernel == 2 else 'convolution'}"
        return f"{kind}, stride {self.stride}"


Path = tuple[Window, ...]


@dataclass(frozen=True)
class Design:
    """Where a downsampling bottleneck has its strides: one for each convolution of the branch, and the shortcut's kind."""

    strides: tuple[int, int, int] = (2, 1, 1)
    shortcut: str = "1×1, stride 2"


SHORTCUTS: dict[str, Path] = {
    "1×1, stride 2": (Window("projection", 1, 2),),
    "3×3, stride 2": (Window("projection", 3, 2),),
    "1×1, then 2×2 average": (Window("projection", 1, 1), Window("average", 2, 2)),
    "2×2 average, then 1×1": (Window("average", 2, 2), Window("projection", 1, 1)),
}


def design_of(version: str) -> Design:
    """The design that a version is."""
    first, second, third = conv_strides("bottleneck", version, 2)
    return Design((first, second, third))


def paths(design: Design) -> dict[str, Path]:
    """The two ways through a block, from its input to the addition."""
    branch = tuple(
        Window(f"conv{place}", kernel, stride)
        for place, kernel, stride in zip((1, 2, 3), (1, 3, 1), design.strides, strict=True)
    )
    return {"branch": branch, "shortcut": SHORTCUTS[design.shortcut]}


def ways(size: int, path: Path) -> list[int]:
    """In how many ways each of `size` input rows reaches the output of a path; 0 for a row that nothing reads.

    It is the gradient of the sum of all outputs, where every weight is 1.

    >>> ways(8, (Window("conv1", 1, 2), Window("conv2", 3, 1)))
    [2, 0, 3, 0, 3, 0, 2, 0]
    """
    return layer_ways(size, path)[0]


def layer_ways(size: int, path: Path) -> list[list[int]]:
    """The same for the rows of every map on the way: the input, each layer's output. In the last all are 1."""
    sizes = [size]
    for window in path:
        sizes.append(window.out_size(sizes[-1]))
    counts = [[1] * sizes[-1]]
    for window, rows in zip(reversed(path), reversed(sizes[:-1]), strict=True):
        before = [0] * rows
        for read, count in zip(window.reads(rows), counts[0], strict=True):
            for row in read:
                before[row] += count
        counts.insert(0, before)
    return counts


def rows_read(size: int, path: Path) -> set[int]:
    """The input rows that reach the output of a path."""
    return {row for row, count in enumerate(ways(size, path)) if count}


def pixel_ways(size: int, added: Sequence[Path]) -> list[list[int]]:
    """In how many ways each pixel of a size × size map reaches the sum of some paths."""
    counted = [ways(size, path) for path in added]
    return [[sum(rows[r] * rows[c] for rows in counted) for c in range(size)] for r in range(size)]


def path_rows(size: int, design: Design, path: str) -> set[int]:
    """The input rows that reach the output of the branch, the shortcut or their sum."""
    both = paths(design)
    return set().union(*(rows_read(size, both[name]) for name in both if path in (name, "sum")))


def path_ways(size: int, design: Design, path: str) -> list[list[int]]:
    """In how many ways each pixel reaches the output of the branch, the shortcut or their sum."""
    both = paths(design)
    return pixel_ways(size, [both[name] for name in both if path in (name, "sum")])


def scale(design: Design) -> tuple[int, int]:
    """By how much branch and shortcut shrink a map."""
    first, second, third = design.strides
    shortcut = 1
    for window in SHORTCUTS[design.shortcut]:
        shortcut *= window.stride
    return first * second * third, shortcut


def macs(design: Design) -> dict[str, int]:
    """Multiply-adds of each convolution of such a block in the place of ResNet-50's layer2.0, images of 224 × 224."""
    place = next(block for block in resnet_config(50).blocks if block.name == "layer2.0")
    size = next(layer.in_shape[1] for layer in trace(resnet_config(50)) if layer.name == "layer2.0.conv1")
    channels = [place.in_channels, place.width, place.width, place.out_channels]
    found, rows = {}, size
    for number, window in enumerate(paths(design)["branch"]):
        rows = window.out_size(rows)
        found[window.name] = channels[number] * channels[number + 1] * window.kernel**2 * rows**2
    rows = size
    for window in SHORTCUTS[design.shortcut]:
        rows = window.out_size(rows)
        if window.name == "projection":
            found["projection"] = place.in_channels * place.out_channels * window.kernel**2 * rows**2
    return found


def suspects(size: int) -> dict[str, tuple[list[list[int]], int]]:
    """Two branches with a mistake each, beside the correct v1.5: in how many ways each pixel is read, and multiply-adds.

    P pads its strided 3×3 with "same", on an even map: all windows lie one row further down. Q strides in its last 1×1.
    """
    correct = paths(design_of("v1.5"))["branch"]
    shifted = (correct[0], Window("conv2", 3, 2, shift=1 - size % 2), correct[2])
    late = Design((1, 1, 2))
    total = sum(macs(design_of("v1.5")).values())
    return {
        "v1.5, as it should be": (pixel_ways(size, [correct]), total),
        "P": (pixel_ways(size, [shifted]), total),
        "Q": (pixel_ways(size, [paths(late)["branch"]]), sum(macs(late).values())),
    }
