"""Answers to chapter 04's exercises: wrong ones for each mistake, and right ones in other styles.

As in `answers`, one body serves both frameworks. `b` has the methods `branch(x)` and `shortcut(x)` and the layers
`conv1 bn1 … bn3`; `layers` says how they are made. Functions over arrays need no framework.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.checks.answers import Case

import numpy as np

Body = Callable[[Any, Any], Any]
FRAMEWORKS = ("pytorch", "tensorflow")


def right(b: Any, x: Any) -> Any:
    return b.relu(b.shortcut(x) + b.branch(x))


# Mistake → answers that show it, and nothing else. (body, how the layers are made)
WRONG: dict[str, list[tuple[Body, dict[str, Any]]]] = {
    "stride_not_moved": [(right, {"strided": (1,)})],
    "stride_on_last": [(right, {"strided": (3,)})],
    "stride_on_both": [(right, {"strided": (1, 2)})],
    "branch_without_stride": [(right, {"strided": ()})],
    "stride_ignored": [(right, {"strided": (), "projection_strided": False})],
    "projection_without_stride": [(right, {"projection_strided": False})],
    "same_padding": [(right, {"padding": "same"})],
    "too_many_zeros": [(right, {"padding": "twice"}), (right, {"padding": "for the stride"})],
    "zeros_on_two_sides": [(right, {"padding": "two sides"})],
    "stride_fixed_at_2": [
        (right, {"fixed": ("branch",)}),
        (right, {"fixed": ("projection",)}),
        (right, {"fixed": ("branch", "projection")}),
    ],
    # What goes wrong in any bottleneck is found here, too.
    "projection_without_bn": [(right, {"projection_bn": False})],
    "no_last_relu": [(lambda b, x: b.shortcut(x) + b.branch(x), {})],
    "bias_before_bn": [(right, {"bias": True})],
}
AVERAGING: dict[str, list[tuple[Body, dict[str, Any]]]] = {
    "no_pool": [(right, {})],
    "maximum_for_average": [(right, {"pool": "maximum", "projection_strided": False})],
    "pool_of_3": [(right, {"pool": "average of 3×3", "projection_strided": False})],
    "pooled_behind_bn": [(right, {"pool": "average", "pool_at": "behind", "projection_strided": False})],
    "shrunk_twice": [(right, {"pool": "average"})],
    "projection_without_stride": [(right, {"projection_strided": False})],
    "pools_at_stride_1": [(right, {"pool": "average, always", "projection_strided": False})],
    "stride_not_moved": [(right, {"pool": "average", "projection_strided": False, "strided": (1,)})],
    "same_padding": [(right, {"pool": "average", "projection_strided": False, "padding": "same"})],
}
# Shown in TensorFlow elsewhere: the bodies are the same, and take longer.
ELSEWHERE = (
    "projection_without_bn", "no_last_relu", "bias_before_bn", "stride_ignored", "branch_without_stride", "stride_on_both",
)  # fmt: skip
# Two mistakes at once: each must be rejected, at least one must be named, and none that is not there.
TWO: list[tuple[tuple[str, ...], Body, dict[str, Any]]] = [
    (("stride_not_moved", "projection_without_bn"), right, {"strided": (1,), "projection_bn": False}),
    (("stride_on_last", "no_last_relu"), WRONG["no_last_relu"][0][0], {"strided": (3,)}),
    (("same_padding", "no_last_relu"), WRONG["no_last_relu"][0][0], {"padding": "same"}),
    (("same_padding", "bias_before_bn"), right, {"padding": "same", "bias": True}),
    (("same_padding", "projection_without_stride"), right, {"padding": "same", "projection_strided": False}),
]
AVERAGING_TWO: list[tuple[tuple[str, ...], Body, dict[str, Any]]] = [
    (("maximum_for_average", "stride_not_moved"), right,
     {"pool": "maximum", "projection_strided": False, "strided": (1,)}),
    (("pooled_behind_bn", "same_padding"), right,
     {"pool": "average", "pool_at": "behind", "projection_strided": False, "padding": "same"}),
    (("pools_at_stride_1", "maximum_for_average"), right, {"pool": "maximum, always", "projection_strided": False}),
    (("shrunk_twice", "no_last_relu"), WRONG["no_last_relu"][0][0], {"pool": "average"}),
]  # fmt: skip


def make(framework: str, body: Body = right, **layers: Any) -> Any:
    """A class of one framework whose blocks compute `body`."""
    return _torch_class(body, **layers) if framework == "pytorch" else _keras_class(body, **layers)


def _window(pool: str, stride: int) -> tuple[int, int] | None:
    """Side and step of a pool, or none."""
    if not pool or (stride == 1 and "always" not in pool):
        return None
    return (3 if "3×3" in pool else 2), stride


def _zeros(padding: str, stride: int) -> tuple[int, int]:
    """What is put in front of the map and behind it, beside what the 3×3 itself puts there."""
    if padding == "twice":
        return 1, 1
    return {"same": (0, 1), "two sides": (1, 0)}.get(padding, (0, 0)) if stride == 2 else (0, 0)


def _torch_class(
    body: Body, *, strided: tuple[int, ...] = (2,), padding: str = "both", projection_strided: bool = True,
    projection_bn: bool = True, bias: bool = False, pool: str = "", pool_at: str = "in front", fixed: tuple[str, ...] = (),
) -> Any:  # fmt: skip
    import torch
    import torch.nn.functional as F
    from torch import nn

    class Answer(nn.Module):
        def __init__(self, ins: int, width: int, stride: int) -> None:
            super().__init__()
            sizes, self.stride = (ins, width, width, 4 * width), stride
            for k, kernel in enumerate((1, 3, 1), 1):
                own = (2 if "branch" in fixed else stride) if k in strided else 1
                zeros = kernel // 2
                if kernel == 3:
                    self.zeros = _zeros(padding, own)
                    zeros = {"both": 1, "twice": 1, "for the stride": stride}.get(padding, 0 if own == 2 else 1)
                    own = 1 if padding == "for the stride" else own
                conv = nn.Conv2d(sizes[k - 1], sizes[k], kernel, own, zeros, bias=bias)
                self.add_module(f"conv{k}", conv)
                self.add_module(f"bn{k}", nn.BatchNorm2d(sizes[k]))
            own = (2 if "projection" in fixed else stride) if projection_strided else 1
            self.down = nn.Conv2d(ins, 4 * width, 1, own, bias=bias)
            self.down_bn = nn.BatchNorm2d(4 * width) if projection_bn else nn.Identity()
            self.relu = torch.relu

        def branch(self, x: Any) -> Any:
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.relu(self.bn2(self.conv2(F.pad(out, self.zeros * 2))))
            return self.bn3(self.conv3(out))

        def pooled(self, x: Any, at: str) -> Any:
            window = _window(pool, self.stride)
            if at != pool_at or window is None:
                return x
            side, step = window
            return (F.max_pool2d if "maximum" in pool else F.avg_pool2d)(x, side, step, side // 3)

        def shortcut(self, x: Any) -> Any:
            out = self.pooled(self.down(self.pooled(x, "in front")), "between")
            return self.pooled(self.down_bn(out), "behind")

        def forward(self, x: Any) -> Any:
            return body(self, x)

    return Answer


def _keras_class(
    body: Body, *, strided: tuple[int, ...] = (2,), padding: str = "both", projection_strided: bool = True,
    projection_bn: bool = True, bias: bool = False, pool: str = "", pool_at: str = "in front", fixed: tuple[str, ...] = (),
) -> Any:  # fmt: skip
    import keras
    from keras import layers

    class Answer(layers.Layer):
        def __init__(self, ins: int, width: int, stride: int) -> None:
            super().__init__()
            self.stride = stride
            for k, (kernel, channels) in enumerate(((1, width), (3, width), (1, 4 * width)), 1):
                own = (2 if "branch" in fixed else stride) if k in strided else 1
                by_hand = kernel == 3 and padding in ("both", "two sides")
                conv = layers.Conv2D(channels, kernel, own, "valid" if by_hand else "same", use_bias=bias)
                setattr(self, f"conv{k}", conv)
                setattr(self, f"bn{k}", self._norm())
            two_sides = padding == "two sides" and stride == 2
            self.pad = layers.ZeroPadding2D(((1, 0), (1, 0)) if two_sides else 0 if padding == "same" else 1)
            own = (2 if "projection" in fixed else stride) if projection_strided else 1
            self.down = layers.Conv2D(4 * width, 1, own, use_bias=bias)
            self.down_bn = self._norm() if projection_bn else layers.Identity()
            self.relu = keras.ops.relu

        def _norm(self) -> Any:
            return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

        def branch(self, x: Any) -> Any:
            out = self.relu(self.bn1(self.conv1(x)))
            out = self.relu(self.bn2(self.conv2(self.pad(out))))
            return self.bn3(self.conv3(out))

        def pooled(self, x: Any, at: str) -> Any:
            window = _window(pool, self.stride)
            if at != pool_at or window is None:
                return x
            side, step = window
            if side == 3:
                x = keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            return (keras.ops.max_pool if "maximum" in pool else keras.ops.average_pool)(x, side, step)

        def shortcut(self, x: Any) -> Any:
            out = self.pooled(self.down(self.pooled(x, "in front")), "between")
            return self.pooled(self.down_bn(out), "behind")

        def call(self, x: Any) -> Any:
            return body(self, x)

    return Answer


def torch_styles() -> dict[str, Any]:
    """Style → right block in PyTorch."""
    import torch.nn.functional as F
    from torch import nn

    class Other(nn.Module):
        """Other names and order; zeros by hand; the projection's stride by slicing; in-place where harmless."""

        def __init__(self, c: int, w: int, step: int) -> None:
            super().__init__()
            self.p = nn.Sequential(nn.Conv2d(c, 4 * w, 1, bias=False), nn.BatchNorm2d(4 * w))
            self.last = nn.Sequential(nn.Conv2d(w, 4 * w, 1, bias=False), nn.BatchNorm2d(4 * w))
            self.norms = nn.ModuleList([nn.BatchNorm2d(w), nn.BatchNorm2d(w)])
            self.k3 = nn.Conv2d(w, w, 3, step, bias=False)
            self.k1 = nn.Conv2d(c, w, 1, bias=False)
            self.step = step

        def forward(self, x: Any) -> Any:
            y = F.relu(self.norms[0](self.k1(x)), inplace=True)
            y = F.relu(self.norms[1](self.k3(F.pad(y, (1, 1, 1, 1)))))
            y = self.last(y)
            y += self.p(x[:, :, :: self.step, :: self.step])
            return F.relu_(y)

    return {"other names": Other, "a function": lambda ins, width, stride: Other(ins, width, step=stride)}


def keras_styles() -> dict[str, Any]:
    """Style → right block in Keras."""
    import keras
    from keras import layers

    def functional(ins: int, width: int, stride: int) -> Any:
        def norm(x: Any) -> Any:
            return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)

        x = keras.Input((None, None, ins))
        y = keras.ops.relu(norm(layers.Conv2D(width, 1, use_bias=False)(x)))
        y = layers.Conv2D(width, 3, stride, use_bias=False)(layers.ZeroPadding2D()(y))
        y = norm(layers.Conv2D(4 * width, 1, use_bias=False)(keras.ops.relu(norm(y))))
        short = norm(layers.Conv2D(4 * width, 1, stride, padding="same", use_bias=False)(x))  # of one pixel, the same
        return keras.Model(x, layers.ReLU()(layers.Add()([short, y])))

    return {"functional": functional}


def averaging_styles(framework: str) -> dict[str, Any]:
    """Style → right averaging block: the average may also stand between projection and BN, since both are linear."""
    given = {"pool": "average", "projection_strided": False}
    return {"in front": make(framework, **given), "between": make(framework, **given, pool_at="between")}


# Right and wrong functions as learners write them, without a look at the reference: mistake → functions.
def _to_keras(conv: Any = lambda w: w.transpose(2, 3, 1, 0), dense: Any = lambda w: w.T, bn: Any = None) -> Any:
    names = ("weight", "bias", "running_mean", "running_var")

    def to_keras(kind: str, tensors: dict[str, Any]) -> Any:
        if kind == "conv":
            return [conv(tensors["weight"])]
        if kind == "dense":
            return [dense(tensors["weight"]), tensors["bias"]]
        return (bn or (lambda t: [t[name] for name in names]))(tensors)

    return to_keras


def _to_pytorch(conv: Any = lambda w: w.transpose(3, 2, 0, 1), dense: Any = lambda w: w.T, bn: Any = None) -> Any:
    def to_pytorch(kind: str, arrays: list[Any]) -> Any:
        if kind == "conv":
            return {"weight": conv(arrays[0])}
        if kind == "dense":
            return {"weight": dense(arrays[0]), "bias": arrays[1]}
        g, b, m, v = arrays
        return bn(g, b, m, v) if bn else {"weight": g, "bias": b, "running_mean": m, "running_var": v}

    return to_pytorch


def _added_up(kind: str, tensors: dict[str, Any]) -> Any:
    found = _to_keras()(kind, tensors)
    tensors["weight"] *= 1.0 + (kind == "dense")
    return found


def _named_kinds(g: Any, b: Any, m: Any, v: Any) -> dict[str, Any]:
    return {"weight": g, "bias": b, "running_mean": m, "running_var": v}


TO_KERAS: dict[str, list[Any]] = {
    "kernel_reshaped": [_to_keras(conv=lambda w: w.reshape(*w.shape[2:], w.shape[1], w.shape[0]))],
    "kernel_as_it_is": [_to_keras(conv=lambda w: w)],
    "in_out_swapped": [
        _to_keras(conv=lambda w: w.transpose(2, 3, 0, 1)),
        _to_keras(conv=lambda w: np.moveaxis(w, (2, 3), (0, 1))),
    ],
    "height_width_swapped": [_to_keras(conv=lambda w: w.T)],
    "kernel_as_images": [_to_keras(conv=lambda w: w.transpose(0, 2, 3, 1))],
    "kernel_flipped": [_to_keras(conv=lambda w: w[:, :, ::-1, ::-1].transpose(2, 3, 1, 0))],
    "dense_not_transposed": [_to_keras(dense=lambda w: w)],
    "dense_reshaped": [_to_keras(dense=lambda w: w.reshape(w.shape[1], w.shape[0]))],
    "gamma_beta_swapped": [
        _to_keras(bn=lambda t: [t[n] for n in ("bias", "weight", "running_mean", "running_var")]),
    ],
    "mean_variance_swapped": [
        _to_keras(bn=lambda t: [t[n] for n in ("weight", "bias", "running_var", "running_mean")]),
    ],
    "variance_for_deviation": [
        _to_keras(bn=lambda t: [t["weight"], t["bias"], t["running_mean"], np.sqrt(t["running_var"])]),
        _to_keras(bn=lambda t: [t["weight"], t["bias"], t["running_mean"], t["running_var"] ** 2]),
    ],
    "epsilon_in_variance": [
        _to_keras(bn=lambda t: [t["weight"], t["bias"], t["running_mean"], t["running_var"] + 1e-5]),
    ],
    "counter_handed_over": [_to_keras(bn=lambda t: list(t.values()))],
    "no_return": [lambda kind, tensors: None],
    "edits_its_arguments": [_added_up],
}
TO_PYTORCH: dict[str, list[Any]] = {
    "same_permutation": [_to_pytorch(conv=lambda w: w.transpose(2, 3, 1, 0))],
    "kernel_reshaped": [_to_pytorch(conv=lambda w: w.reshape(w.shape[3], w.shape[2], *w.shape[:2]))],
    "kernel_as_it_is": [_to_pytorch(conv=lambda w: w)],
    "in_out_swapped": [_to_pytorch(conv=lambda w: w.transpose(2, 3, 0, 1))],
    "height_width_swapped": [_to_pytorch(conv=lambda w: w.T)],
    "kernel_as_images": [_to_pytorch(conv=lambda w: w.transpose(0, 3, 1, 2))],
    "dense_not_transposed": [_to_pytorch(dense=lambda w: w)],
    "gamma_beta_swapped": [_to_pytorch(bn=lambda g, b, m, v: _named_kinds(b, g, m, v))],
    "mean_variance_swapped": [_to_pytorch(bn=lambda g, b, m, v: _named_kinds(g, b, v, m))],
    "variance_for_deviation": [_to_pytorch(bn=lambda g, b, m, v: _named_kinds(g, b, m, v**2))],
}
TO_KERAS_TWO: list[tuple[tuple[str, ...], Any]] = [
    (("kernel_reshaped", "dense_reshaped"), _to_keras(
        conv=lambda w: w.reshape(*w.shape[2:], w.shape[1], w.shape[0]), dense=lambda w: w.reshape(w.shape[::-1]))),
    (("in_out_swapped", "height_width_swapped"), _to_keras(conv=lambda w: w.transpose(3, 2, 0, 1))),
    (("height_width_swapped", "variance_for_deviation"), _to_keras(
        conv=lambda w: w.T, bn=lambda t: [t["weight"], t["bias"], t["running_mean"], np.sqrt(t["running_var"])])),
    (("gamma_beta_swapped", "mean_variance_swapped"), _to_keras(
        bn=lambda t: [t[n] for n in ("bias", "weight", "running_var", "running_mean")])),
    (("kernel_as_it_is", "counter_handed_over"), _to_keras(conv=lambda w: w, bn=lambda t: list(t.values()))),
]  # fmt: skip
TO_KERAS_STYLES: dict[str, Any] = {
    "transpose": _to_keras(),
    "moveaxis": _to_keras(conv=lambda w: np.moveaxis(np.moveaxis(w, 0, -1), 0, 2)),
    "einsum": _to_keras(conv=lambda w: np.einsum("oihw->hwio", w), dense=lambda w: np.einsum("oi->io", w)),
    "single precision": _to_keras(conv=lambda w: w.astype("float32").transpose(2, 3, 1, 0)),
    "a tuple of lists": lambda kind, tensors: tuple(a.tolist() for a in _to_keras()(kind, tensors)),
    "by the number of axes": lambda kind, tensors: [
        a.transpose({4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}[a.ndim])
        for name, a in tensors.items()
        if name != "num_batches_tracked"
    ],
}
TO_PYTORCH_STYLES: dict[str, Any] = {
    "transpose": _to_pytorch(),
    "with a counter": _to_pytorch(
        bn=lambda g, b, m, v: {**_named_kinds(g, b, m, v), "num_batches_tracked": np.array(0)}
    ),
    "another order of names": _to_pytorch(
        bn=lambda g, b, m, v: {"running_mean": m, "running_var": v, "bias": b, "weight": g}
    ),
}


def cases() -> list[Case]:
    """Every wrong answer with the one mistake that is to be named."""
    return [
        *_of_blocks("move", WRONG),
        *_of_blocks("averaging", AVERAGING),
        *(("to_keras", m, "", lambda f=f: f) for m, fs in TO_KERAS.items() for f in fs),  # type: ignore[misc]
        *(("to_pytorch", m, "", lambda f=f: f) for m, fs in TO_PYTORCH.items() for f in fs),  # type: ignore[misc]
        *_of_values(),
    ]


def _of_blocks(task: str, wrong: dict[str, list[tuple[Body, dict[str, Any]]]]) -> list[Case]:
    own = task == "move"
    return [
        (task, mistake, framework, lambda f=framework, b=body, n=layers: make(f, b, **n))  # type: ignore[misc]
        for mistake, given in wrong.items()
        for number, (body, layers) in enumerate(given)
        for framework in FRAMEWORKS
        if framework == "pytorch" or (mistake not in (ELSEWHERE if own else (*ELSEWHERE, *WRONG)) and not number)
    ]


def _of_values() -> list[Case]:
    first, second, third = 1024 * 512, 9 * 512 * 512, 512 * 2048
    small, large, project = 49, 169, 1024 * 2048
    all_of_them = first + second + third
    v1, v15 = all_of_them * small, first * large + (second + third) * small

    def count(*values: Any) -> Any:
        keys = ("v1", "v1.5", "unread by v1", "unread by v1.5's shortcut")
        return lambda: dict(zip(keys, values, strict=True))

    def which(*values: str) -> Any:
        return lambda: dict(zip("ABCD", values, strict=True))

    def predicted(*values: str) -> Any:
        keys = ("v1", "v2", "stride in the last 1×1", "same padding, 8×8", "same padding, 7×7")
        return lambda: dict(zip(keys, values, strict=True))

    return [
        ("count", "versions_mixed_up", "", count(v15, v15, 120, 120)),
        ("count", "versions_mixed_up", "", count(v15, v1, 120, 120)),
        ("count", "same_weights_same_cost", "", count(v1, v1, 120, 120)),
        ("count", "projection_counted", "", count(v1 + project * small, v15 + project * small, 120, 120)),
        ("count", "kernel_counted_as_1", "", count((first + 512 * 512 + third) * small,
                                                   first * large + (512 * 512 + third) * small, 120, 120)),
        ("count", "counted_weights", "", count(all_of_them, all_of_them, 120, 120)),
        ("count", "flops_for_macs", "", count(2 * v1, 2 * v15, 120, 120)),
        ("count", "counted_at_input", "", count(all_of_them * large, (first + second) * large + third * small, 120, 120)),
        ("count", "rounded_down", "", count(all_of_them * 36, first * large + (second + third) * 36, 133, 133)),
        ("count", "three_quarters", "", count(v1, v15, 169 * 3 / 4, 127)),
        ("count", "counted_the_read", "", count(v1, v15, 49, 49)),
        ("count", "shortcut_moved", "", count(v1, v15, 120, 0)),
        ("which", "stride_mixed_up", "", which("v1", "none", "v1.5", "v2")),
        ("which", "windows_not_placed", "", which("v1.5", "v1.5", "v1", "v2")),
        ("which", "end_not_looked_at", "", which("v1.5", "none", "v1", "v1.5")),
        ("which", "negative_not_looked_for", "", which("v2", "none", "v1", "v2")),
        ("which", "known_one_not_recognised", "", which("v1.5", "none", "none", "v2")),
        ("predict", "loading_compares_more", "", predicted("refused", "refused", "same", "differs", "same")),
        ("predict", "weights_taken_for_function", "", predicted("same", "refused", "same", "differs", "same")),
        ("predict", "v2_taken_to_fit", "", predicted("differs", "differs", "same", "differs", "same")),
        ("predict", "last_stride_taken_to_matter", "", predicted("differs", "refused", "differs", "differs", "same")),
        ("predict", "same_taken_literally", "", predicted("differs", "refused", "same", "same", "same")),
        ("predict", "odd_maps_forgotten", "", predicted("differs", "refused", "same", "differs", "differs")),
    ]  # fmt: skip
