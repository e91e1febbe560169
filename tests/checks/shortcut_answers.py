"""Answers to chapter 02's exercises: wrong ones for each mistake about shortcuts, and right ones in other styles.

As in `answers`, one body serves both frameworks. `b` has the layers `conv1 bn1 conv2 bn2`, the methods `branch(x)` and
`shortcut(x)`, and the framework's functions; `layers` says how the layers are made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.checks.answers import Case

Body = Callable[[Any, Any], Any]
FRAMEWORKS = ("pytorch", "tensorflow")


def right(b: Any, x: Any) -> Any:
    return b.relu(b.shortcut(x) + b.branch(x))


def dropped(b: Any, x: Any) -> Any:
    b.shortcut(x)
    return b.relu(x + b.branch(x))


def overwritten(b: Any, x: Any) -> Any:
    x = b.branch(x)
    return b.relu(x + x)


# Mistake → answers that show it, and nothing else. (body, how the layers are made)
WRONG: dict[str, list[tuple[Body, dict[str, Any]]]] = {
    "projection_missing": [(right, {"when": lambda ins, outs, stride: False})],
    "projection_only_if_stride": [(right, {"when": lambda ins, outs, stride: stride != 1})],
    "projection_only_if_channels": [(right, {"when": lambda ins, outs, stride: ins != outs})],
    "projection_only_if_both": [(right, {"when": lambda ins, outs, stride: ins != outs and stride != 1})],
    "projection_without_stride": [(right, {"projection_strided": False})],
    "projection_dropped": [(dropped, {})],
    "stride_on_both": [(right, {"strided": (1, 2)})],
    "stride_on_second": [(right, {"strided": (2,)})],
    "branch_without_stride": [(right, {"strided": ()})],
    "stride_ignored": [(right, {"strided": (), "projection_strided": False})],
    "same_padding": [(right, {"padding": "same"})],
    "no_padding": [(right, {"padding": "valid"})],
    "projection_without_bn": [(right, {"projection_bn": False})],
    "projection_relu": [
        (lambda b, x: b.relu((b.relu(b.shortcut(x)) if b.projects else x) + b.branch(x)), {}),
    ],
    "projection_3x3": [(right, {"projection_kernel": 3})],
    "projection_everywhere": [(right, {"when": lambda ins, outs, stride: True})],
    "zeros_for_projection": [
        (lambda b, x: b.relu(b.zeros(x) + b.branch(x)), {"when": lambda ins, outs, stride: False}),
    ],
    # What goes wrong in any block is found beside a projection, too.
    "no_addition": [(lambda b, x: b.relu(b.branch(x)), {"when": lambda ins, outs, stride: False})],
    "no_last_relu": [(lambda b, x: b.shortcut(x) + b.branch(x), {})],
    "relu_before_addition": [(lambda b, x: b.shortcut(x) + b.relu(b.branch(x)), {})],
    "halved_sum": [(lambda b, x: b.relu(0.5 * (b.shortcut(x) + b.branch(x))), {})],
    "shortcut_overwritten": [(overwritten, {"when": lambda ins, outs, stride: False})],
    "no_middle_relu": [(lambda b, x: b.relu(b.shortcut(x) + b.bn2(b.conv2(b.bn1(b.conv1(x))))), {})],
    "shortcut_without_gradient": [(lambda b, x: b.relu(b.detach(b.shortcut(x)) + b.branch(x)), {})],
    "bn_after_addition": [
        (lambda b, x: b.relu(b.bn2(b.shortcut(x) + b.conv2(b.relu(b.bn1(b.conv1(x)))))), {}),
    ],
    "bias_before_bn": [(right, {"bias": True})],
    "bn_eps": [(right, {"eps": 1e-3})],
    "bn_momentum": [(right, {"momentum": 0.01})],
}
# Shown in TensorFlow by `answers` already; the bodies are the same, and four shapes take longer.
ELSEWHERE = (
    "no_addition", "relu_before_addition", "halved_sum", "shortcut_overwritten", "no_middle_relu",
    "shortcut_without_gradient", "bn_after_addition", "bn_eps", "bn_momentum",
)  # fmt: skip
# Two mistakes at once: each must be rejected, at least one must be named, and none that is not there.
TWO: list[tuple[tuple[str, ...], Body, dict[str, Any]]] = [
    (("projection_without_bn", "projection_only_if_stride"), right,
     {"projection_bn": False, "when": lambda ins, outs, stride: stride != 1}),
    (("projection_without_bn", "projection_relu"), WRONG["projection_relu"][0][0], {"projection_bn": False}),
    (("projection_everywhere", "no_last_relu"), WRONG["no_last_relu"][0][0],
     {"when": lambda ins, outs, stride: True}),
    (("same_padding", "projection_3x3"), right, {"padding": "same", "projection_kernel": 3}),
    (("stride_on_second", "bias_before_bn"), right, {"strided": (2,), "bias": True}),
    (("stride_on_second", "projection_without_bn"), right, {"strided": (2,), "projection_bn": False}),
    (("projection_without_stride", "projection_relu"), WRONG["projection_relu"][0][0], {"projection_strided": False}),
    (("projection_missing", "no_last_relu"), WRONG["no_last_relu"][0][0],
     {"when": lambda ins, outs, stride: False}),
    (("projection_3x3", "relu_before_addition"), WRONG["relu_before_addition"][0][0], {"projection_kernel": 3}),
    (("projection_dropped", "projection_3x3"), dropped, {"projection_kernel": 3}),
    (("projection_only_if_stride", "projection_3x3"), right,
     {"projection_kernel": 3, "when": lambda ins, outs, stride: stride != 1}),
    (("bn_momentum", "projection_only_if_channels"), right,
     {"momentum": 0.01, "when": lambda ins, outs, stride: ins != outs}),
]  # fmt: skip


def changes(ins: int, outs: int, stride: int) -> bool:
    return stride != 1 or ins != outs


def make(framework: str, body: Body = right, **layers: Any) -> Any:
    """A class of one framework whose blocks compute `body`."""
    return _torch_class(body, **layers) if framework == "pytorch" else _keras_class(body, **layers)


def torch_base(body: Body) -> Any:
    """A module that has all of a block but its layers: `down`, `projects`, `stride` and `more` (channels) are set by it."""
    import torch.nn.functional as F
    from torch import nn

    class Base(nn.Module):
        def shortcut(self, x: Any) -> Any:
            return self.down(x) if self.projects else x

        def zeros(self, x: Any) -> Any:
            half = self.more // 2
            return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.more - half))

        def detach(self, x: Any) -> Any:
            return x.detach()

        def forward(self, x: Any) -> Any:
            return body(self, x)

    return Base


def keras_base(body: Body) -> Any:
    """The same in Keras, where the projection's BN is `down_bn`, if it has one."""
    import keras
    import tensorflow as tf

    class Base(keras.layers.Layer):
        def shortcut(self, x: Any) -> Any:
            if not self.projects:
                return x
            return self.down_bn(self.down(x)) if hasattr(self, "down_bn") else self.down(x)

        def zeros(self, x: Any) -> Any:
            half = self.more // 2
            around = ((0, 0), (0, 0), (0, 0), (half, self.more - half))
            return keras.ops.pad(x[:, :: self.stride, :: self.stride], around)

        def detach(self, x: Any) -> Any:
            return tf.stop_gradient(x)

        def call(self, x: Any) -> Any:
            return body(self, x)

    return Base


def _torch_class(
    body: Body, *, when: Any = changes, strided: tuple[int, ...] = (1,), padding: str = "both", bias: bool = False,
    eps: float = 1e-5, momentum: float = 0.1, projection_strided: bool = True, projection_bn: bool = True,
    projection_kernel: int = 1, norms: tuple[int, ...] = (1, 2), first_norm: str = "outs",
) -> Any:  # fmt: skip
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Conv(nn.Conv2d):
        def forward(self, x: Any) -> Any:  # "same" as TensorFlow pads
            even = self.stride[0] == 2 and x.shape[2] % 2 == 0
            return super().forward(F.pad(x, (0, 1, 0, 1) if even else (1, 1, 1, 1)))

    class Answer(torch_base(body)):
        def __init__(self, ins: int, outs: int, stride: int) -> None:
            super().__init__()
            for k in (1, 2):
                conv, around = (Conv, 0) if padding == "same" else (nn.Conv2d, int(padding == "both"))
                own = stride if k in strided else 1
                self.add_module(f"conv{k}", conv(ins if k == 1 else outs, outs, 3, own, around, bias=bias))
            for k in norms:
                width = ins if k == 1 and first_norm == "ins" else outs
                self.add_module(f"bn{k}", nn.BatchNorm2d(width, eps, momentum))
            self.projects, self.stride, self.more = when(ins, outs, stride), stride, outs - ins
            self.relu = torch.relu
            if self.projects:
                own = stride if projection_strided else 1
                kernel = projection_kernel
                parts: list[Any] = [nn.Conv2d(ins, outs, kernel, own, kernel // 2, bias=bias)]
                parts += [nn.BatchNorm2d(outs, eps, momentum)] if projection_bn else []
                self.down = nn.Sequential(*parts)

        def branch(self, x: Any) -> Any:
            return self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))

    return Answer


def _keras_class(
    body: Body, *, when: Any = changes, strided: tuple[int, ...] = (1,), padding: str = "both", bias: bool = False,
    eps: float = 1e-5, momentum: float = 0.1, projection_strided: bool = True, projection_bn: bool = True,
    projection_kernel: int = 1, norms: tuple[int, ...] = (1, 2), first_norm: str = "outs",
) -> Any:  # fmt: skip
    import keras
    from keras import layers

    class Answer(keras_base(body)):
        def __init__(self, ins: int, outs: int, stride: int) -> None:
            super().__init__()
            for k in (1, 2):
                own, padded = stride if k in strided else 1, "same" if padding == "same" else "valid"
                conv = layers.Conv2D(outs, 3, own, padded, use_bias=bias)
                setattr(self, f"conv{k}", self._padded(conv) if padding == "both" else conv)
            for k in norms:  # which find out their width by themselves
                setattr(self, f"bn{k}", layers.BatchNormalization(momentum=1 - momentum, epsilon=eps))
            self.projects, self.stride, self.more = when(ins, outs, stride), stride, outs - ins
            self.relu = keras.ops.relu
            if self.projects:
                own = stride if projection_strided else 1
                conv = layers.Conv2D(outs, projection_kernel, own, use_bias=bias)
                self.down = self._padded(conv) if projection_kernel == 3 else conv
                if projection_bn:
                    self.down_bn = layers.BatchNormalization(momentum=1 - momentum, epsilon=eps)

        def _padded(self, conv: Any) -> Any:
            return keras.Sequential([layers.ZeroPadding2D(1), conv])

        def branch(self, x: Any) -> Any:
            return self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))

    return Answer


# Option A's shortcut alone: mistake → bodies of (x in NCHW or NHWC, channels in, out, stride, framework).


def _every(x: Any, step: int, framework: str, start: int = 0) -> Any:
    rows = slice(start, None, step)
    return x[:, :, rows, rows] if framework == "pytorch" else x[:, rows, rows]


def _pad(x: Any, around: tuple[int, int], framework: str, axis: str = "channels") -> Any:
    if framework == "pytorch":
        import torch.nn.functional as F

        pairs = dict.fromkeys(("width", "height", "channels", "batch"), (0, 0)) | {axis: around}
        return F.pad(x, [n for pair in pairs.values() for n in pair])
    from keras import ops

    pairs = dict.fromkeys(("batch", "height", "width", "channels"), (0, 0)) | {axis: around}
    return ops.pad(x, tuple(pairs.values()))


def _again(x: Any, more: int, framework: str) -> Any:
    if framework == "pytorch":
        import torch

        return torch.cat([x, x, x], 1)[:, : x.shape[1] + more]
    from keras import ops

    return ops.concatenate([x, x, x], -1)[..., : x.shape[-1] + more]


def _pooled(x: Any, stride: int, framework: str, how: str) -> Any:
    if framework == "pytorch":
        import torch.nn.functional as F

        return F.avg_pool2d(x, stride) if how == "average" else F.max_pool2d(x, stride)
    from keras import ops

    return ops.average_pool(x, stride, stride) if how == "average" else ops.max_pool(x, stride, stride)


def _a(x: Any, i: int, o: int, s: int, f: str) -> Any:
    return _pad(_every(x, s, f), (0, o - i), f)


ShortcutBody = Callable[[Any, int, int, int, str], Any]
OPTION_A: dict[str, list[ShortcutBody]] = {
    "no_subsampling": [lambda x, i, o, s, f: _pad(x, (0, o - i), f)],
    "sampled_wrong_axes": [  # each as the other framework wants it
        lambda x, i, o, s, f: _pad(x[:, ::s, ::s] if f == "pytorch" else x[:, :, ::s, ::s], (0, o - i), f),
    ],
    "padded_wrong_axis": [
        lambda x, i, o, s, f: _pad(_every(x, s, f), (0, o - i), f, "width"),
        lambda x, i, o, s, f: _pad(_every(x, s, f), (0, o - i), f, "height"),
        lambda x, i, o, s, f: _pad(_every(x, s, f), ((o - i) // 2, o - i - (o - i) // 2), f, "width"),
    ],
    "pooled_shortcut": [
        lambda x, i, o, s, f: _pad(_pooled(x, s, f, "average"), (0, o - i), f),
        lambda x, i, o, s, f: _pad(_pooled(x, s, f, "maximum"), (0, o - i), f),
    ],
    "odd_pixels": [lambda x, i, o, s, f: _pad(_every(x, s, f, start=s - 1), (0, o - i), f)],
    "stride_fixed_at_2": [lambda x, i, o, s, f: _pad(_every(x, 2, f), (0, o - i), f)],
    "assumes_doubling": [lambda x, i, o, s, f: _pad(_every(x, s, f), (o // 4, o // 4), f)],
    "channels_repeated": [lambda x, i, o, s, f: _again(_every(x, s, f), o - i, f)],
}
OPTION_A_TWO: list[tuple[tuple[str, ...], ShortcutBody]] = [
    (("no_subsampling", "padded_wrong_axis"), lambda x, i, o, s, f: _pad(x, (0, o - i), f, "width")),
    (("pooled_shortcut", "padded_wrong_axis"),
     lambda x, i, o, s, f: _pad(_pooled(x, s, f, "average"), (0, o - i), f, "height")),
    (("no_subsampling", "channels_repeated"), lambda x, i, o, s, f: _again(x, o - i, f)),
]  # fmt: skip
OPTION_A_STYLES: dict[str, ShortcutBody] = {
    "behind": _a,
    "before": lambda x, i, o, s, f: _pad(_every(x, s, f), (o - i, 0), f),
    "either side": lambda x, i, o, s, f: _pad(_every(x, s, f), ((o - i) // 2, o - i - (o - i) // 2), f),
    "zeros first": lambda x, i, o, s, f: _every(_pad(x, (0, o - i), f), s, f),
    "a maximum over one pixel": lambda x, i, o, s, f: _pad(_one_pixel(x, s, f), (0, o - i), f),
}


def _one_pixel(x: Any, stride: int, framework: str) -> Any:
    if framework == "pytorch":
        import torch.nn.functional as F

        return F.max_pool2d(x, 1, stride)
    from keras import ops

    return ops.max_pool(x, 1, stride)


def option_a(framework: str, body: ShortcutBody) -> Any:
    """A class of one framework that computes a shortcut without weights."""
    if framework == "pytorch":
        from torch import nn

        class Shortcut(nn.Module):
            def __init__(self, ins: int, outs: int, stride: int) -> None:
                super().__init__()
                self.arguments = ins, outs, stride

            def forward(self, x: Any) -> Any:
                return body(x, *self.arguments, framework)

        return Shortcut
    from keras import layers

    class KerasShortcut(layers.Layer):
        def __init__(self, ins: int, outs: int, stride: int) -> None:
            super().__init__()
            self.arguments = ins, outs, stride

        def call(self, x: Any) -> Any:
            return body(x, *self.arguments, framework)

    return KerasShortcut


def edits_input() -> Any:
    """In PyTorch: option A by writing into the batch that was given."""

    def body(x: Any, i: int, o: int, s: int, f: str) -> Any:
        x[:, :, 1::2] = 0.0  # rows that are not kept where the stride is 2
        return _a(x, i, o, s, f)

    return body


def stage(framework: str, how: str = "right", **layers: Any) -> Any:
    """A function that makes a stage of such blocks; `how` is "right" or the mistake."""
    block = make(framework, **layers)

    def made(in_channels: int, channels: int, stride: int, blocks: int) -> Any:
        strides = {
            "stride_in_every_block": [stride] * blocks,
            "stride_in_last_block": [1] * (blocks - 1) + [stride],
        }.get(how, [stride] + [1] * (blocks - 1))
        ins = [in_channels] + [channels] * (blocks - 1)
        parts = [block(i, channels, s) for i, s in zip(ins, strides, strict=True)]
        if how == "one_block_repeated":
            parts = [parts[0]] + [parts[1]] * (blocks - 1)
        if framework == "tensorflow":
            import keras

            return keras.Sequential(parts) if how != "one_block_repeated" else _keras_chain(parts)
        from torch import nn

        return nn.Sequential(*parts) if how != "not_registered" else _hidden_chain(parts)

    return made


def _keras_chain(parts: list[Any]) -> Any:
    from keras import layers

    class Chain(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.parts = parts

        def call(self, x: Any) -> Any:
            for part in self.parts:
                x = part(x)
            return x

    return Chain()


def _hidden_chain(parts: list[Any]) -> Any:
    from torch import nn

    class Chain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = parts  # a Python list: PyTorch does not look into it

        def forward(self, x: Any) -> Any:
            for part in self.parts:
                x = part(x)
            return x

    return Chain()


def torch_styles() -> dict[str, Any]:
    """Style → right block in PyTorch."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    class SlicedFirst(nn.Module):
        """The stride by slicing, then a 1×1 with stride 1; other names and order; padding by hand."""

        def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
            super().__init__()
            self.project = stride != 1 or c_in != c_out
            if self.project:
                self.norm_of_p = nn.BatchNorm2d(c_out)
                self.p = nn.Conv2d(c_in, c_out, 1, bias=False)
            self.n2, self.n1 = nn.BatchNorm2d(c_out), nn.BatchNorm2d(c_out)
            self.b = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
            self.a = nn.Conv2d(c_in, c_out, 3, stride, bias=False)
            self.stride = stride

        def forward(self, x: Any) -> Any:
            short = x
            if self.project:
                short = self.norm_of_p(self.p(x[:, :, :: self.stride, :: self.stride]))
            y = F.relu(self.n1(self.a(F.pad(x, (1, 1, 1, 1)))), inplace=True)
            y = self.n2(self.b(y))
            y += short
            return F.relu_(y)

    class Sequential(nn.Module):
        def __init__(self, inplanes: int, planes: int, stride: int) -> None:
            super().__init__()
            self.downsample: Any = None
            if stride != 1 or inplanes != planes:
                conv = nn.Conv2d(inplanes, planes, 1, stride, bias=False)
                self.downsample = nn.Sequential(conv, nn.BatchNorm2d(planes))
            self.f = nn.Sequential(
                nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes), nn.ReLU(inplace=True),
                nn.Conv2d(planes, planes, 3, 1, 1, bias=False), nn.BatchNorm2d(planes),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            identity = x if self.downsample is None else self.downsample(x)
            return torch.relu(self.f(x) + identity)

    return {
        "sliced first": SlicedFirst,
        "nn.Sequential": Sequential,
        "a function": lambda i, o, s: Sequential(i, o, stride=s),
    }


def keras_styles() -> dict[str, Any]:
    """Style → right block in Keras."""
    import keras
    from keras import layers, ops

    def norm() -> Any:
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

    def functional(i: int, o: int, s: int) -> Any:
        x = short = keras.Input((None, None, i))
        y = layers.Conv2D(o, 3, s, use_bias=False)(layers.ZeroPadding2D()(x))
        y = layers.ReLU()(norm()(y))
        y = norm()(layers.Conv2D(o, 3, padding="same", use_bias=False)(y))  # at stride 1 the same
        if s != 1 or i != o:
            short = norm()(layers.Conv2D(o, 1, s, padding="same", use_bias=False)(x))  # of one pixel, too
        return keras.Model(x, layers.ReLU()(layers.Add()([short, y])))

    def closure(i: int, o: int, s: int) -> Any:
        c1, c2 = (layers.Conv2D(o, 3, step, use_bias=False) for step in (s, 1))
        n1, n2, n3 = norm(), norm(), norm()
        p = layers.Conv2D(o, 1, use_bias=False) if s != 1 or i != o else None

        def block(x: Any) -> Any:
            y = ops.relu(n1(c1(ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))))))
            y = n2(c2(ops.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))))
            return ops.relu(y + (n3(p(x[:, ::s, ::s])) if p else x))

        return block

    return {"functional": functional, "a function of a batch": closure}


def cases() -> list[Case]:
    """Every wrong answer with the one mistake that is to be named."""
    return [*_of_blocks(), *_of_option_a(), *_of_stages(), *_of_values()]


def _of_blocks() -> list[Case]:
    return [
        ("projection", mistake, framework, lambda f=framework, b=body, n=layers: make(f, b, **n))  # type: ignore[misc]
        for mistake, given in WRONG.items()
        for body, layers in given
        for framework in FRAMEWORKS
        if framework == "pytorch" or mistake not in ELSEWHERE
    ]


def _of_option_a() -> list[Case]:
    return [
        *(
            ("option_a", mistake, framework, lambda f=framework, b=body: option_a(f, b))  # type: ignore[misc]
            for mistake, bodies in OPTION_A.items()
            for body in bodies
            for framework in FRAMEWORKS
        ),
        ("option_a", "edits_its_input", "pytorch", lambda: option_a("pytorch", edits_input())),
    ]


def _of_stages() -> list[Case]:
    own = ("stride_in_every_block", "stride_in_last_block", "one_block_repeated")
    return [
        *(("stage", how, f, lambda f=f, how=how: stage(f, how)) for how in own for f in FRAMEWORKS),  # type: ignore[misc]
        ("stage", "not_registered", "pytorch", lambda: stage("pytorch", "not_registered")),
        *(
            ("stage", mistake, "pytorch", lambda b=body, n=layers: stage("pytorch", body=b, **n))  # type: ignore[misc]
            for mistake in ("projection_without_bn", "projection_everywhere", "no_last_relu")
            for body, layers in WRONG[mistake]
        ),
    ]


def _of_values() -> list[Case]:
    return [
        ("count", "zeros_counted", "", lambda: {"A": 32, "B": 2176, "C": 10624}),
        ("count", "forgot_bn", "", lambda: {"A": 0, "B": 2048, "C": 10240}),
        ("count", "counted_biases", "", lambda: {"A": 0, "B": 2240, "C": 10816}),
        ("count", "counted_running_statistics", "", lambda: {"A": 0, "B": 2304, "C": 11008}),
        ("count", "counted_3x3", "", lambda: {"A": 0, "B": 9 * 2048 + 128, "C": 9 * 10240 + 384}),
        ("count", "options_mixed_up", "", lambda: {"A": 0, "B": 10624, "C": 2176}),
        ("count", "counted_first_width", "", lambda: {"A": 0, "B": 2176, "C": 3 * 2176}),
        ("predict", "broadcasts_anything", "", lambda: _predicted("larger", "larger", "fits")),
        ("predict", "forgot_broadcasting", "", lambda: _predicted("error", "error", "fits")),
        ("predict", "branch_decides", "", lambda: _predicted("error", "fits", "fits")),
        ("predict", "one_stays_one", "", lambda: _predicted("error", "larger", "error")),
    ]


def _predicted(*choices: str) -> dict[str, str]:
    return dict(zip(("8 × 8", "2 × 2", "1 × 1"), choices, strict=True))
