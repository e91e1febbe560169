"""Whole networks in both frameworks: right ones in several styles, and one wrong answer for each mistake of assembly.

`make` returns a function (or a class) that makes networks; a keyword turns one of its right decisions into a wrong one.
Blocks are the twins', whose constructor is the exercises': (in_channels, channels, stride).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.checks import shortcut_answers
from tests.checks.answers import Case

FRAMEWORKS = ("pytorch", "tensorflow")
IMAGENET_LENGTHS = (3, 4, 6, 3)

# Mistake → what makes it, of the CIFAR family; None: as the ImageNet family makes it.
CIFAR: dict[str, dict[str, Any]] = {
    "one_block_more": {"n": lambda depth: -(-depth // 6)},
    "one_layer_a_block": {"n": lambda depth: (depth - 2) // 3},
    "projections_counted": {"n": lambda depth: (depth - 2) // 9},
    "all_blocks_in_each_stage": {"n": lambda depth: (depth - 2) // 2},
    "depth_taken_for_n": {"n": lambda depth: depth},
    "depth_ignored": {"n": lambda depth: 3},
    "stage_lengths": {"n": lambda depth: (depth - 2) // 6 + 2},
    "imagenet_widths": {"width": 64},
    "stage_widths": {"widths": (16, 32, 48)},
    "max_pool_in_stem": {"pool": True},
    "other_stem": {"kernel": 7},
    "no_stem_bn": {"stem_bn": False},
    "bias_before_bn": {"stem_bias": True},
    "bn_eps": {"eps": 1e-3},
    "bn_momentum": {"momentum": 0.01},
    "stride_in_stage_1": {"strides": (2, 2, 2)},
    "stride_in_every_block": {"stride_in": "every block"},
    "stride_in_another_block": {"stride_in": "last block"},
    "stage_without_stride": {"strides": (1, 2, 1)},
    "one_block_repeated": {"blocks": "repeated"},
    "layers_made_in_call": {"blocks": "made in call"},
    "no_pooling": {"head": "flatten"},
    "flatten_fixed_width": {"head": "view"},
    "pool_of_fixed_size": {"head": "pool of 8"},
    "softmax_on_logits": {"head": "softmax"},
    "number_of_classes": {"classes": 100},
    "no_dense_layer": {"head": "none"},
    "other_shortcut_option": {"option": "B"},
}
PYTORCH_ONLY: dict[str, dict[str, Any]] = {
    "not_registered": {"blocks": "list"},  # Keras looks into lists
    "channels_not_carried": {"carry": False},  # a Keras layer takes what it is given
}
IMAGENET: dict[str, dict[str, Any]] = {
    "stage_lengths": {"lengths": (3, 3, 6, 4)},
    "no_max_pool": {"pool": False},
    "other_max_pool": {"pool": "no border"},
    "same_stem": {"stem": "same"},
    "same_pool": {"pool": "same"},
    "pool_2x2": {"pool": "2×2"},
    "other_stem": {"kernel": 3},
    "width_ignored": {"width": 64},
    "stride_in_stage_1": {"strides": (2, 2, 2, 2)},
    "other_shortcut_option": {"option": "A"},
}
# Widths and numbers of blocks are read off what ran, the same way in both frameworks; large networks take long in Keras.
NUMBERS = (
    "width_ignored", "other_max_pool", "one_layer_a_block", "projections_counted", "all_blocks_in_each_stage",
    "depth_taken_for_n", "stage_lengths",
)  # fmt: skip
TWO: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("max_pool_in_stem", "imagenet_widths"), {"pool": True, "width": 64}),
    (("softmax_on_logits", "stride_in_stage_1"), {"head": "softmax", "strides": (2, 2, 2)}),
    (("one_block_more", "no_pooling"), {"n": lambda depth: -(-depth // 6), "head": "flatten"}),
    (("stride_in_every_block", "other_shortcut_option"), {"stride_in": "every block", "option": "B"}),
    (("one_block_repeated", "number_of_classes"), {"blocks": "repeated", "classes": 1000}),
    (("no_stem_bn", "pool_of_fixed_size"), {"stem_bn": False, "head": "pool of 8"}),
    (("other_stem", "max_pool_in_stem"), {"kernel": 7, "pool": True}),
]

TWO_IN_KERAS = (("max_pool_in_stem", "imagenet_widths"), ("softmax_on_logits", "stride_in_stage_1"))
BOTTLENECK = (2, 8)


def resnet50(width: int, expansion: int = 4) -> Any:
    """A ResNet-50 in PyTorch; with another expansion it is wrong."""
    from resnet_lessons import torch_resnet

    from torch import nn

    class Block(torch_resnet.Bottleneck):
        pass

    Block.expansion = expansion
    parts: list[Any] = [
        nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(3, 2, 1),
    ]  # fmt: skip
    channels = width
    for stage, length in enumerate(IMAGENET_LENGTHS):
        for number in range(length):
            parts.append(Block(channels, width * 2**stage, 2 if number == 0 and stage else 1))
            channels = expansion * width * 2**stage
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def block_of(framework: str, option: str) -> Callable[[int, int, int], Any]:
    """A right block."""
    if framework == "pytorch":
        from resnet_lessons import torch_resnet

        return partial(torch_resnet.BasicBlock, shortcut=option)
    return keras_block(option)


def keras_block(option: str) -> Callable[[int, int, int], Any]:
    """A right block as a layer."""
    if option == "B":
        made: Callable[[int, int, int], Any] = shortcut_answers.make("tensorflow")
        return made
    return shortcut_answers.make(  # type: ignore[no-any-return]
        "tensorflow",
        lambda b, x: b.relu((b.zeros(x) if b.stride != 1 or b.more else x) + b.branch(x)),
        when=lambda ins, outs, stride: False,
    )


def make(framework: str, family: str = "cifar", **wrong: Any) -> Callable[..., Any]:
    """A function that makes networks, right but for what is given."""
    build = _torch_network if framework == "pytorch" else _keras_network

    def cifar(depth: int) -> Any:
        n = wrong.get("n", lambda depth: (depth - 2) // 6)(depth)
        width = wrong.get("width", 16)
        plan = {"kernel": 3, "pool": False, "widths": (width, 2 * width, 4 * width), "lengths": (n,) * 3,
                "strides": (1, 2, 2), "option": "A", "classes": 10}  # fmt: skip
        return build(**{**plan, **{k: v for k, v in wrong.items() if k not in ("n", "width")}})

    def imagenet(width: int) -> Any:
        width = wrong.get("width", width)
        plan = {"kernel": 7, "pool": True, "widths": tuple(width * k for k in (1, 2, 4, 8)), "lengths": IMAGENET_LENGTHS,
                "strides": (1, 2, 2, 2), "option": "B", "classes": 1000}  # fmt: skip
        return build(**{**plan, **{k: v for k, v in wrong.items() if k != "width"}})

    return cifar if family == "cifar" else imagenet


def _plan_of_blocks(widths: Any, lengths: Any, strides: Any, stride_in: str, carry: bool) -> list[tuple[int, int, int]]:
    """(in_channels, channels, stride) of every block."""
    found, channels = [], widths[0]
    for width, length, stride in zip(widths, lengths, strides, strict=True):
        for number in range(length):
            here = stride_in == "every block" or number == (length - 1 if stride_in == "last block" else 0)
            found.append((channels, width, stride if here else 1))
            channels = width if carry else channels
    return found


def _torch_network(
    *, kernel: int, pool: bool | str, widths: Any, lengths: Any, strides: Any, option: str, classes: int, head: str = "right",
    blocks: str = "own", stride_in: str = "first block", stem_bn: bool = True, stem_bias: bool = False, eps: float = 1e-5,
    momentum: float = 0.1, carry: bool = True, stem: str = "right",
) -> Any:  # fmt: skip
    import torch
    import torch.nn.functional as F
    from torch import nn

    block = block_of("pytorch", option)
    arguments = _plan_of_blocks(widths, lengths, strides, stride_in, carry)

    class Answer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            around = 0 if stem == "same" else kernel // 2
            self.stem = nn.Conv2d(3, widths[0], kernel, 2 if kernel == 7 else 1, around, bias=stem_bias)
            self.norm = nn.BatchNorm2d(widths[0], eps, momentum) if stem_bn else nn.Identity()
            made = [block(*given) for given in arguments] if blocks != "made in call" else []
            if blocks == "repeated":
                made = [made[0 if n == 0 else arguments.index(given)] for n, given in enumerate(arguments)]
            self.blocks: Any = made if blocks == "list" else nn.ModuleList(made)
            features = widths[-1] * {"flatten": 36}.get(head, 1)  # of maps of 6 × 6
            if head != "none":
                self.fc = nn.Linear(features, classes)

        def forward(self, x: Any) -> Any:
            x = F.pad(x, (2, 3, 2, 3)) if stem == "same" else x
            x = F.relu(self.norm(self.stem(x)))
            if pool == "same":
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            elif pool:
                x = F.max_pool2d(x, 2) if pool == "2×2" else F.max_pool2d(x, 3, 2, 0 if pool == "no border" else 1)
            for made in [block(*given).to(x) for given in arguments] if blocks == "made in call" else self.blocks:
                x = made(x)
            if head == "view":
                return self.fc(x.reshape(-1, widths[-1]))
            if head == "flatten":
                return self.fc(x.flatten(1))
            if head == "pool of 8":
                return self.fc(F.avg_pool2d(x, 8).flatten(1))
            x = x.mean((2, 3))
            if head == "none":
                return x
            return torch.softmax(self.fc(x), 1) if head == "softmax" else self.fc(x)

    return Answer()


def _keras_network(
    *, kernel: int, pool: bool | str, widths: Any, lengths: Any, strides: Any, option: str, classes: int, head: str = "right",
    blocks: str = "own", stride_in: str = "first block", stem_bn: bool = True, stem_bias: bool = False, eps: float = 1e-5,
    momentum: float = 0.1, carry: bool = True, stem: str = "right",
) -> Any:  # fmt: skip
    import keras
    from keras import layers, ops

    block = block_of("tensorflow", option)
    arguments = _plan_of_blocks(widths, lengths, strides, stride_in, carry)

    class Answer(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.pad = layers.ZeroPadding2D(kernel // 2) if stem == "right" else layers.Identity()
            padding = "valid" if stem == "right" else "same"
            self.stem = layers.Conv2D(widths[0], kernel, 2 if kernel == 7 else 1, padding, use_bias=stem_bias)
            self.norm = layers.BatchNormalization(momentum=1 - momentum, epsilon=eps) if stem_bn else layers.Identity()
            made = [block(*given) for given in arguments] if blocks != "made in call" else []
            if blocks == "repeated":
                made = [made[0 if n == 0 else arguments.index(given)] for n, given in enumerate(arguments)]
            self.blocks = made
            if head != "none":
                self.fc = layers.Dense(classes, activation="softmax" if head == "softmax" else None)

        def call(self, x: Any) -> Any:
            x = ops.relu(self.norm(self.stem(self.pad(x))))
            if pool in ("same", "2×2"):
                x = ops.max_pool(x, 3 if pool == "same" else 2, 2, "same")
            elif pool:  # after a ReLU a zero wins over nothing
                x = ops.max_pool(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), 3, 2)
            for made in [block(*given) for given in arguments] if blocks == "made in call" else self.blocks:
                x = made(x)
            if head == "view":
                return self.fc(ops.reshape(x, (-1, widths[-1])))
            if head == "flatten":
                return self.fc(ops.reshape(x, (x.shape[0], -1)))
            if head == "pool of 8":
                return self.fc(ops.reshape(ops.average_pool(x, 8), (x.shape[0], -1)))
            x = ops.mean(x, (1, 2))
            return x if head == "none" else self.fc(x)

    return Answer()


def torch_styles() -> dict[str, Any]:
    """Style → right ResNet of the CIFAR family in PyTorch."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class BlockWithZeros(nn.Module):
        """Option A with its zeros on one side."""

        def __init__(self, ins: int, outs: int, stride: int, behind: bool) -> None:
            super().__init__()
            self.f = nn.Sequential(
                nn.Conv2d(ins, outs, 3, stride, 1, bias=False), nn.BatchNorm2d(outs), nn.ReLU(),
                nn.Conv2d(outs, outs, 3, 1, 1, bias=False), nn.BatchNorm2d(outs),
            )  # fmt: skip
            self.stride, self.around = stride, (0, outs - ins) if behind else (outs - ins, 0)

        def forward(self, x: Any) -> Any:
            return F.relu(self.f(x) + F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.around)))

    class HeadFirst(nn.Module):
        """Layers made from the end to the beginning; other names; stages in Sequentials."""

        def __init__(self, depth: int, behind: bool = True) -> None:
            super().__init__()
            n = (depth - 2) // 6
            self.classifier = nn.Linear(64, 10)
            for k in (2, 1, 0):
                ins, outs = 16 * 2 ** max(k - 1, 0), 16 * 2**k
                rest = [BlockWithZeros(outs, outs, 1, behind) for _ in range(n - 1)]
                first = BlockWithZeros(ins, outs, 2 if k else 1, behind)
                self.add_module(f"group{k}", nn.Sequential(first, *rest))
            self.b = nn.BatchNorm2d(16)
            self.a = nn.Conv2d(3, 16, 3, padding="same", bias=False)

        def forward(self, images: Any) -> Any:
            x = torch.relu_(self.b(self.a(images)))
            x = self.group2(self.group1(self.group0(x)))
            return self.classifier(F.adaptive_avg_pool2d(x, 1).flatten(1))

    def sequential(depth: int) -> Any:
        parts: list[Any] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
        ins = 16
        for width in (16, 32, 64):
            for _ in range((depth - 2) // 6):
                parts.append(block_of("pytorch", "A")(ins, width, 1 if ins == width else 2))
                ins = width
        return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))

    return {
        "a class, zeros behind": HeadFirst,
        "a class, zeros before": partial(HeadFirst, behind=False),
        "nn.Sequential": sequential,
    }


def keras_styles() -> dict[str, Any]:
    """Style → right ResNet of the CIFAR family in Keras."""
    import keras
    from keras import layers, ops

    def norm() -> Any:
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

    def functional(depth: int) -> Any:
        """All in one model, without blocks of its own; zeros behind."""
        images = keras.Input((None, None, 3))
        x = layers.ReLU()(norm()(layers.Conv2D(16, 3, padding="same", use_bias=False)(images)))
        ins = 16
        for width in (16, 32, 64):
            for number in range((depth - 2) // 6):
                stride = 2 if number == 0 and width > 16 else 1
                short = x
                y = layers.Conv2D(width, 3, stride, use_bias=False)(layers.ZeroPadding2D(1)(x))
                y = layers.Conv2D(width, 3, padding="same", use_bias=False)(layers.ReLU()(norm()(y)))
                if stride == 2:
                    short = ops.pad(x[:, ::2, ::2], ((0, 0), (0, 0), (0, 0), (0, width - ins)))
                x = layers.ReLU()(layers.Add()([short, norm()(y)]))
                ins = width
        return keras.Model(images, layers.Dense(10)(layers.GlobalAveragePooling2D()(x)))

    return {"functional": functional}


def cases() -> list[Case]:
    """Every wrong answer with the one mistake that is to be named."""
    found: list[Case] = [
        ("cifar_family", mistake, framework, partial(make, framework, **wrong))
        for mistake, wrong in CIFAR.items()
        for framework in FRAMEWORKS
        if framework == "pytorch" or mistake not in NUMBERS
    ]
    found += [
        ("cifar_family", mistake, "pytorch", partial(make, "pytorch", **wrong))
        for mistake, wrong in PYTORCH_ONLY.items()
    ]
    return found + [
        ("resnet34", mistake, framework, partial(make, framework, "imagenet", **wrong))
        for mistake, wrong in IMAGENET.items()
        for framework in FRAMEWORKS
        if framework == "pytorch" or mistake not in (*CIFAR, *NUMBERS)
    ]
