"""What goes wrong when blocks are put together to a network: stem, stages, widths, strides, head.

A detector takes the evidence of one network and the config that was asked for, and returns what it saw, or "". It looks at
the layers that ran (`Plan`), so most mistakes are named even where the network raises before its end. How many blocks a
stage has is judged over several depths (`counted`): one alone would not tell 6n from a number that happens to be near.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from resnet_lessons.architecture import EXPANSION as EXPANSION_OF
from resnet_lessons.architecture import IMAGENET_STAGES, ResNetConfig

import numpy as np

from . import stem, structure
from .align import pairings
from .evidence import Evidence
from .mistakes import ATTEMPT, Mistake, Section, known_otherwise
from .network_oracle import sketch
from .shortcut_mistakes import BUILD, COST, OPTIONS, OWN_USE, TRAP
from .uses import Use

_V1 = '<a href="https://arxiv.org/abs/1512.03385" target="_blank" rel="noopener">He et al. 2015</a>'
_TOO_SMALL = re.compile(r"output size is too small|should be at least|negative|exceeds? (the )?input", re.IGNORECASE)
Detector = Callable[[Evidence, ResNetConfig], str]


class Plan:
    """The parts of a network as far as its layers ran; sizes are (height, width).

    Attributes
    ----------
    stem
        The first convolution.
    second
        What ran after it.
    blocks
        For each block its width and the size that it puts out.
    sizes
        What enters the first block, then what each block puts out.
    dense
        The dense layers' uses.
    """

    def __init__(self, evidence: Evidence, config: ResNetConfig) -> None:
        convolutions = [use for use in evidence.partial if use.layer.kind == "conv" and use.out_shape]
        self.stem = convolutions[0] if convolutions else None
        self.second = evidence.partial[1] if len(evidence.partial) > 1 else None
        self.dense = [use for use in evidence.partial if use.layer.kind == "dense"]
        inside = [use for use in convolutions[1:] if use.layer.shape[2] == 3]
        last = inside[1::2] if config.block == "basic" else inside  # the block's last 3×3
        self.blocks = [(use.out_shape[1], use.out_shape[2:]) for use in last]
        entering = [_size_given(convolutions[1])] if len(convolutions) > 1 else []
        self.sizes = [*entering, *(size for _, size in self.blocks)]

    @property
    def stages(self) -> dict[int, int]:
        """Width → number of blocks, where every stage has a width of its own."""
        return {width: len(list(run)) for width, run in groupby(width for width, _ in self.blocks)}

    @property
    def starts(self) -> set[int]:
        """The blocks with which a stage begins, the first one left out."""
        return {n for n in range(1, len(self.blocks)) if self.blocks[n][0] != self.blocks[n - 1][0]}

    def start_of(self, block: int) -> int:
        """The block with which a block's stage begins."""
        return max(n for n in {0, *self.starts} if n <= block)

    @property
    def strided(self) -> list[int]:
        """The blocks that put out smaller maps than they are given."""
        return [n for n in range(len(self.blocks)) if self.sizes[n + 1] < self.sizes[n]]


def _size_given(use: Use) -> tuple[int, ...]:
    """Height and width of what a convolution is given, without zeros that were put around it by hand."""
    around, kernel = use.layer.settings.get("padding", 0), use.layer.shape[2]
    padded = around == "same" or (not isinstance(around, str) and np.any(around))
    return tuple(n if padded else n - (kernel - 1) for n in use.in_shape[2:])


def _text(size: Sequence[int]) -> str:
    return " × ".join(map(str, size))


def _list(values: Sequence[object]) -> str:
    texts = [str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def imagenet_widths(evidence: Evidence, config: ResNetConfig) -> str:
    widths = list(Plan(evidence, config).stages)
    if config.family != "cifar" or not widths or widths[0] != 4 * config.width:
        return ""
    return f"Your stages have {_list(widths)} channels; asked for are {_list(config.stage_widths)}."


def other_widths(evidence: Evidence, config: ResNetConfig) -> str:
    plan = Plan(evidence, config)
    widths = list(plan.stages)
    wrong = widths[: len(config.stage_widths)] != list(config.stage_widths[: len(widths)])
    if not widths or not wrong or imagenet_widths(evidence, config) or width_ignored(evidence, config):
        return ""
    return f"Your stages have {_list(widths)} channels; asked for are {_list(config.stage_widths)}."


def width_ignored(evidence: Evidence, config: ResNetConfig) -> str:
    widths = list(Plan(evidence, config).stages)
    if config.family != "imagenet" or not widths or widths[0] != 64 or config.width == 64:
        return ""
    return f"Made with a width of {config.width}, its first stage has {widths[0]} channels."


def max_pool_in_stem(evidence: Evidence, config: ResNetConfig) -> str:
    plan = Plan(evidence, config)
    if config.family != "cifar" or plan.stem is None or not plan.sizes or plan.sizes[0] >= plan.stem.out_shape[2:]:
        return ""
    before, after = _text(plan.stem.out_shape[2:]), _text(plan.sizes[0])
    return f"The stem's convolution puts out maps of {before}; the first block gets {after}."


def no_max_pool(evidence: Evidence, config: ResNetConfig) -> str:
    plan = Plan(evidence, config)
    if config.family != "imagenet" or plan.stem is None or not plan.sizes or plan.sizes[0] != plan.stem.out_shape[2:]:
        return ""
    size = _text(plan.sizes[0])
    return (
        f"The first block gets maps of {size}, as the stem's convolution puts them out; they should be half as large."
    )


def other_max_pool(evidence: Evidence, config: ResNetConfig) -> str:
    plan = Plan(evidence, config)
    if config.family != "imagenet" or plan.stem is None or not plan.sizes:
        return ""
    given, made = plan.stem.out_shape[2:], plan.sizes[0]
    asked = tuple(-(-n // 2) for n in given)
    if made in (given, asked):
        return ""
    return f"The stem's convolution puts out maps of {_text(given)}; the first block gets {_text(made)}, and not {_text(asked)}."


def same_stem(evidence: Evidence, config: ResNetConfig) -> str:
    if config.family != "imagenet" or other_stem(evidence, config) or not stem.convolution_is_same(evidence):
        return ""
    return "The stem's convolution computes what it would with two zeros in front of the image and three behind it."


def same_pool(evidence: Evidence, config: ResNetConfig) -> str:
    if config.family != "imagenet" or not stem.pool_is_same(evidence):
        return ""
    return "The stem's max-pool computes what it would with a border behind the map only."


def pool_2x2(evidence: Evidence, config: ResNetConfig) -> str:
    if config.family != "imagenet" or not stem.pool_is_2x2(evidence):
        return ""
    return "The stem's max-pool takes the largest of 2 × 2 values."


def other_stem(evidence: Evidence, config: ResNetConfig) -> str:
    first = Plan(evidence, config).stem
    kernel, halves = (7, True) if config.family == "imagenet" else (3, False)
    size = evidence.images.shape[2:]
    if first is None or (first.layer.shape[2] == kernel and (first.out_shape[2:] < size) == halves):
        return ""
    made = f"{_text(first.layer.shape[2:])} convolution makes maps of {_text(first.out_shape[2:])} from {_text(size)}"
    return f"The stem's {made}."


def no_stem_bn(evidence: Evidence, config: ResNetConfig) -> str:
    second = Plan(evidence, config).second
    if second is None or second.layer.kind == "bn":
        return ""
    return f"After the stem's convolution comes {second.layer.name}, and no BN."


def stride_in_stage_1(evidence: Evidence, config: ResNetConfig) -> str:
    plan = Plan(evidence, config)
    if 0 not in plan.strided:
        return ""
    return f"The first stage gets maps of {_text(plan.sizes[0])} and puts out {_text(plan.sizes[1])}."


def _strided_inside(plan: Plan, *, like_the_first: bool) -> str:
    """A block inside a stage that has a stride, as the stage's first has, or which has none itself."""
    strided = plan.strided
    found = [n for n in strided if n != plan.start_of(n) and (plan.start_of(n) in strided) == like_the_first]
    if not found:
        return ""
    n = found[0]
    return f"Block {n + 1} does not begin a stage, and makes maps of {_text(plan.sizes[n + 1])} from {_text(plan.sizes[n])}."


def stride_in_every_block(evidence: Evidence, config: ResNetConfig) -> str:
    return _strided_inside(Plan(evidence, config), like_the_first=True)


def stride_in_another_block(evidence: Evidence, config: ResNetConfig) -> str:
    return _strided_inside(Plan(evidence, config), like_the_first=False)


def stage_without_stride(evidence: Evidence, config: ResNetConfig) -> str:
    plan = Plan(evidence, config)
    late = {plan.start_of(n) for n in plan.strided}  # these are halved, in another block than their first
    found = [n for n in sorted(plan.starts) if n not in late and min(plan.sizes[n]) > 1]
    if not found:
        return ""
    n, width = found[0], plan.blocks[found[0]][0]
    return f"Block {n + 1} is the first with {width} channels, and its maps are as large as before: {_text(plan.sizes[n])}."


def one_block_repeated(evidence: Evidence, config: ResNetConfig) -> str:
    runs: dict[int, list[Use]] = {}
    for use in evidence.partial:
        runs.setdefault(id(use.layer), []).append(use)
    found = [uses for uses in runs.values() if len(uses) > 1]
    return f"{found[0][0].layer.name} ran {len(found[0])} times for one batch." if found else ""


def other_channels(evidence: Evidence, config: ResNetConfig) -> str:
    last = evidence.partial[-1] if evidence.partial else None
    if last is None or last.out_shape or last.layer.kind == "dense" or len(last.in_shape) != 4:
        return ""
    expects = last.layer.shape[1] if last.layer.kind == "conv" else last.layer.shape[0]
    if expects == last.in_shape[1]:
        return ""
    return f"{last.layer.name} was made for {expects} channels, and is given {last.in_shape[1]}."


def no_pooling(evidence: Evidence, config: ResNetConfig) -> str:
    plan = Plan(evidence, config)
    if len(plan.dense) != 1 or not plan.blocks:
        return ""
    dense, channels, (height, width) = plan.dense[0], config.out_channels, plan.sizes[-1]
    given, pixels = {dense.layer.shape[1], dense.in_shape[-1]}, height * width
    if channels * pixels not in given - {channels} or dense.in_shape[0] != len(evidence.images):
        return ""
    values = f"{channels * pixels} values an image: {channels} channels of {height} × {width} pixels"
    return f"The dense layer is given {values}."


def flatten_fixed_width(evidence: Evidence, config: ResNetConfig) -> str:
    plan, batch = Plan(evidence, config), len(evidence.images)
    if len(plan.dense) != 1 or plan.dense[0].in_shape[0] == batch:
        return ""
    return f"From {batch} images the dense layer is given {plan.dense[0].in_shape[0]} rows."


def fixed_pool(evidence: Evidence, config: ResNetConfig) -> str:
    plan = Plan(evidence, config)
    finished = len(plan.blocks) == sum(config.stage_blocks)
    if not finished or flatten_fixed_width(evidence, config):
        return ""
    size = _text(plan.sizes[-1])
    if plan.dense and 0 in (plan.dense[0].in_shape[-1], plan.dense[0].layer.shape[1]):
        return f"Of maps of {size} nothing is left for the dense layer."
    if not plan.dense and evidence.error is not None and _TOO_SMALL.search(str(evidence.error)):
        return f"After the last block, on maps of {size}, it raised {type(evidence.error).__name__}."
    if len(plan.dense) == 1 and not plan.dense[0].out_shape and not no_pooling(evidence, config):
        given = plan.dense[0].in_shape[-1]
        if given > config.out_channels and given % config.out_channels == 0:
            return f"Of maps of {size} the dense layer is given {given // config.out_channels} values a channel."
    return ""


def softmax(evidence: Evidence, config: ResNetConfig) -> str:
    if evidence.measured is None or evidence.measured.outputs.ndim != 2:
        return ""
    out = evidence.measured.outputs
    for values, name in ((out, "outputs"), (np.exp(np.minimum(out, 50)), "exponentials of the outputs")):
        if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-4):
            return f"For each image the {name} are positive and their sum is 1."
    return ""


def other_classes(evidence: Evidence, config: ResNetConfig) -> str:
    dense = Plan(evidence, config).dense
    if len(dense) != 1 or dense[0].layer.shape[0] == config.num_classes:
        return ""
    return f"The dense layer puts out {dense[0].layer.shape[0]:,} values; asked for are {config.num_classes:,}."


def no_dense(evidence: Evidence, config: ResNetConfig) -> str:
    if evidence.measured is None or Plan(evidence, config).dense:
        return ""
    return f"No dense layer ran; the output has the shape {evidence.measured.outputs.shape}."


def biased_convolutions(evidence: Evidence, config: ResNetConfig) -> str:
    found = {id(u.layer): u.layer for u in evidence.partial if u.layer.kind == "conv" and "bias" in u.layer.tensors}
    count = sum(layer.shape[0] for layer in found.values())
    if len(found) == 1:
        return f"Its convolution {next(iter(found.values())).name} has biases: {count} parameters."
    return f"{len(found)} of its convolutions have biases, {count} parameters in all." if found else ""


def other_option(evidence: Evidence, config: ResNetConfig) -> str:
    """Another shortcut option: then the layers are exactly those of that network."""
    if evidence.measured is None or config.shortcut not in "ABC":
        return ""
    trace = evidence.measured.trace.without_dropped()
    if next(pairings(trace, sketch(config)), None):
        return ""
    for option in "ABC":
        other = replace(config, shortcut=option)
        if option != config.shortcut and next(pairings(trace, sketch(other)), None):
            ours, theirs = f"{other.parameters:,}", f"{config.parameters:,}"
            return f"Its layers are those of option {option}: {ours} parameters instead of option {config.shortcut}'s {theirs}."
    return ""


def other_expansion(evidence: Evidence, config: ResNetConfig) -> str:
    if config.block != "bottleneck":
        return ""
    used = [use for use in evidence.partial if use.layer.kind == "conv" and use.out_shape]
    for one, following in pairwise(used):
        if one.layer.shape[2] == 3 and following.layer.shape[2] == 1 and following.layer.shape[1] == one.layer.shape[0]:
            width, wide = one.layer.shape[0], following.layer.shape[0]
            if wide == EXPANSION_OF["bottleneck"] * width:
                return ""
            return f"The first block's 3×3 has {width} channels, and its last 1×1 puts out {wide}."
    return ""


def made_in_call(evidence: Evidence, config: ResNetConfig) -> str:
    if evidence.measured is None:
        return ""
    used = {layer.name for layer in evidence.measured.trace.layers}
    gone = {name for name, _ in evidence.measured.tensors} - used
    if not (gone or evidence.makes_layers):
        return ""
    return f"{len(gone) or len(used)} of the layers that ran in the first run did not run in the second: others did."


def _never(evidence: Evidence, config: ResNetConfig) -> str:
    return ""  # known from several depths together: `counted`


def _of_block(detector: Callable[[Evidence], str]) -> Detector:
    """A detector of `structure`, for a network."""
    return lambda evidence, config: detector(evidence).replace("Your block", "Your network")


@dataclass(frozen=True)
class Assembly:
    """A mistake in putting blocks together, and what sees it in a network of which one knows what was asked for."""

    mistake: Mistake
    detector: Detector


def _assembly(
    detector: Detector, key: str, title: str, explanation: str, why: str, section: Section, *, seen: str = ATTEMPT
) -> Assembly:  # fmt: skip
    return Assembly(Mistake(key, title, explanation, why, section, seen, visible=known_otherwise), detector)


_SIX_N = f"The CIFAR networks have a stem, 3 · 2n convolutions and a dense layer: depth = 6n + 2 ({_V1}, section 4.2)."
ONE_MORE = _assembly(
    _never,
    "one_block_more",
    "6n instead of 6n + 2: each stage has a block too many",
    f"{_SIX_N} The stem and the dense layer count, so what is left for the stages is the depth less two.",
    "A network of another depth has another name, another count, and fits no weights published under its own.",
    OWN_USE,
)
ONE_A_BLOCK = _assembly(
    _never,
    "one_layer_a_block",
    "a block counted as one layer",
    f"A basic block has two convolutions, and both count. {_SIX_N}",
    "The network is nearly twice as deep as its name says.",
    OWN_USE,
)
THREE_A_BLOCK = _assembly(
    _never,
    "projections_counted",
    "a block counted as three layers",
    "Depth counts the layers on the way through the branches. A projection lies beside that way and is not counted; three "
    "layers a block (9n + 2) is right for bottlenecks only.",
    f"ResNet-34 has three projections as well and is called 34, not 37 ({_V1}, table 1).",
    COST,
)
ALL_IN_EACH = _assembly(
    _never,
    "all_blocks_in_each_stage",
    "each stage has as many blocks as the whole network should have",
    f"The depth is shared by three stages. {_SIX_N}",
    "The network is nearly three times as deep as its name says.",
    OWN_USE,
)
TAKEN_FOR_N = _assembly(
    _never,
    "depth_taken_for_n",
    "the depth taken for n",
    f"Each stage has as many blocks as the network should have layers. {_SIX_N}",
    "MyResNet(20) is then a ResNet-122.",
    OWN_USE,
)
DEPTH_IGNORED = _assembly(
    _never,
    "depth_ignored",
    "the depth is not used",
    "Whatever depth is asked for, each stage has the same number of blocks.",
    "The point of the family is that only n changes: all else being equal, what does depth do?",
    OWN_USE,
)
OTHER_NUMBER = _assembly(
    _never,
    "stage_lengths",
    "another number of blocks in the stages",
    "The stages do not have the numbers of blocks that the network's name stands for.",
    f"The numbers are the network: 2-2-2-2 is ResNet-18, 3-4-6-3 is ResNet-34 and 50, by their kind of block ({_V1}, table 1).",
    COST,
)
IMAGENET_WIDTHS = _assembly(
    imagenet_widths,
    "imagenet_widths",
    "ImageNet's widths in a CIFAR network",
    "The stages begin with 64 channels, as the ImageNet family's do.",
    f"The paper's CIFAR networks have 16, 32 and 64 channels ({_V1}, section 4.2): a sixteenth of the weights. Accuracies of "
    "the wide ones are no measure of the paper's.",
    OWN_USE,
    seen='kuangliu/pytorch-cifar, models/resnet.py (its "ResNet-18")',
)
WIDTHS = _assembly(
    other_widths,
    "stage_widths",
    "other widths of the stages",
    "Where the maps are halved the channels double, and nowhere else.",
    f"So every layer costs the same ({_V1}, section 3.3). With other widths counts, costs and published weights do not fit.",
    COST,
)
WIDTH_IGNORED = _assembly(
    width_ignored,
    "width_ignored",
    "the width is not used",
    "The network is asked for with a width for its first stage, and has 64 channels there all the same.",
    "A narrow network of the same plan is quickly tried, here and in tests of your own.",
    COST,
)
POOL_IN_STEM = _assembly(
    max_pool_in_stem,
    "max_pool_in_stem",
    "a max-pool in the CIFAR stem",
    "The maps are halved before the first block.",
    f"The CIFAR stem is one 3×3 convolution ({_V1}, section 4.2): 32 × 32 pixels leave nothing to spare. With the pool, the "
    "last stage works on maps of 4 × 4.",
    OWN_USE,
)
NO_POOL_IN_STEM = _assembly(
    no_max_pool,
    "no_max_pool",
    "the stem's max-pool is missing",
    "The first stage works on maps of twice the height and width.",
    f"Each stage then costs four times as much ({_V1}, table 1: a 3×3 max-pool with stride 2 begins conv2_x).",
    COST,
)
OTHER_POOL = _assembly(
    other_max_pool,
    "other_max_pool",
    "the stem's max-pool makes maps of another size",
    "A 3×3 window with stride 2 and a border of one on every side halves the map, rounded up. Without the border every window "
    "lies one pixel further, and an even map loses its last row and column.",
    f"Every stage that follows works on other maps ({_V1}, table 1: 112 × 112 become 56 × 56), and published weights were "
    "trained for those.",
    COST,
)
SAME_STEM = _assembly(
    same_stem,
    "same_stem",
    "“same” padding in the stem",
    "The 7×7 needs five zeros to halve an even map. “same” puts two of them in front and three behind; the network asked for "
    "has three on every side, so its windows lie one pixel further to the front.",
    "A network trained so is no worse for it; but weights from elsewhere compute something else in it, and no error says so.",
    TRAP,
    seen='Keras\'s <code>padding="same"</code>',
)
SAME_POOL = _assembly(
    same_pool,
    "same_pool",
    "“same” padding in the stem's max-pool",
    "The 3×3 window needs one more row and column to halve an even map. “same” puts them behind it; the network asked for has "
    "a border on every side, so its windows lie one pixel further to the front.",
    "Sizes and parameters are the same, and weights from elsewhere compute something else in it.",
    TRAP,
    seen='Keras\'s <code>padding="same"</code>',
)
POOL_2X2 = _assembly(
    pool_2x2,
    "pool_2x2",
    "a max-pool of 2×2 in the stem",
    "Its window is 3×3, and moves by two: neighbouring windows share a row or a column.",
    f"The map is halved either way ({_V1}, table 1: a 3×3 max-pool with stride 2), so no size shows it, and weights from "
    "elsewhere compute something else in it.",
    COST,
)
STEM = _assembly(
    other_stem,
    "other_stem",
    "the other family's stem",
    "The ImageNet family begins with a 7×7 convolution of stride 2, the CIFAR family with a 3×3 that keeps the map.",
    f"The stem fits the size of the images ({_V1}, table 1 and section 4.2), and its weights have another shape.",
    OWN_USE,
    seen="kuangliu/pytorch-cifar, models/resnet.py: a 3×3 stem on the ImageNet family",
)
NO_STEM_BN = _assembly(
    no_stem_bn,
    "no_stem_bn",
    "no BN after the stem's convolution",
    "What the stem puts out goes into the first block at whatever scale it has.",
    f"BN follows every convolution ({_V1}, section 3.4), and published weights have its four tensors.",
    OWN_USE,
)
STRIDE_IN_1 = _assembly(
    stride_in_stage_1,
    "stride_in_stage_1",
    "the first stage has a stride, too",
    "Its maps are halved once more than in the paper.",
    f"The stages after the first halve the maps ({_V1}, table 1's caption: conv3_1, conv4_1 and conv5_1); the first one works "
    "on what the stem hands on.",
    OWN_USE,
)
STRIDE_EVERYWHERE = _assembly(
    stride_in_every_block,
    "stride_in_every_block",
    "every block of a stage has the stride",
    "The maps are halved in each block, until they are single pixels.",
    f"Only the first block of a stage has it ({_V1}, table 1's caption).",
    BUILD,
)
STRIDE_LATER = _assembly(
    stride_in_another_block,
    "stride_in_another_block",
    "another block than the first of its stage has the stride",
    "Where a stage begins, the channels change and the maps stay; they are halved further on, where the channels stay.",
    f"A stage's first block does both ({_V1}, table 1's caption), and its shortcut brings x into the new shape at one stroke. "
    "The blocks before the stride work on maps of four times the pixels.",
    BUILD,
)
NO_STRIDE = _assembly(
    stage_without_stride,
    "stage_without_stride",
    "a stage that does not halve its maps",
    "The channels double, and height and width stay.",
    f"Each layer of the stage costs four times what it should ({_V1}, section 3.3).",
    COST,
)
REPEATED = _assembly(
    one_block_repeated,
    "one_block_repeated",
    "one block object, used several times",
    "<code>[block] * n</code> repeats a reference: the layers share their weights.",
    "The network has fewer parameters than its depth says, and is another model.",
    BUILD,
)
CHANNELS = _assembly(
    other_channels,
    "channels_not_carried",
    "a block is made for other channels than it is given",
    "After the first block of a stage, what travels on has that stage's channels.",
    "Each block is made with the channels that the one before puts out: carry that number along as you build.",
    BUILD,
)
NO_POOLING = _assembly(
    no_pooling,
    "no_pooling",
    "the maps are flattened without the final pooling",
    "The dense layer gets every pixel of every channel.",
    f"Both families end with global average pooling ({_V1}, section 3.3): the dense layer is small, and images may have "
    "any size.",
    COST,
)
FLATTEN = _assembly(
    flatten_fixed_width,
    "flatten_fixed_width",
    "flattened to a fixed width",
    "<code>view(-1, 64)</code> makes rows of 64 values, as many as there are: if the maps are larger than one pixel, one image "
    "becomes several rows.",
    "The network then puts out more rows than there are images; where the loss does not notice, it learns nonsense. "
    "Flatten from axis 1 on, and let the batch be what it is.",
    COST,
)
FIXED_POOL = _assembly(
    fixed_pool,
    "pool_of_fixed_size",
    "the final pooling has a fixed size",
    "It fits images of one size only.",
    "A global pooling takes the mean over the whole map, whatever its size: the same weights then serve other images.",
    COST,
    seen="kuangliu/pytorch-cifar, models/resnet.py",
)
SOFTMAX = _assembly(
    softmax,
    "softmax_on_logits",
    "a softmax at the network's end",
    "The network puts out probabilities; asked for are logits, what the dense layer puts out.",
    "PyTorch's cross-entropy, and Keras's with <code>from_logits=True</code>, take the softmax themselves. Twice in a row it "
    "squeezes all outputs together: the network still learns, slowly and badly, and no error says so.",
    OWN_USE,
)
CLASSES = _assembly(
    other_classes,
    "number_of_classes",
    "another number of classes",
    "The dense layer has one output for each class.",
    "CIFAR-10 has 10 classes, ImageNet 1,000.",
    OWN_USE,
)
NO_DENSE = _assembly(
    no_dense,
    "no_dense_layer",
    "the dense layer is missing",
    "What the last stage puts out is returned.",
    "It counts for the depth, and turns channels into classes.",
    OWN_USE,
)
OPTION = _assembly(
    other_option,
    "other_shortcut_option",
    "another shortcut option than asked for",
    "A subsamples and pads with zeros, B projects where the shape changes, C projects in every block.",
    f"They differ in their tensors: weights of one do not fit the other. The paper's CIFAR networks use A, its deep ImageNet "
    f"networks B ({_V1}, sections 4.1 and 4.2).",
    OPTIONS,
)
EXPANSION = _assembly(
    other_expansion,
    "other_expansion",
    "another expansion than 4",
    "A bottleneck puts out four times as many channels as its 3×3 has.",
    f"The count, the next block's input and the dense layer follow from it ({_V1}, table 1 and figure 5).",
    Section("03_bottleneck", 6, "ResNet-50, stage by stage"),
)
BIAS = Assembly(structure.BIAS, biased_convolutions)
MADE_IN_CALL = Assembly(replace(structure.MADE_IN_CALL, implies=("not_registered", "never_used")), made_in_call)
_LAYERS = (
    structure.NO_RETURN, structure.EPSILON, structure.MOMENTUM_OF_BN, structure.NOT_REGISTERED, structure.NEVER_USED,
    structure.DROPPED,
)  # fmt: skip
SHARED = (BIAS, MADE_IN_CALL, *(Assembly(m, _of_block(m.visible)) for m in _LAYERS if m.visible))
HEAD = (NO_POOLING, FLATTEN, FIXED_POOL, SOFTMAX, CLASSES, NO_DENSE)
STAGES = (STRIDE_IN_1, STRIDE_EVERYWHERE, STRIDE_LATER, NO_STRIDE, REPEATED, CHANNELS, WIDTHS, OPTION, STEM, NO_STEM_BN)
CIFAR = (
    *SHARED, *STAGES, *HEAD, IMAGENET_WIDTHS, POOL_IN_STEM, ONE_MORE, ONE_A_BLOCK, THREE_A_BLOCK, ALL_IN_EACH,
    TAKEN_FOR_N, DEPTH_IGNORED, OTHER_NUMBER,
)  # fmt: skip
IMAGENET = (
    *SHARED, *STAGES, *HEAD, WIDTH_IGNORED, NO_POOL_IN_STEM, OTHER_POOL, SAME_STEM, SAME_POOL, POOL_2X2, OTHER_NUMBER,
)  # fmt: skip
# A Keras layer takes what it is given: made for too few channels, a bottleneck runs, and projects where x would have fitted.
_TOLD_TOO_FEW = Assembly(
    replace(
        OPTION.mistake,
        explanation=OPTION.mistake.explanation
        + " A bottleneck hands on four times its width: told that it gets as many "
        "channels as the width of the one before, each block finds a reason to project.",
    ),
    other_option,
)
BOTTLENECKS = (*(_TOLD_TOO_FEW if one is OPTION else one for one in IMAGENET), EXPANSION)

# How many blocks a stage has if one counts in a certain way.
_COUNTS: Mapping[Assembly, tuple[Callable[[int], int], ...]] = {
    ONE_MORE: (lambda depth: (depth - 2) // 6 + 1,),
    ONE_A_BLOCK: (lambda depth: (depth - 2) // 3, lambda depth: depth // 3),
    THREE_A_BLOCK: (lambda depth: (depth - 2) // 9, lambda depth: depth // 9),
    ALL_IN_EACH: (lambda depth: (depth - 2) // 2,),
    TAKEN_FOR_N: (lambda depth: depth,),
}


def counted(seen: Sequence[tuple[Evidence, ResNetConfig]]) -> tuple[Assembly, str] | None:
    """What is wrong with the numbers of blocks, and what was seen of it; None if they are right or not known."""
    plans = []
    for evidence, config in seen:
        plan = Plan(evidence, config)
        none_at_all = [0] * len(config.stage_blocks) if plan.dense else []
        plans.append((list(plan.stages.values()) or none_at_all, config))
    if any(len(lengths) != len(config.stage_blocks) for lengths, config in plans):
        return None  # it stopped before its end, or its stages cannot be told apart
    wrong = next(((lengths, config) for lengths, config in plans if tuple(lengths) != config.stage_blocks), None)
    if wrong is None:
        return None
    lengths, config = wrong
    asked = "-".join(map(str, config.stage_blocks))
    text = f"{config.name} has stages of {asked} blocks; yours have {'-'.join(map(str, lengths))}."
    if config.family == "imagenet":
        kin = [str(depth) for depth, stages in IMAGENET_STAGES.items() if stages == (config.block, tuple(lengths))]
        return OTHER_NUMBER, text + (f" That is ResNet-{kin[0]}." if kin else "")
    for assembly, rules in _COUNTS.items():
        if any(all(set(lengths) == {rule(config.depth)} for lengths, config in plans) for rule in rules):
            return assembly, text
    same = len(plans) > 1 and len({tuple(lengths) for lengths, _ in plans}) == 1
    return (DEPTH_IGNORED if same else OTHER_NUMBER), text
