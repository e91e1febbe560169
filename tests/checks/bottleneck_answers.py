"""Answers to chapter 03's exercises: wrong ones for each mistake about bottlenecks, and right ones in other styles.

As in `shortcut_answers`, one body serves both frameworks. `b` has the layers `conv1 bn1 … conv3 bn3`, the methods `branch(x)`
and `shortcut(x)`, and the framework's functions; `layers` says how the layers are made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.checks.answers import Case
from tests.checks.shortcut_answers import keras_base, torch_base

Body = Callable[[Any, Any], Any]
FRAMEWORKS = ("pytorch", "tensorflow")


def right(b: Any, x: Any) -> Any:
    return b.relu(b.shortcut(x) + b.branch(x))


def dropped(b: Any, x: Any) -> Any:
    b.shortcut(x)
    return b.relu(x + b.branch(x))


def overwritten(b: Any, x: Any) -> Any:
    x = b.branch(x)
    return b.relu(b.shortcut(x) + x)


def without_bn(k: int) -> Body:
    """One BN left out."""

    def body(b: Any, x: Any) -> Any:
        y = x
        for n in (1, 2, 3):
            y = getattr(b, f"conv{n}")(y)
            y = y if n == k else getattr(b, f"bn{n}")(y)
            y = b.relu(y) if n < 3 else y
        return b.relu(b.shortcut(x) + y)

    return body


def without_relu(*left_out: int) -> Body:
    """ReLUs inside the branch left out."""

    def body(b: Any, x: Any) -> Any:
        y = x
        for n in (1, 2, 3):
            y = getattr(b, f"bn{n}")(getattr(b, f"conv{n}")(y))
            y = b.relu(y) if n < 3 and n not in left_out else y
        return b.relu(b.shortcut(x) + y)

    return body


def bn_after_relu(b: Any, x: Any) -> Any:
    y = b.bn1(b.relu(b.conv1(x)))
    y = b.bn2(b.relu(b.conv2(y)))
    return b.relu(b.shortcut(x) + b.bn3(b.conv3(y)))


def bn_after_addition(b: Any, x: Any) -> Any:
    y = b.relu(b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x))))))
    return b.relu(b.bn3(b.shortcut(x) + b.conv3(y)))


def one_bn(b: Any, x: Any) -> Any:
    y = b.relu(b.bn1(b.conv2(b.relu(b.bn1(b.conv1(x))))))
    return b.relu(b.shortcut(x) + b.bn3(b.conv3(y)))


def _only_if(test: Callable[[int, int, int], bool]) -> dict[str, Any]:
    return {"when": test}


# Mistake → answers that show it, and nothing else. (body, how the layers are made)
WRONG: dict[str, list[tuple[Body, dict[str, Any]]]] = {
    "expansion": [(right, {"widths": (1, 1, 2)}), (right, {"widths": (1, 1, 8)}), (right, {"widths": (1, 1, 1)})],
    "wide_in_the_middle": [(right, {"widths": (4, 4, 1)})],
    "wide_3x3": [(right, {"widths": (4, 4, 4)}), (right, {"widths": (1, 4, 4)}), (right, {"widths": (4, 1, 4)})],
    "width_taken_for_output": [(right, {"widths": (0.25, 0.25, 1)})],
    "kernel_sizes": [(right, {"kernels": (3, 1, 3)}), (right, {"kernels": (1, 1, 3)}), (right, {"kernels": (3, 3, 3)})],
    "padding_on_1x1": [
        (right, {"padding": (1, 0, 0)}),
        (right, {"padding": (0, 0, 1)}),
        (right, {"padding": (1, 1, 1)}),
    ],
    "no_padding": [(right, {"padding": (0, 0, 0)})],
    "stride_on_3x3": [(right, {"strided": (2,)})],
    "stride_on_last": [(right, {"strided": (3,)})],
    "stride_on_both": [(right, {"strided": (1, 2)}), (right, {"strided": (1, 3)})],
    "branch_without_stride": [(right, {"strided": ()})],
    "stride_ignored": [(right, {"strided": (), "projection_strided": False})],
    "projection_missing": [(right, _only_if(lambda ins, width, stride: False))],
    "projection_only_if_stride": [(right, _only_if(lambda ins, width, stride: stride != 1))],
    "projection_only_if_channels": [(right, _only_if(lambda ins, width, stride: ins != 4 * width))],
    "projection_tested_against_width": [
        (right, _only_if(lambda ins, width, stride: stride != 1 or ins != width)),
        (right, _only_if(lambda ins, width, stride: ins != width)),
    ],
    "projection_everywhere": [(right, _only_if(lambda ins, width, stride: True))],
    "projection_to_width": [(right, {"projection_to": 1})],
    "projection_without_stride": [(right, {"projection_strided": False})],
    "projection_dropped": [(dropped, {})],
    "projection_without_bn": [(right, {"projection_bn": False})],
    "projection_relu": [(lambda b, x: b.relu((b.relu(b.shortcut(x)) if b.projects else x) + b.branch(x)), {})],
    "projection_3x3": [(right, {"projection_kernel": 3})],
    "zeros_for_projection": [
        (lambda b, x: b.relu(b.zeros(x) + b.branch(x)), _only_if(lambda ins, width, stride: False))
    ],
    "no_inner_bn": [(without_bn(2), {"norms": (1, 3)})],
    # What goes wrong in any block is found in a bottleneck, too.
    "no_first_bn": [(without_bn(1), {"norms": (2, 3)})],
    "no_second_bn": [(without_bn(3), {"norms": (1, 2)})],
    "no_middle_relu": [(without_relu(1), {}), (without_relu(2), {}), (without_relu(1, 2), {})],
    "bn_after_relu": [(bn_after_relu, {})],
    "bn_after_addition": [(bn_after_addition, {})],
    "one_bn_for_both": [(one_bn, {"norms": (1, 3)})],
    "no_addition": [(lambda b, x: b.relu(b.branch(x)), _only_if(lambda ins, width, stride: False))],
    "no_last_relu": [(lambda b, x: b.shortcut(x) + b.branch(x), {})],
    "relu_before_addition": [(lambda b, x: b.shortcut(x) + b.relu(b.branch(x)), {})],
    "two_relus": [(lambda b, x: b.relu(b.shortcut(x) + b.relu(b.branch(x))), {})],
    "halved_sum": [(lambda b, x: b.relu(0.5 * (b.shortcut(x) + b.branch(x))), {})],
    "shortcut_overwritten": [(overwritten, {})],
    "shortcut_without_gradient": [(lambda b, x: b.relu(b.detach(b.shortcut(x)) + b.branch(x)), {})],
    "bias_before_bn": [(right, {"bias": True})],
    "bn_eps": [(right, {"eps": 1e-3})],
    "bn_momentum": [(right, {"momentum": 0.01})],
}
# Named only from what several shapes show together, or by the one that keeps its shape.
SEVERAL = (
    "projection_only_if_stride", "projection_only_if_channels", "projection_tested_against_width", "projection_everywhere",
    "shortcut_overwritten", "shortcut_without_gradient",
)  # fmt: skip
# What goes wrong in any block, or on any shortcut: `answers` and `shortcut_answers` show it in both frameworks.
ELSEWHERE = (
    "projection_without_bn", "projection_relu", "projection_3x3", "zeros_for_projection", "projection_dropped",
    "projection_missing", "projection_without_stride", "branch_without_stride", "stride_ignored", "no_first_bn",
    "no_second_bn", "bn_after_relu", "bn_after_addition", "one_bn_for_both", "no_addition", "no_last_relu", "two_relus",
    "halved_sum", "shortcut_overwritten", "shortcut_without_gradient", "bias_before_bn", "bn_eps", "bn_momentum",
    "projection_only_if_stride", "projection_only_if_channels", "projection_everywhere", "no_padding", "stride_on_both",
)  # fmt: skip
# Two mistakes at once: each must be rejected, at least one must be named, and none that is not there.
TWO: list[tuple[tuple[str, ...], Body, dict[str, Any]]] = [
    (("stride_on_3x3", "same_padding"), right, {"strided": (2,), "padding": "same"}),
    (("expansion", "no_last_relu"), WRONG["no_last_relu"][0][0], {"widths": (1, 1, 2)}),
    (("stride_on_3x3", "relu_before_addition"), WRONG["relu_before_addition"][0][0], {"strided": (2,)}),
    (("projection_tested_against_width", "relu_before_addition"), WRONG["relu_before_addition"][0][0],
     _only_if(lambda ins, width, stride: stride != 1 or ins != width)),
    (("projection_tested_against_width", "projection_to_width"), right,
     {"projection_to": 1, "when": lambda ins, width, stride: stride != 1 or ins != width}),
    (("projection_without_bn", "no_middle_relu"), without_relu(2), {"projection_bn": False}),
    (("projection_to_width", "no_middle_relu"), without_relu(1), {"projection_to": 1}),
    (("kernel_sizes", "bias_before_bn"), right, {"kernels": (3, 1, 3), "bias": True}),
    (("wide_3x3", "stride_on_3x3"), right, {"widths": (4, 4, 4), "strided": (2,)}),
    (("no_padding", "projection_without_stride"), right, {"padding": (0, 0, 0), "projection_strided": False}),
    (("bn_eps", "projection_only_if_stride"), right,
     {"eps": 1e-3, "when": lambda ins, width, stride: stride != 1}),
    (("no_inner_bn", "stride_on_last"), without_bn(2), {"norms": (1, 3), "strided": (3,)}),
    (("projection_3x3", "projection_everywhere"), right,
     {"projection_kernel": 3, "when": lambda ins, width, stride: True}),
]  # fmt: skip


def changes(ins: int, outs: int, stride: int) -> bool:
    return stride != 1 or ins != outs


def make(framework: str, body: Body = right, **layers: Any) -> Any:
    """A class of one framework whose blocks compute `body`."""
    return _torch_class(body, **layers) if framework == "pytorch" else _keras_class(body, **layers)


def _torch_class(
    body: Body, *, when: Any = None, widths: tuple[float, ...] = (1, 1, 4), kernels: tuple[int, ...] = (1, 3, 1),
    strided: tuple[int, ...] = (1,), padding: Any = None, bias: bool = False, eps: float = 1e-5, momentum: float = 0.1,
    norms: tuple[int, ...] = (1, 2, 3), projection_strided: bool = True, projection_bn: bool = True,
    projection_kernel: int = 1, projection_to: int = 0,
) -> Any:  # fmt: skip
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Answer(torch_base(body)):
        def __init__(self, ins: int, width: int, stride: int) -> None:
            super().__init__()
            channels, self.sizes, self.padded = ins, [int(width * each) for each in widths], []
            for k, (outs, kernel) in enumerate(zip(self.sizes, kernels, strict=True), 1):
                own = stride if k in strided else 1
                around = kernel // 2 if padding in (None, "same") else padding[k - 1]
                if padding == "same" and own == 2 and kernel == 3:  # as TensorFlow pads an even map
                    around, self.padded = 0, [k]
                self.add_module(f"conv{k}", nn.Conv2d(channels, outs, kernel, own, around, bias=bias))
                if k in norms:
                    self.add_module(f"bn{k}", nn.BatchNorm2d(outs, eps, momentum))
                channels = outs
            self.projects = when(ins, width, stride) if when else changes(ins, channels, stride)
            self.stride, self.more, self.relu = stride, channels - ins, torch.relu
            if self.projects:
                own, to, kernel = (
                    stride if projection_strided else 1,
                    projection_to * width or channels,
                    projection_kernel,
                )
                parts: list[Any] = [nn.Conv2d(ins, to, kernel, own, kernel // 2, bias=bias)]
                parts += [nn.BatchNorm2d(to, eps, momentum)] if projection_bn else []
                self.down = nn.Sequential(*parts)

        def branch(self, x: Any) -> Any:
            for k in (1, 2, 3):
                x = F.pad(x, (0, 1, 0, 1)) if k in self.padded else x
                x = self.get_submodule(f"bn{k}")(self.get_submodule(f"conv{k}")(x))
                x = self.relu(x) if k < 3 else x
            return x

    return Answer


def _keras_class(
    body: Body, *, when: Any = None, widths: tuple[float, ...] = (1, 1, 4), kernels: tuple[int, ...] = (1, 3, 1),
    strided: tuple[int, ...] = (1,), padding: Any = None, bias: bool = False, eps: float = 1e-5, momentum: float = 0.1,
    norms: tuple[int, ...] = (1, 2, 3), projection_strided: bool = True, projection_bn: bool = True,
    projection_kernel: int = 1, projection_to: int = 0,
) -> Any:  # fmt: skip
    import keras
    from keras import layers

    def conv(outs: int, kernel: int, own: int, around: int) -> Any:
        made = layers.Conv2D(outs, kernel, own, use_bias=bias)
        return keras.Sequential([layers.ZeroPadding2D(around), made]) if around else made

    def norm() -> Any:
        return layers.BatchNormalization(momentum=1 - momentum, epsilon=eps)

    class Answer(keras_base(body)):
        def __init__(self, ins: int, width: int, stride: int) -> None:
            super().__init__()
            sizes = [int(width * each) for each in widths]
            for k, (outs, kernel) in enumerate(zip(sizes, kernels, strict=True), 1):
                own = stride if k in strided else 1
                if padding == "same":
                    made = layers.Conv2D(outs, kernel, own, "same", use_bias=bias)
                else:
                    made = conv(outs, kernel, own, kernel // 2 if padding is None else padding[k - 1])
                setattr(self, f"conv{k}", made)
                if k in norms:
                    setattr(self, f"bn{k}", norm())
            self.projects = when(ins, width, stride) if when else changes(ins, sizes[-1], stride)
            self.stride, self.more, self.relu = stride, sizes[-1] - ins, keras.ops.relu
            if self.projects:
                own, to = stride if projection_strided else 1, projection_to * width or sizes[-1]
                self.down = conv(to, projection_kernel, own, projection_kernel // 2)
                if projection_bn:
                    self.down_bn = norm()

        def branch(self, x: Any) -> Any:
            x = self.relu(self.bn1(self.conv1(x)))
            x = self.relu(self.bn2(self.conv2(x)))
            return self.bn3(self.conv3(x))

    return Answer


# The branch alone: mistake → how it is made.
BRANCH: dict[str, dict[str, Any]] = {
    "expansion": {"sizes": (1, 1, 2)},
    "back_to_input": {"sizes": (1, 1, 0)},
    "wide_in_the_middle": {"sizes": (4, 4, 1)},
    "wide_3x3": {"sizes": (1, 4, 4)},
    "width_taken_for_output": {"sizes": (0.25, 0.25, 1)},
    "kernel_sizes": {"kernels": (3, 1, 3)},
    "no_middle_relu": {"relus": (False, True, False)},
    "relu_ends_branch": {"relus": (True, True, True)},
}
BRANCH_IN_KERAS = ("relu_ends_branch", "back_to_input")  # a block shows the others


def branch(
    framework: str, *, sizes: tuple[float, ...] = (1, 1, 4), kernels: tuple[int, ...] = (1, 3, 1),
    relus: tuple[bool, ...] = (True, True, False),
) -> Any:  # fmt: skip
    """A function that makes the branch of a bottleneck; a size of 0 stands for the channels that it is given."""

    def make_in_torch(in_channels: int, width: int) -> Any:
        from torch import nn

        parts: list[Any] = []
        ins = in_channels
        for size, kernel, relu in zip(sizes, kernels, relus, strict=True):
            outs = int(size * width) or in_channels
            parts += [nn.Conv2d(ins, outs, kernel, padding=kernel // 2, bias=False), nn.BatchNorm2d(outs)]
            parts += [nn.ReLU()] if relu else []
            ins = outs
        return nn.Sequential(*parts)

    def make_in_keras(in_channels: int, width: int) -> Any:
        import keras
        from keras import layers

        parts: list[Any] = []
        for size, kernel, relu in zip(sizes, kernels, relus, strict=True):
            parts += [layers.Conv2D(int(size * width) or in_channels, kernel, padding="same", use_bias=False)]
            parts += [layers.BatchNormalization(momentum=0.9, epsilon=1e-5), *([layers.ReLU()] if relu else [])]
        return keras.Sequential(parts)

    return make_in_torch if framework == "pytorch" else make_in_keras


# A block from a plan: mistake → how it is made.
PLANNED: dict[str, dict[str, Any]] = {
    "relu_before_addition": {"relus": "all", "last_relu": False},
    "two_relus": {"relus": "all"},
    "no_middle_relu": {"relus": "none"},
    "padding_on_1x1": {"padding": lambda kernel: 1},
    "no_padding": {"padding": lambda kernel: 0},
    "stride_on_both": {"strided": lambda k, last: True},
    "stride_not_first": {"strided": lambda k, last: k == last},
    "projection_tested_against_width": {"when": lambda ins, plan, stride: stride != 1 or ins != plan[0][1]},
    "projection_only_if_stride": {"when": lambda ins, plan, stride: stride != 1},
    "projection_only_if_channels": {"when": lambda ins, plan, stride: ins != plan[-1][1]},
    "projection_missing": {"when": lambda ins, plan, stride: False},
    "projection_everywhere": {"when": lambda ins, plan, stride: True},
    "projection_to_width": {"to": 0},
    "not_registered": {"hidden": True},
}
PLANNED_IN_KERAS = ("padding_on_1x1", "stride_not_first")


def planned(
    framework: str, *, relus: str = "inner", last_relu: bool = True, padding: Any = lambda kernel: kernel // 2,
    strided: Any = lambda k, last: k == 0, when: Any = lambda ins, plan, stride: stride != 1 or ins != plan[-1][1],
    to: int = -1, hidden: bool = False, carried_on: bool = True,
) -> Any:  # fmt: skip
    """A class that makes blocks from a plan of (kernel, channels)."""

    def rectified(k: int, last: int) -> bool:
        few = {"none": 0, "inner": last, "all": last + 1}.get(relus)
        return k < (int(relus) if few is None else few)

    def in_torch() -> Any:
        import torch
        from torch import nn

        class Block(nn.Module):
            def __init__(self, in_channels: int, plan: Any, stride: int) -> None:
                super().__init__()
                ins, last, made = in_channels, len(plan) - 1, []
                for k, (kernel, outs) in enumerate(plan):
                    own = stride if strided(k, last) else 1
                    made += [nn.Conv2d(ins, outs, kernel, own, padding(kernel), bias=False), nn.BatchNorm2d(outs)]
                    made += [nn.ReLU()] if rectified(k, last) else []
                    ins = outs if carried_on else ins
                self.parts = made if hidden else nn.ModuleList(made)
                self.shortcut = nn.Identity()
                if when(in_channels, plan, stride):
                    channels = plan[to][1]
                    conv = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
                    self.shortcut = nn.Sequential(conv, nn.BatchNorm2d(channels))

            def forward(self, x: Any) -> Any:
                out = x
                for part in self.parts:
                    out = part(out)
                out = self.shortcut(x) + out
                return torch.relu(out) if last_relu else out

        return Block

    def in_keras() -> Any:
        import keras
        from keras import layers, ops

        def norm() -> Any:
            return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

        class KerasBlock(layers.Layer):
            def __init__(self, in_channels: int, plan: Any, stride: int) -> None:
                super().__init__()
                last = len(plan) - 1
                self.parts: list[Any] = []
                for k, (kernel, outs) in enumerate(plan):
                    own = stride if strided(k, last) else 1
                    self.parts += [layers.ZeroPadding2D(padding(kernel))] if padding(kernel) else []
                    self.parts += [layers.Conv2D(outs, kernel, own, use_bias=False), norm()]
                    self.parts += [layers.ReLU()] if rectified(k, last) else []
                self.shortcut = layers.Identity()
                if when(in_channels, plan, stride):
                    self.shortcut = keras.Sequential([layers.Conv2D(plan[to][1], 1, stride, use_bias=False), norm()])

            def call(self, x: Any) -> Any:
                out = x
                for part in self.parts:
                    out = part(out)
                out = self.shortcut(x) + out
                return ops.relu(out) if last_relu else out

        return KerasBlock

    return in_torch() if framework == "pytorch" else in_keras()


def torch_styles() -> dict[str, Any]:
    """Style → right bottleneck in PyTorch."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class OtherNames(nn.Module):
        """As in many public files: `planes`, `expansion` as an attribute, the stride by slicing, layers made backwards."""

        expansion = 4

        def __init__(self, inplanes: int, planes: int, stride: int = 1) -> None:
            super().__init__()
            outs = planes * self.expansion
            self.project = stride != 1 or inplanes != outs
            if self.project:
                self.norm_of_p, self.p = nn.BatchNorm2d(outs), nn.Conv2d(inplanes, outs, 1, stride, bias=False)
            self.n3, self.c = nn.BatchNorm2d(outs), nn.Conv2d(planes, outs, 1, bias=False)
            self.n2, self.b = nn.BatchNorm2d(planes), nn.Conv2d(planes, planes, 3, bias=False)
            self.n1, self.a = nn.BatchNorm2d(planes), nn.Conv2d(inplanes, planes, 1, bias=False)
            self.stride = stride

        def forward(self, x: Any) -> Any:
            y = F.relu(self.n1(self.a(x[:, :, :: self.stride, :: self.stride])), inplace=True)
            y = F.relu_(self.n2(self.b(F.pad(y, (1, 1, 1, 1)))))
            y = self.n3(self.c(y))
            y += self.norm_of_p(self.p(x)) if self.project else x
            return F.relu_(y)

    class Sequential(nn.Module):
        def __init__(self, ins: int, width: int, stride: int) -> None:
            super().__init__()
            sizes, kernels, strides = (ins, width, width, 4 * width), (1, 3, 1), (stride, 1, 1)
            parts: list[Any] = []
            for a, b, kernel, own in zip(sizes, sizes[1:], kernels, strides, strict=False):
                parts += [nn.Conv2d(a, b, kernel, own, kernel // 2, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
            self.f = nn.Sequential(*parts[:-1])
            self.down: Any = nn.Identity()
            if (ins, 1) != (4 * width, stride):
                conv = nn.Conv2d(ins, 4 * width, 1, stride, bias=False)
                self.down = nn.Sequential(conv, nn.BatchNorm2d(4 * width))

        def forward(self, x: Any) -> Any:
            return torch.relu(self.f(x) + self.down(x))

    return {
        "other names and order": OtherNames,
        "nn.Sequential": Sequential,
        "a function": lambda i, w, s: Sequential(i, w, stride=s),
    }


def keras_styles() -> dict[str, Any]:
    """Style → right bottleneck in Keras."""
    import keras
    from keras import layers, ops

    def norm() -> Any:
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

    def functional(i: int, w: int, s: int) -> Any:
        x = short = keras.Input((None, None, i))
        y = layers.ReLU()(norm()(layers.Conv2D(w, 1, s, use_bias=False)(x)))
        y = layers.ReLU()(norm()(layers.Conv2D(w, 3, padding="same", use_bias=False)(y)))
        y = norm()(layers.Conv2D(4 * w, 1, padding="same", use_bias=False)(y))
        if s != 1 or i != 4 * w:
            short = norm()(layers.Conv2D(4 * w, 1, s, padding="same", use_bias=False)(x))
        return keras.Model(x, layers.ReLU()(layers.Add()([short, y])))

    def closure(i: int, w: int, s: int) -> Any:
        c1, c3 = layers.Conv2D(w, 1, use_bias=False), layers.Conv2D(4 * w, 1, use_bias=False)
        c2, p = layers.Conv2D(w, 3, use_bias=False), layers.Conv2D(4 * w, 1, s, use_bias=False)
        n1, n2, n3, n4 = norm(), norm(), norm(), norm()

        def block(x: Any) -> Any:
            y = ops.relu(n1(c1(x[:, ::s, ::s])))
            y = ops.relu(n2(c2(ops.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0))))))
            y = n3(c3(y))
            return ops.relu(y + (n4(p(x)) if s != 1 or i != 4 * w else x))

        return block

    return {"functional": functional, "a function of a batch": closure}


def cases() -> list[Case]:
    """Every wrong answer with the one mistake that is to be named."""
    return [*_of_blocks(), *_of_branches(), *_of_plans(), *_of_values()]


def _of_blocks() -> list[Case]:
    return [
        ("bottleneck", mistake, framework, lambda f=framework, b=body, n=layers: make(f, b, **n))  # type: ignore[misc]
        for mistake, given in WRONG.items()
        for number, (body, layers) in enumerate(given)
        for framework in FRAMEWORKS
        if framework == "pytorch" or (mistake not in ELSEWHERE and number == 0)
    ]


def _of_branches() -> list[Case]:
    return [
        ("branch", mistake, framework, lambda f=framework, n=layers: branch(f, **n))  # type: ignore[misc]
        for mistake, layers in BRANCH.items()
        for framework in FRAMEWORKS
        if framework == "pytorch" or mistake in BRANCH_IN_KERAS
    ]


def _of_plans() -> list[Case]:
    return [
        *(
            ("planned", mistake, framework, lambda f=framework, n=layers: planned(f, **n))  # type: ignore[misc]
            for mistake, layers in PLANNED.items()
            for framework in FRAMEWORKS
            if framework == "pytorch" or mistake in PLANNED_IN_KERAS
        ),
        ("planned", "channels_not_carried_on", "pytorch", lambda: planned("pytorch", carried_on=False)),
    ]


def _of_values() -> list[Case]:
    """Each is written as the sum that a learner with that mistake writes."""
    macs = 28 * 28
    right_one = 256 * 128 + 9 * 128 * 128 + 128 * 512 + 256 * 512
    bn = 2 * (128 + 128 + 512 + 512)
    narrow = 256 * 128 + 9 * 128 * 128 + 128 * 128 + 256 * 128
    wrong = {
        "forgot_bn": {"parameters": right_one},
        "forgot_bn_of_projection": {"parameters": right_one + 2 * (128 + 128 + 512)},
        "counted_biases": {"parameters": right_one + bn + 128 + 128 + 512 + 512},
        "counted_running_statistics": {"parameters": right_one + 2 * bn},
        "forgot_projection": {"MACs": macs * (256 * 128 + 9 * 128 * 128 + 128 * 512)},
        "forgot_expansion": {"parameters": narrow + 2 * 4 * 128, "MACs": macs * narrow},
        "counted_3x3_everywhere": {"MACs": macs * (9 * (256 * 128 + 128 * 128 + 128 * 512) + 256 * 512)},
        "kernel_of_3": {"MACs": macs * (256 * 128 + 3 * 128 * 128 + 128 * 512 + 256 * 512)},
        "counted_narrow_input": {"MACs": macs * (128 * 128 + 9 * 128 * 128 + 128 * 512 + 128 * 512)},
        "flops_for_macs": {"MACs": 2 * macs * right_one},
        "counted_large_map": {"MACs": 56 * 56 * right_one},
        "stride_on_3x3": {"MACs": 56 * 56 * 256 * 128 + macs * (9 * 128 * 128 + 128 * 512 + 256 * 512)},
        "forgot_positions": {"MACs": right_one},
        "counted_bn": {"MACs": macs * (right_one + bn // 2)},
    }
    correct = {"parameters": right_one + bn, "MACs": macs * right_one}
    predicted = {
        "cost_linear_in_channels": {"twice the width": "twice"},
        "expansion_costs_everything": {"expansion 8": "twice"},
        "expansion_squared": {"expansion 8": "four times"},
        "expansion_is_free": {"expansion 8": "the same"},
        "forgot_smaller_map": {"one stage on": "four times"},
        "forgot_more_channels": {"one stage on": "half"},
        "side_for_area": {"maps twice as high and wide": "twice"},
        "macs_taken_for_parameters": {"maps twice as high and wide": "the same"},
    }
    expected = {
        "twice the width": "four times",
        "expansion 8": "less than twice",
        "one stage on": "the same",
        "maps twice as high and wide": "four times",
    }
    return [
        *(("count", mistake, "", lambda c=changed: correct | c) for mistake, changed in wrong.items()),  # type: ignore[misc]
        *(("predict", mistake, "", lambda c=changed: expected | c) for mistake, changed in predicted.items()),  # type: ignore[misc]
    ]
