"""Answers to chapter 05's exercises: wrong ones for each mistake about pre-activation, and right ones in other styles.

As in `shortcut_answers`, whose layers these blocks have, one body serves both frameworks. `b.carry(raw, active)` is the
shortcut of a right block: a projection of the second where the shape changes, elsewhere the first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.checks import shortcut_answers
from tests.checks.answers import Case

Body = Callable[[Any, Any], Any]
FRAMEWORKS = ("pytorch", "tensorflow")


def branch(b: Any, active: Any) -> Any:
    return b.conv2(b.relu(b.bn2(b.conv1(active))))


def right(b: Any, x: Any) -> Any:
    active = b.relu(b.bn1(x))
    return b.carry(x, active) + branch(b, active)


def first(b: Any, x: Any) -> Any:
    """The block that begins a network: its shortcut carries the activated signal."""
    active = b.relu(b.bn1(x))
    return active + branch(b, active)


def overwrites_x(b: Any, x: Any) -> Any:
    x = b.relu(b.bn1(x))
    return b.carry(x, x) + branch(b, x)


def splits_between(b: Any, x: Any) -> Any:
    normal = b.bn1(x)
    return b.carry(normal, normal) + branch(b, b.relu(normal))


def twice(b: Any, x: Any) -> Any:
    active = b.relu(b.bn1(b.relu(b.bn1(x))))
    return b.carry(x, active) + branch(b, active)


def twice_in_the_branch(b: Any, x: Any) -> Any:
    active = b.relu(b.bn1(x))
    return b.carry(x, active) + branch(b, b.relu(b.bn1(active)))


def v1(b: Any, x: Any) -> Any:
    return b.relu(bn_after_conv(b, x))


def bn_after_conv(b: Any, x: Any) -> Any:
    return b.carry(x, x) + b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x)))))


def relu_only(b: Any, x: Any) -> Any:
    active = b.relu(x)
    return b.carry(x, active) + b.bn2(b.conv2(b.relu(b.bn1(b.conv1(active)))))


def relu_ends_the_branch(b: Any, x: Any) -> Any:
    return b.carry(x, x) + b.relu(b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x))))))


def bn_ends_the_sum(b: Any, x: Any) -> Any:
    return b.relu(b.bn2(b.carry(x, x) + b.conv2(b.relu(b.bn1(b.conv1(x))))))


def started_with(start: Body) -> Body:
    """A right block but for what stands in front of the first convolution."""

    def body(b: Any, x: Any) -> Any:
        active = start(b, x)
        return b.carry(x, active) + branch(b, active)

    return body


def continued_with(middle: Body) -> Body:
    """A right block but for what stands between the two convolutions."""

    def body(b: Any, x: Any) -> Any:
        active = b.relu(b.bn1(x))
        return b.carry(x, active) + b.conv2(middle(b, b.conv1(active)))

    return body


def joined(carried: Callable[[Any, Any, Any], Any], added: Body = lambda b, out: out) -> Body:
    """A block with another shortcut (of the raw and the activated input), or that does something else to its branch."""

    def body(b: Any, x: Any) -> Any:
        active = b.relu(b.bn1(x))
        return carried(b, x, active) + added(b, branch(b, active))

    return body


def carry(b: Any, x: Any, active: Any) -> Any:
    return b.carry(x, active)


BEHIND_CONV = {"first_norm": "outs"}  # the first BN of v1's order
# Mistake → answers that show it, and nothing else. (body, how the layers are made)
WRONG: dict[str, list[tuple[Body, dict[str, Any]]]] = {
    "relu_after_addition": [(lambda b, x: b.relu(right(b, x)), {})],
    "identity_fed_preactivation": [(overwrites_x, {})],
    "projection_fed_raw": [(joined(lambda b, x, active: b.carry(x, x)), {})],
    "split_between": [(splits_between, {})],
    "in_place_relu": [(joined(lambda b, x, active: b.carry(b.relu(x), active)), {})],
    "activated_twice": [(twice, {}), (twice_in_the_branch, {})],
    "projection_with_bn": [(right, {"projection_bn": True})],
    "projection_relu": [
        (joined(lambda b, x, active: b.relu(b.carry(x, active)) if b.projects else x), {}),
    ],
    "projection_everywhere": [(right, {"when": lambda ins, outs, stride: True})],
    "v1_block": [(v1, {**BEHIND_CONV, "projection_bn": True}), (v1, BEHIND_CONV)],
    "bn_after_conv": [(bn_after_conv, BEHIND_CONV), (bn_after_conv, {**BEHIND_CONV, "projection_bn": True})],
    "relu_only": [(relu_only, BEHIND_CONV)],
    "relu_before_addition": [
        (joined(carry, lambda b, out: b.relu(out)), {}),
        (relu_ends_the_branch, {**BEHIND_CONV, "projection_bn": True}),
    ],
    "bn_after_addition": [
        (lambda b, x: b.bn3(right(b, x)), {"norms": (1, 2, 3)}),
        (bn_ends_the_sum, {**BEHIND_CONV, "projection_bn": True}),
    ],
    "relu_before_bn": [
        (started_with(lambda b, x: b.bn1(b.relu(x))), {}),
        (continued_with(lambda b, x: b.bn2(b.relu(x))), {}),
    ],
    "relu_missing": [
        (started_with(lambda b, x: b.bn1(x)), {}),
        (continued_with(lambda b, x: b.bn2(x)), {}),
    ],
    "bn_missing": [
        (started_with(lambda b, x: b.relu(x)), {"norms": (2,)}),
        (continued_with(lambda b, x: b.relu(x)), {"norms": (1,)}),
    ],
    "activation_missing": [
        (started_with(lambda b, x: x), {"norms": (2,)}),
        (continued_with(lambda b, x: x), {"norms": (1,)}),
    ],
    "bias_before_bn": [(right, {"bias": True})],
    # What goes wrong on any shortcut is found here, too.
    "projection_missing": [(right, {"when": lambda ins, outs, stride: False})],
    "projection_only_if_stride": [(right, {"when": lambda ins, outs, stride: stride != 1})],
    "projection_3x3": [(right, {"projection_kernel": 3})],
    "stride_on_second": [(right, {"strided": (2,)})],
    "same_padding": [(right, {"padding": "same"})],
    "shortcut_without_gradient": [
        (joined(lambda b, x, active: b.detach(b.carry(x, active))), {}),
    ],
    "zeros_for_projection": [
        (joined(lambda b, x, active: b.zeros(active) if b.reshapes else x), {"when": lambda ins, outs, stride: False}),
    ],
}  # fmt: skip
# Shown in TensorFlow by the answers to chapter 02 already.
ELSEWHERE = (
    "projection_missing", "projection_only_if_stride", "projection_3x3", "stride_on_second", "same_padding",
    "shortcut_without_gradient", "zeros_for_projection",
)  # fmt: skip
OF_SHAPES = ("projection_fed_raw", "projection_with_bn", "projection_relu", *ELSEWHERE)  # the others show in any shape
# Two mistakes at once: each must be rejected, at least one must be named, and none that is not there.
TWO: list[tuple[tuple[str, ...], Body, dict[str, Any]]] = [
    (("identity_fed_preactivation", "relu_after_addition"), lambda b, x: b.relu(overwrites_x(b, x)), {}),
    (("projection_fed_raw", "projection_with_bn"), WRONG["projection_fed_raw"][0][0], {"projection_bn": True}),
    (("relu_missing", "projection_with_bn"), continued_with(lambda b, x: b.bn2(x)), {"projection_bn": True}),
    (("relu_before_bn", "relu_after_addition"),
     lambda b, x: b.relu(continued_with(lambda b, x: b.bn2(b.relu(x)))(b, x)), {}),
    (("bias_before_bn", "projection_fed_raw"), WRONG["projection_fed_raw"][0][0], {"bias": True}),
    (("relu_only", "relu_after_addition"), lambda b, x: b.relu(relu_only(b, x)), BEHIND_CONV),
    (("in_place_relu", "bn_momentum"), WRONG["in_place_relu"][0][0], {"momentum": 0.01}),
    (("projection_everywhere", "projection_fed_raw"), WRONG["projection_fed_raw"][0][0],
     {"when": lambda ins, outs, stride: True}),
]  # fmt: skip


def make(framework: str, body: Body = right, **layers: Any) -> Any:
    """A class of one framework whose blocks compute `body`; the layers are `shortcut_answers`' with v2's widths."""
    base = shortcut_answers.make(framework, body, **{"projection_bn": False, "first_norm": "ins", **layers})

    class Answer(base):  # type: ignore[misc, valid-type]
        def __init__(self, ins: int, outs: int, stride: int) -> None:
            super().__init__(ins, outs, stride)
            self.reshapes = shortcut_answers.changes(ins, outs, stride)
            self.built = True  # Keras: layers get their weights when they are run, and `call` is not traced before

        def carry(self, raw: Any, active: Any) -> Any:
            return self.shortcut(active) if self.projects else raw

    return Answer


def of_channels(framework: str, body: Body = right, **layers: Any) -> Any:
    """A function of a number of channels that makes such a block, whose shape stays."""
    block = make(framework, body, **layers)
    return lambda channels: block(channels, channels, 1)


def _norm(framework: str, channels: int, eps: float = 1e-5, momentum: float = 0.1) -> Any:
    if framework == "pytorch":
        from torch import nn

        return nn.BatchNorm2d(channels, eps, momentum)
    from keras import layers

    return layers.BatchNormalization(momentum=1 - momentum, epsilon=eps)


def wrong_width() -> Any:
    """In PyTorch: a v2 block whose first BN has the width of v1's."""
    return make("pytorch", right, first_norm="outs")


# The network: mistake → how it is made.
NETWORKS: dict[str, list[dict[str, Any]]] = {
    "end_missing": [{"end": ""}],
    "half_an_end": [{"end": "BN"}, {"end": "ReLU"}],
    "end_behind_pooling": [{"pooled_first": True}],
    "stem_activated": [{"stem": "BN ReLU"}, {"stem": "BN ReLU", "first": right}],
    "first_shortcut_raw": [{"first": right}],
    "softmax": [{"softmax": True}],
    "one_block_repeated": [{"repeated": True}],
    "stride_ignored": [{"stride": 1}],
    "projection_with_bn": [{"projection_bn": True}],
    "identity_fed_preactivation": [{"body": overwrites_x}],
    "not_registered": [{"hidden": True}],
}
NETWORKS_TWO: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("end_missing", "first_shortcut_raw"), {"end": "", "first": right}),
    (("softmax", "stem_activated"), {"softmax": True, "stem": "BN ReLU"}),
    (("one_block_repeated", "first_shortcut_raw"), {"repeated": True, "first": right}),
    (("first_shortcut_raw", "bias_before_bn"), {"first": right, "bias": True}),
]


def network(
    framework: str, *, body: Body = right, first: Body = first, stem: str = "", end: str = "BN ReLU",
    pooled_first: bool = False, softmax: bool = False, hidden: bool = False, repeated: bool = False, stride: int = 2,
    **layers: Any,
) -> Any:  # fmt: skip
    """A function that makes a network of three such blocks."""
    started, other = make(framework, first, **layers), make(framework, body, **layers)
    torch_like = framework == "pytorch"
    bias = layers.get("bias", False)

    def parts(ins: int, width: int, classes: int) -> dict[str, Any]:
        last = other(width, 2 * width, stride)
        made = {
            "conv": _conv(framework, ins, width, bias),
            "blocks": [begins := started(width, width, 1), begins if repeated else other(width, width, 1), last],
            "fc": _dense(framework, 2 * width, classes),
        }
        made |= {"stem_bn": _norm(framework, width)} if "BN" in stem else {}
        return made | ({"end_bn": _norm(framework, 2 * width)} if "BN" in end else {})

    def run(net: Any, x: Any) -> Any:
        def in_turn(words: str, bn: Any, x: Any) -> Any:
            for word in words.split():
                x = bn(x) if word == "BN" else net.relu(x)
            return x

        x = in_turn(stem, getattr(net, "stem_bn", None), net.conv(x))
        for block in net.blocks:
            x = block(x)
        if pooled_first:
            x = net.mean(x)[:, :, None, None] if torch_like else net.mean(x)[:, None, None]
        x = net.mean(in_turn(end, getattr(net, "end_bn", None), x))
        return net.softmax(net.fc(x)) if softmax else net.fc(x)

    if torch_like:
        import torch
        from torch import nn

        class Net(nn.Module):
            def __init__(self, *arguments: int) -> None:
                super().__init__()
                for name, part in parts(*arguments).items():
                    setattr(self, name, nn.ModuleList(part) if name == "blocks" and not hidden else part)

            relu = staticmethod(torch.relu)
            mean = staticmethod(lambda x: x.mean((2, 3)))
            softmax = staticmethod(lambda x: x.softmax(1))

            def forward(self, x: Any) -> Any:
                return run(self, x)

        return Net
    from keras import ops
    from keras.layers import Layer

    class KerasNet(Layer):
        def __init__(self, *arguments: int) -> None:
            super().__init__()
            for name, part in parts(*arguments).items():
                setattr(self, name, part)
            self.built = True

        relu = staticmethod(ops.relu)
        mean = staticmethod(lambda x: ops.mean(x, (1, 2)))
        softmax = staticmethod(lambda x: ops.softmax(x))

        def call(self, x: Any) -> Any:
            return run(self, x)

    return KerasNet


def _conv(framework: str, ins: int, outs: int, bias: bool) -> Any:
    if framework == "pytorch":
        from torch import nn

        return nn.Conv2d(ins, outs, 3, padding=1, bias=bias)
    from keras import layers

    return layers.Conv2D(outs, 3, padding="same", use_bias=bias)


def _dense(framework: str, ins: int, outs: int) -> Any:
    if framework == "pytorch":
        from torch import nn

        return nn.Linear(ins, outs)
    from keras import layers

    return layers.Dense(outs)


def torch_styles() -> dict[str, Any]:
    """Style → right block in PyTorch."""
    import torch.nn.functional as F
    from torch import nn

    class InPlace(nn.Module):
        """In-place ReLUs behind BNs, and an in-place sum: harmless here. Other names, made in another order."""

        def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
            super().__init__()
            self.second = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
            self.project: Any = None
            if stride != 1 or c_in != c_out:
                self.project = nn.Conv2d(c_in, c_out, 1, stride, bias=False)
            self.n = nn.ModuleList([nn.BatchNorm2d(c_out), nn.BatchNorm2d(c_in)])
            self.one = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
            self.act = nn.ReLU(inplace=True)

        def forward(self, x: Any) -> Any:
            y = self.act(self.n[1](x))
            short = x if self.project is None else self.project(y)
            y = self.second(self.act(self.n[0](self.one(y))))
            y += short
            return y

    class Sequential(nn.Module):
        def __init__(self, inplanes: int, planes: int, stride: int) -> None:
            super().__init__()
            self.pre = nn.Sequential(nn.BatchNorm2d(inplanes), nn.ReLU())
            self.f = nn.Sequential(
                nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes), nn.ReLU(inplace=True),
                nn.Conv2d(planes, planes, 3, 1, 1, bias=False),
            )  # fmt: skip
            self.reshapes, self.stride = stride != 1 or inplanes != planes, stride
            if self.reshapes:
                self.p = nn.Conv2d(inplanes, planes, 1, bias=False)

        def forward(self, x: Any) -> Any:
            if not self.reshapes:
                return x + self.f(self.pre(x))
            active = self.pre(x)
            return self.p(active[:, :, :: self.stride, :: self.stride]) + self.f(active)

    def by_functions(i: int, o: int, s: int) -> Any:
        class Block(Sequential):
            def forward(self, x: Any) -> Any:
                norm: Any = self.pre[0]
                active = F.relu(F.batch_norm(
                    x, norm.running_mean, norm.running_var, norm.weight, norm.bias, self.training, 0.1, 1e-5
                ))  # fmt: skip
                carried = F.conv2d(active, self.p.weight, stride=self.stride) if self.reshapes else x
                return carried.add(self.f(active))

        return Block(i, o, s)

    return {"in place": InPlace, "nn.Sequential": Sequential, "a function": by_functions}


def keras_styles() -> dict[str, Any]:
    """Style → right block in Keras."""
    import keras
    from keras import layers, ops

    def norm() -> Any:
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

    def functional(i: int, o: int, s: int) -> Any:
        x = short = keras.Input((None, None, i))
        y = layers.ReLU()(norm()(x))
        if s != 1 or i != o:
            short = layers.Conv2D(o, 1, s, use_bias=False)(y)
        y = layers.Conv2D(o, 3, s, use_bias=False)(layers.ZeroPadding2D()(y))
        y = layers.Activation("relu")(norm()(y))
        y = layers.Conv2D(o, 3, padding="same", use_bias=False)(y)  # at stride 1 the same
        return keras.Model(x, layers.Add()([y, short]))

    def closure(i: int, o: int, s: int) -> Any:
        c1, c2 = (layers.Conv2D(o, 3, step, use_bias=False) for step in (s, 1))
        n1, n2 = norm(), norm()
        p = layers.Conv2D(o, 1, use_bias=False) if s != 1 or i != o else None
        around = ((0, 0), (1, 1), (1, 1), (0, 0))

        def block(x: Any) -> Any:
            y = ops.relu(n1(x))
            short = p(y[:, ::s, ::s]) if p else x
            y = ops.relu(n2(c1(ops.pad(y, around))))
            return short + c2(ops.pad(y, around))

        return block

    return {"functional": functional, "a function of a batch": closure}


def cases() -> list[Case]:
    """Every wrong answer with the one mistake that is to be named."""
    return [*_of_blocks(), *_of_networks(), *_of_values()]


def _of_blocks() -> list[Case]:
    """Each mistake in several shapes in PyTorch; in TensorFlow in one shape, where that shows it."""

    def task(mistake: str, framework: str, number: int) -> str:
        return "turn" if mistake not in OF_SHAPES and (framework == "tensorflow" or number) else "pre_activation"

    def answer(task: str, framework: str, body: Body, layers: dict[str, Any]) -> Any:
        return (of_channels if task == "turn" else make)(framework, body, **layers)

    found: list[Case] = [("pre_activation", "bn_width", "pytorch", wrong_width)]
    for mistake, given in WRONG.items():
        for framework in FRAMEWORKS[: 1 if mistake in ELSEWHERE else 2]:
            for number, (body, layers) in enumerate(given if framework == "pytorch" else given[:1]):
                asked = task(mistake, framework, number)
                found.append((asked, mistake, framework, partial(answer, asked, framework, body, layers)))
    return found


def _of_networks() -> list[Case]:
    return [
        ("network", mistake, framework, lambda f=framework, h=how: network(f, **h))  # type: ignore[misc]
        for mistake, given in NETWORKS.items()
        for framework in FRAMEWORKS
        if framework == "pytorch" or mistake in OF_NETWORKS
        for how in (given if framework == "pytorch" else given[:1])
    ]


OF_NETWORKS = (
    "end_missing", "half_an_end", "end_behind_pooling", "stem_activated", "first_shortcut_raw", "softmax", "one_block_repeated",
    "stride_ignored",
)  # fmt: skip


def _of_values() -> list[Case]:
    def counted(v1: int = 384, v2: int = 160, net: int = 192) -> dict[str, int]:
        return {"v1 block": v1, "v2 block": v2, "network": net}

    def predicted(**other: str) -> dict[str, str]:
        right = ("fits", "refused", "fits", "refused", "fits")
        keys = ("projections fed the raw input", "a BN behind each projection", "a ReLU behind each addition",
                "no BN and ReLU at the end", "the first shortcut carries the raw input")  # fmt: skip
        return {**dict(zip(keys, right, strict=True)), **{key.replace("_", " "): value for key, value in other.items()}}

    return [
        ("count", "half_of_bn", "", lambda: counted(192, 80, 96)),
        ("count", "counted_running_statistics", "", lambda: counted(768, 320, 384)),
        ("count", "forgot_projection_bn", "", lambda: counted(v1=256)),
        ("count", "counted_projection_bn", "", lambda: counted(v2=288)),
        ("count", "bn_width_of_v1", "", lambda: counted(v2=256)),
        ("count", "nothing_lost", "", lambda: counted(net=0)),
        ("count", "counted_stem", "", lambda: counted(net=224)),
        ("count", "counted_end", "", lambda: counted(net=64)),
        ("count", "forgot_stem_bn", "", lambda: counted(net=160)),
        ("count", "forgot_final_bn", "", lambda: counted(net=320)),
        ("count", "counted_convolutions", "", lambda: counted(47_488, 47_264)),
        ("count", "other_way_round", "", lambda: counted(net=-192)),
        ("predict", "values_take_part", "", lambda: predicted(projections_fed_the_raw_input="refused")),
        ("predict", "values_take_part", "", lambda: predicted(a_ReLU_behind_each_addition="refused")),
        ("predict", "tensors_overlooked", "", lambda: predicted(no_BN_and_ReLU_at_the_end="fits")),
    ]
