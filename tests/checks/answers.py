"""Answers as learners hand them in: wrong ones for every mistake of the catalogue, and right ones in other styles.

One body serves both frameworks: `b` has the layers `conv1 bn1 conv2 bn2` (or dense layers under those names) and the
framework's functions. What only one framework can get wrong is written in that one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Body = Callable[[Any, Any], Any]


def right(b: Any, x: Any) -> Any:
    return b.relu(x + b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x))))))


def branch(b: Any, x: Any) -> Any:
    return b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x)))))


def rectified_copy(b: Any, x: Any) -> Any:
    out = b.conv1(x)
    x = b.relu(x)
    return b.relu(x + b.bn2(b.conv2(b.relu(b.bn1(out)))))


def rectified_input(b: Any, x: Any) -> Any:
    x = b.relu(x)
    return right(b, x)


def late_after_conv(b: Any, x: Any) -> Any:
    x = b.conv1(x)
    return b.relu(x + b.bn2(b.conv2(b.relu(b.bn1(x)))))


def late_after_relu(b: Any, x: Any) -> Any:
    x = b.relu(b.bn1(b.conv1(x)))
    return b.relu(x + b.bn2(b.conv2(x)))


def overwritten(b: Any, x: Any) -> Any:
    x = b.relu(b.bn1(b.conv1(x)))
    x = b.bn2(b.conv2(x))
    return b.relu(x + x)


def dropped(b: Any, x: Any) -> Any:
    b.conv1(b.relu(x))
    out = right(b, x)
    b.bn3(out)
    return out


# Mistake → answers that show it, and nothing else. (body, how the layers are made)
WRONG: dict[str, list[tuple[Body, dict[str, Any]]]] = {
    "no_addition": [(lambda b, x: b.relu(b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x)))))), {})],
    "concatenation": [
        (lambda b, x: b.relu(b.concatenate(x, b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x))))))), {}),
        (lambda b, x: b.relu(b.concatenate(b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x))))), x)), {}),
        (lambda b, x: b.relu(b.concatenate(b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x))))), x, axis=0)), {}),
    ],
    "multiplication": [(lambda b, x: b.relu(x * b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x)))))), {})],
    "halved_sum": [(lambda b, x: b.relu(0.5 * (x + b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x))))))), {})],
    "shortcut_overwritten": [(overwritten, {})],
    "late_shortcut": [(late_after_conv, {}), (late_after_relu, {})],
    "shortcut_without_gradient": [(lambda b, x: b.relu(b.detach(x) + b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x)))))), {})],
    "relu_before_addition": [(lambda b, x: x + b.relu(b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x)))))), {})],
    "no_last_relu": [(lambda b, x: x + b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x))))), {})],
    "no_middle_relu": [(lambda b, x: b.relu(x + b.bn2(b.conv2(b.bn1(b.conv1(x))))), {})],
    "in_place_relu": [(rectified_copy, {}), (rectified_input, {})],
    "two_relus": [(lambda b, x: b.relu(x + b.relu(b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x))))))), {})],
    "rectified_apart": [(lambda b, x: b.relu(x) + b.relu(b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x)))))), {})],
    "pre_activation": [(lambda b, x: x + b.conv2(b.relu(b.bn2(b.conv1(b.relu(b.bn1(x)))))), {})],
    "no_first_bn": [(lambda b, x: b.relu(x + b.bn2(b.conv2(b.relu(b.conv1(x))))), {"norms": (2,)})],
    "no_second_bn": [(lambda b, x: b.relu(x + b.conv2(b.relu(b.bn1(b.conv1(x))))), {"norms": (1,)})],
    "bn_after_relu": [
        (lambda b, x: b.relu(x + b.bn2(b.conv2(b.bn1(b.relu(b.conv1(x)))))), {}),
        (lambda b, x: b.relu(x + b.bn2(b.relu(b.conv2(b.bn1(b.relu(b.conv1(x))))))), {}),
    ],
    "bn_after_addition": [(lambda b, x: b.relu(b.bn2(x + b.conv2(b.relu(b.bn1(b.conv1(x)))))), {})],
    "one_bn_for_both": [(lambda b, x: b.relu(x + b.bn1(b.conv2(b.relu(b.bn1(b.conv1(x)))))), {"norms": (1,)})],
    "training_statistics": [(right, {"statistics": "batch"})],
    "running_statistics": [(right, {"statistics": "running"})],
    "bias_before_bn": [(right, {"bias": True})],
    "bn_eps": [(right, {"eps": 1e-3})],
    "bn_momentum": [(right, {"momentum": 0.01})],
    "bn_without_scale": [(right, {"affine": False})],
    "no_return": [(lambda b, x: (right(b, x), None)[1], {})],
    "not_called": [(lambda b, x: b.ReLU(), {}), (lambda b, x: right(b, b.BatchNorm(x)(x)), {})],
    "never_used": [(right, {"norms": (1, 2, 3)})],
    "output_dropped": [(dropped, {"norms": (1, 2, 3)})],
}
OF_CONVOLUTIONS: dict[str, list[tuple[Body, dict[str, Any]]]] = {
    "no_padding": [(right, {"padding": 0})],
    "stride": [(right, {"stride": 2})],
    "kernel_size": [(right, {"kernel": 1})],
    "fixed_channels": [(right, {"width": 8})],
}
# Two mistakes at once: each must be rejected, at least one must be named, and none that is not there.
TWO: list[tuple[tuple[str, ...], Body, dict[str, Any]]] = [
    (("no_middle_relu", "no_last_relu"), lambda b, x: x + b.bn2(b.conv2(b.bn1(b.conv1(x)))), {}),
    (("relu_before_addition", "bias_before_bn"), WRONG["relu_before_addition"][0][0], {"bias": True}),
    (("no_addition", "bn_eps"), WRONG["no_addition"][0][0], {"eps": 1e-3}),
    (("halved_sum", "no_middle_relu"), lambda b, x: b.relu(0.5 * (x + b.bn2(b.conv2(b.bn1(b.conv1(x)))))), {}),
    (("no_first_bn", "no_second_bn"), lambda b, x: b.relu(x + b.conv2(b.relu(b.conv1(x)))), {"norms": ()}),
    (("no_last_relu", "bn_after_addition"), lambda b, x: b.bn2(x + b.conv2(b.relu(b.bn1(b.conv1(x))))), {}),
    (("late_shortcut", "relu_before_addition"), lambda b, x: _late_and_before(b, x), {}),
    (("bias_before_bn", "bn_momentum"), right, {"bias": True, "momentum": 0.01}),
    (("training_statistics", "no_addition"), WRONG["no_addition"][0][0], {"statistics": "batch"}),
    (("concatenation", "no_last_relu"),
     lambda b, x: b.concatenate(x, b.bn2(b.conv2(b.relu(b.bn1(b.conv1(x)))))), {}),
    (("one_bn_for_both", "no_last_relu"), lambda b, x: x + b.bn1(b.conv2(b.relu(b.bn1(b.conv1(x))))), {"norms": (1,)}),
    (("bn_after_relu", "two_relus"),
     lambda b, x: b.relu(x + b.relu(b.bn2(b.conv2(b.bn1(b.relu(b.conv1(x))))))), {}),
]  # fmt: skip


def _late_and_before(b: Any, x: Any) -> Any:
    x = b.relu(b.bn1(b.conv1(x)))
    return x + b.relu(b.bn2(b.conv2(x)))


def make(framework: str, body: Body, dense: bool = False, **layers: Any) -> Any:
    """A class of one framework whose block computes `body`."""
    return _torch_class(body, dense, **layers) if framework == "pytorch" else _keras_class(body, dense, **layers)


def _torch_class(
    body: Body, dense: bool, *, bias: bool = False, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True,
    padding: int = 1, stride: int = 1, kernel: int = 3, norms: tuple[int, ...] = (1, 2), statistics: str = "",
    width: int = 0,
) -> Any:  # fmt: skip
    import torch
    from torch import nn

    class Answer(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            channels = width or channels
            norm = nn.BatchNorm1d if dense else nn.BatchNorm2d
            for k in (1, 2):
                layer = (
                    nn.Linear(channels, channels, bias=bias)
                    if dense
                    else nn.Conv2d(channels, channels, kernel, stride, padding * (kernel // 2), bias=bias)
                )
                self.add_module(f"conv{k}", layer)
            for k in norms:
                made = norm(channels, eps, momentum, affine, track_running_stats=statistics != "batch")
                self.add_module(f"bn{k}", made)
            self.relu = torch.relu

        ReLU, BatchNorm = nn.ReLU, nn.BatchNorm2d

        def concatenate(self, *terms: Any, axis: int = 1) -> Any:
            return torch.cat(terms, axis)

        def detach(self, x: Any) -> Any:
            return x.detach()

        def forward(self, x: Any) -> Any:
            if statistics == "running":
                for module in self.modules():
                    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                        module.eval()
            return body(self, x)

    return Answer


def _keras_class(
    body: Body, dense: bool, *, bias: bool = False, eps: float = 1e-5, momentum: float = 0.1, affine: bool = True,
    padding: int = 1, stride: int = 1, kernel: int = 3, norms: tuple[int, ...] = (1, 2), statistics: str = "",
    width: int = 0, axis: int = -1,
) -> Any:  # fmt: skip
    import keras
    import tensorflow as tf
    from keras import layers

    class Norm(layers.BatchNormalization):
        def call(self, x: Any, training: bool | None = None, mask: Any = None) -> Any:
            return super().call(x, training={"batch": True, "running": False}.get(statistics, training))

    class Answer(layers.Layer):
        def __init__(self, channels: int) -> None:
            super().__init__()
            channels = width or channels
            padded = "same" if padding else "valid"
            for k in (1, 2):
                layer = (
                    layers.Dense(channels, use_bias=bias)
                    if dense
                    else layers.Conv2D(channels, kernel, stride, padded, use_bias=bias)
                )
                setattr(self, f"conv{k}", layer)
            for k in norms:
                setattr(self, f"bn{k}", Norm(axis, momentum=1 - momentum, epsilon=eps, center=affine, scale=affine))
            self.relu = keras.ops.relu

        ReLU, BatchNorm = layers.ReLU, layers.ReLU  # Keras's BN takes any settings

        def concatenate(self, *terms: Any, axis: int = -1) -> Any:
            return keras.ops.concatenate(terms, axis=axis)

        def detach(self, x: Any) -> Any:
            return tf.stop_gradient(x)

        def call(self, x: Any) -> Any:
            return body(self, x)

    return Answer


def chain(
    framework: str, body: Body, *, hidden: bool = False, repeated: bool = False, around: bool = False, **layers: Any
) -> Any:  # fmt: skip
    """Three such blocks of dense layers, one after the other.

    `hidden`: where PyTorch does not find them. `around`: the bodies are branches, and one shortcut spans all three.
    """
    block = make(framework, body, dense=True, **layers)

    def run(blocks: Any, x: Any) -> Any:
        out = x
        for number, each in enumerate(blocks, 1):
            out = each(out)
            if around:
                out = each.relu(out + x if number == 3 else out)
        return out

    if framework == "pytorch":
        from torch import nn

        class Chain(nn.Module):
            def __init__(self, width: int) -> None:
                super().__init__()
                made = [block(width)] * 3 if repeated else [block(width) for _ in range(3)]
                self.blocks = made if hidden else nn.ModuleList(made)

            def forward(self, x: Any) -> Any:
                return run(self.blocks, x)

        return Chain
    from keras import layers as keras_layers

    class KerasChain(keras_layers.Layer):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.blocks = [block(width)] * 3 if repeated else [block(width) for _ in range(3)]

        def call(self, x: Any) -> Any:
            return run(self.blocks, x)

    return KerasChain


# What only one framework can get wrong, or gets wrong in its own way.


def torch_only() -> dict[str, Any]:
    """Mistake → answer in PyTorch."""
    from torch import nn

    good = make("pytorch", right)

    class Hidden(good):  # type: ignore[misc,valid-type]
        def __init__(self, channels: int) -> None:
            super().__init__(channels)
            del self.conv1, self.conv2
            self.convs = [nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2)]

        def forward(self, x: Any) -> Any:
            branch = self.bn2(self.convs[1](self.relu(self.bn1(self.convs[0](x)))))
            return self.relu(x + branch)

    class InCall(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.channels = channels

        def forward(self, x: Any) -> Any:
            return good(self.channels)(x)

    class EditsInput(good):  # type: ignore[misc,valid-type]
        def forward(self, x: Any) -> Any:
            branch = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x.clone())))))
            x += branch
            return self.relu(x)

    class Overwrites(good):  # type: ignore[misc,valid-type]
        def forward(self, x: Any) -> Any:
            x = x.clone()
            out = self.conv1(x)
            branch = self.bn2(self.conv2(self.relu(self.bn1(out))))
            x += branch
            return self.relu(x)

    class Projected(good):  # type: ignore[misc,valid-type]
        def __init__(self, channels: int) -> None:
            super().__init__(channels)
            self.shortcut = nn.Conv2d(channels, channels, 1, bias=False)

        def forward(self, x: Any) -> Any:
            return self.relu(self.shortcut(x) + self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))

    def of_a_batch(x: Any) -> Any:
        channels = x.shape[1]
        return x + nn.BatchNorm2d(channels)(nn.Conv2d(channels, channels, 3, padding=1, bias=False)(x))

    return {
        "projection": Projected,
        "takes_the_batch": of_a_batch,
        "not_registered": Hidden,
        "layers_made_in_call": InCall,
        "edits_its_input": EditsInput,
        "overwrites_for_backward": Overwrites,
    }


def keras_only() -> dict[str, Any]:
    """Mistake → answer in Keras."""
    from keras import layers

    good = make("tensorflow", right)

    class Box:
        pass

    class Hidden(layers.Layer):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.box = Box()
            self.box.block = good(channels)  # type: ignore[attr-defined]

        def call(self, x: Any) -> Any:
            return self.box.block(x)  # type: ignore[attr-defined]

    class InCall(layers.Layer):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.channels = channels

        def call(self, x: Any) -> Any:
            return good(self.channels)(x)

    class Projected(good):  # type: ignore[misc,valid-type]
        def __init__(self, channels: int) -> None:
            super().__init__(channels)
            self.shortcut = layers.Conv2D(channels, 1, use_bias=False)
            self.norm = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

        def call(self, x: Any) -> Any:
            return self.relu(self.norm(self.shortcut(x)) + self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))

    def of_a_batch(x: Any, filters: int) -> Any:
        out = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(layers.Conv2D(filters, 3, padding="same")(x))
        return layers.ReLU()(layers.Add()([x, out]))

    return {
        "projection": Projected,
        "takes_the_batch": of_a_batch,
        "not_registered": Hidden,
        "layers_made_in_call": InCall,
        "wrong_axis": make("tensorflow", right, axis=1),
    }


# Right answers in other styles, along each axis on which they may differ.


def torch_styles() -> dict[str, Any]:
    """Style → answer in PyTorch."""
    import torch
    import torch.nn.functional as F
    from torch import nn

    def conv(channels: int) -> Any:
        return nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    class OtherNamesAndOrder(nn.Module):
        def __init__(self, planes: int) -> None:
            super().__init__()
            self.zweite_norm = nn.BatchNorm2d(planes)
            self.b = conv(planes)
            self.act = nn.ReLU()
            self.a = conv(planes)
            self.norm_of_a = nn.BatchNorm2d(planes)

        def forward(self, images: Any) -> Any:
            y = self.act(self.norm_of_a(self.a(images)))
            return self.act(self.zweite_norm(self.b(y)) + images)

    class Sequential(nn.Module):
        def __init__(self, c: int) -> None:
            super().__init__()
            self.branch = nn.Sequential(conv(c), nn.BatchNorm2d(c), nn.ReLU(), conv(c), nn.BatchNorm2d(c))

        def forward(self, x: Any) -> Any:
            return F.relu(self.branch(x) + x)

    class ModuleList(nn.Module):
        def __init__(self, c: int) -> None:
            super().__init__()
            self.parts = nn.ModuleList([conv(c), nn.BatchNorm2d(c), conv(c), nn.BatchNorm2d(c)])

        def forward(self, x: Any) -> Any:
            out = self.parts[1](self.parts[0](x)).relu()
            return (x + self.parts[3](self.parts[2](out))).clamp(min=0)

    class InPlaceWhereHarmless(OtherNamesAndOrder):
        def forward(self, images: Any) -> Any:
            y = F.relu(self.norm_of_a(self.a(images)), inplace=True)
            y = self.zweite_norm(self.b(y))
            y += images
            return F.relu_(y)

    class OtherPadding(nn.Module):
        def __init__(self, c: int) -> None:
            super().__init__()
            self.c1, self.c2 = (nn.Conv2d(c, c, 3, bias=False) for _ in range(2))
            self.b1, self.b2 = nn.BatchNorm2d(c), nn.BatchNorm2d(c)
            self.pad = nn.ZeroPad2d(1)

        def forward(self, x: Any) -> Any:
            out = F.relu(self.b1(self.c1(F.pad(x, (1, 1, 1, 1)))))
            return F.relu(self.b2(self.c2(self.pad(out))) + x)

    class OwnParameters(nn.Module):
        def __init__(self, c: int) -> None:
            super().__init__()
            self.first, self.second = (nn.Parameter(0.1 * torch.randn(c, c, 3, 3)) for _ in range(2))
            self.b1, self.b2 = nn.BatchNorm2d(c), nn.BatchNorm2d(c)

        def forward(self, x: Any) -> Any:
            out = self.b1(F.conv2d(x, self.first, padding=1)).relu()
            return (self.b2(torch.conv2d(out, self.second, padding="same")) + x).relu()

    class TwoArguments(Sequential):
        def __init__(self, in_channels: int, out_channels: int, stride: int = 1) -> None:
            super().__init__(in_channels)

    class Float32Only(Sequential):
        def forward(self, x: Any) -> Any:
            return super().forward(x) + torch.zeros(1, dtype=torch.float32).to(torch.float32) * self.ones(x)

        def ones(self, x: Any) -> Any:
            assert x.dtype == torch.float32, "this code makes float32 tensors of its own"
            return torch.ones_like(x)

    def function(channels: int) -> Any:
        return Sequential(channels)

    return {
        "other names and order": OtherNamesAndOrder,
        "nn.Sequential": Sequential,
        "nn.ModuleList": ModuleList,
        "in-place where harmless": InPlaceWhereHarmless,
        "another route to the padding": OtherPadding,
        "parameters of one's own": OwnParameters,
        "in and out channels": TwoArguments,
        "float32 only": Float32Only,
        "a function": function,
        "an instance": Sequential(6),
    }


def keras_styles() -> dict[str, Any]:
    """Style → answer in Keras."""
    import keras
    import tensorflow as tf
    from keras import layers, ops

    def conv(channels: int) -> Any:
        return layers.Conv2D(channels, 3, padding="same", use_bias=False)

    def norm() -> Any:
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)

    def functional(channels: int) -> Any:
        x = keras.Input((None, None, channels))
        out = layers.Activation("relu")(norm()(conv(channels)(x)))
        out = norm()(conv(channels)(out))
        return keras.Model(x, layers.ReLU()(layers.Add()([x, out])))

    class SubclassedModel(keras.Model):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.n2, self.n1 = norm(), norm()
            self.c2, self.c1 = conv(channels), conv(channels)

        def call(self, x: Any, training: bool = False) -> Any:
            out = tf.nn.relu(self.n1(self.c1(x), training=training))
            return tf.nn.relu(x + self.n2(self.c2(out), training=training))

    class PlainClass:
        def __init__(self, channels: int) -> None:
            self.steps = [conv(channels), norm(), ops.relu, conv(channels), norm()]

        def __call__(self, x: Any) -> Any:
            out = x
            for step in self.steps:
                out = step(out)
            return ops.relu(x + out)

    class Sequential(layers.Layer):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.branch = keras.Sequential([conv(channels), norm(), layers.ReLU(), conv(channels), norm()])

        def call(self, x: Any) -> Any:
            return ops.maximum(x + self.branch(x), 0)

    class ExplicitPadding(layers.Layer):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.pad = layers.ZeroPadding2D(1)
            self.c1, self.c2 = (layers.Conv2D(channels, 3, use_bias=False) for _ in range(2))
            self.n1, self.n2 = norm(), norm()

        def call(self, x: Any) -> Any:
            out = ops.relu(self.n1(self.c1(self.pad(x))))
            return ops.relu(x + self.n2(self.c2(self.pad(out))))

    def closure(channels: int) -> Any:
        c1, c2, n1, n2 = conv(channels), conv(channels), norm(), norm()
        return lambda x: ops.relu(x + n2(c2(ops.relu(n1(c1(x))))))

    return {
        "functional": functional,
        "subclassed model": SubclassedModel,
        "plain class": PlainClass,
        "keras.Sequential": Sequential,
        "another route to the padding": ExplicitPadding,
        "a function of a batch": closure,
    }


def wired(edit: dict[str, Any]) -> Any:
    """A block in PyTorch that computes the reference's body with changed wiring."""
    from resnet_lessons.checks import blocks

    import torch
    from torch import nn

    reference = blocks.basic_block().with_(edit)

    class Answer(nn.Module):
        relu, concatenate = staticmethod(torch.relu), staticmethod(lambda *terms, axis=1: torch.cat(terms, axis))
        add, multiply = staticmethod(lambda *terms: sum(terms)), staticmethod(lambda x, y: x * y)
        scale, detach = staticmethod(lambda x, factor: x * factor), staticmethod(lambda x: x.detach())

        def __init__(self, channels: int) -> None:
            super().__init__()
            for name in {use.layer.name for use in reference.sketch().uses}:
                conv = name.startswith("conv")
                layer = nn.Conv2d(channels, channels, 3, padding=1, bias=False) if conv else nn.BatchNorm2d(channels)
                self.add_module(name, layer)

        def conv(self, name: str, x: Any) -> Any:
            return self.get_submodule(name)(x)

        def bn(self, name: str, x: Any, statistics: str = "") -> Any:
            layer: Any = self.get_submodule(name)
            training = {"batch": True, "running": False}.get(statistics, layer.training)
            tensors = (layer.running_mean, layer.running_var, layer.weight, layer.bias)
            return torch.nn.functional.batch_norm(x, *tensors, training, layer.momentum, layer.eps)

        def forward(self, x: Any) -> Any:
            return reference.body(self, x, reference.wiring)

    return Answer


# All cases: what `test_answers` asserts one by one, and what the table in CONTRIBUTING.md lists.

Case = tuple[str, str, str, Callable[[], Any]]  # exercise, mistake, framework ("" where none is needed), answer
IN_A_KERAS_CHAIN = ("no_addition", "one_bn_for_both", "bias_before_bn")  # the bodies are the same; a chain takes longer


def cases() -> list[Case]:
    """Every wrong answer with the one mistake that is to be named."""
    return [*_of_blocks(), *_of_one_framework(), *_of_chains(), *_of_values()]


def _of_blocks() -> list[Case]:
    return [
        ("basic_block", mistake, framework, lambda f=framework, b=body, n=layers: make(f, b, **n))  # type: ignore[misc]
        for mistake, given in {**WRONG, **OF_CONVOLUTIONS}.items()
        for body, layers in given
        for framework in ("pytorch", "tensorflow")
    ]


def _of_one_framework() -> list[Case]:
    both = ("projection", "takes_the_batch", "not_registered", "layers_made_in_call")
    torch_keys, keras_keys = (*both, "edits_its_input", "overwrites_for_backward"), (*both, "wrong_axis")
    return [
        *(("basic_block", key, "pytorch", lambda k=key: torch_only()[k]) for key in torch_keys),  # type: ignore[misc]
        *(("basic_block", key, "tensorflow", lambda k=key: keras_only()[k]) for key in keras_keys),  # type: ignore[misc]
    ]


def _of_chains() -> list[Case]:
    return [
        *(
            ("residual_mlp", mistake, framework, lambda f=framework, b=body, n=layers: chain(f, b, **n))  # type: ignore[misc]
            for framework in ("pytorch", "tensorflow")
            for mistake, given in WRONG.items()
            if mistake not in ("concatenation", "no_return") and (framework == "pytorch" or mistake in IN_A_KERAS_CHAIN)
            for body, layers in given
        ),
        ("residual_mlp", "not_registered", "pytorch", lambda: chain("pytorch", right, hidden=True)),
        ("residual_mlp", "one_shortcut", "pytorch", lambda: chain("pytorch", branch, around=True)),
        ("residual_mlp", "one_shortcut", "tensorflow", lambda: chain("tensorflow", branch, around=True)),
        ("residual_mlp", "one_block_repeated", "pytorch", lambda: chain("pytorch", right, repeated=True)),
        ("residual_mlp", "one_block_repeated", "tensorflow", lambda: chain("tensorflow", right, repeated=True)),
    ]


def _of_values() -> list[Case]:
    return [
        ("count", "counted_biases", "", lambda: 18560 + 64),
        ("count", "counted_running_statistics", "", lambda: 18560 + 128),
        ("count", "forgot_bn", "", lambda: 18432),
        ("count", "half_of_bn", "", lambda: 18432 + 64),
        ("count", "bn_by_layer", "", lambda: 18432 + 4),
        ("count", "kernel_of_3", "", lambda: 2 * 3 * 32 * 32 + 128),
        ("count", "counted_one_convolution", "", lambda: 9 * 32 * 32 + 128),
        ("count", "counted_one_convolution", "", lambda: 9280),
        ("count", "forgot_input_channels", "", lambda: 2 * 9 * 32 + 128),
        ("predict", "silent_is_zero", "", lambda: _predicted("0", "relu(x)", "0")),
        ("predict", "forgot_last_relu", "", lambda: _predicted("x", "x", "0")),
        ("predict", "branch_repeats_x", "", lambda: _predicted("2x", "relu(x)", "0")),
        ("predict", "branch_repeats_x", "", lambda: _predicted("x", "relu(x)", "x")),
    ]


def _predicted(*choices: str) -> dict[str, str]:
    return dict(zip(("input not negative", "input with negative values", "no shortcut"), choices, strict=True))


def table(of: list[Case] | None = None) -> list[str]:
    """The table in CONTRIBUTING.md: in which exercises a test asserts that a mistake, and nothing else, is named."""
    rows = ["| mistake | PyTorch | TensorFlow |", "|---|---|---|"]
    found: dict[str, dict[str, list[str]]] = {}
    for exercise, mistake, framework, _ in cases() if of is None else of:
        for column in [framework] if framework else ["pytorch", "tensorflow"]:
            named = found.setdefault(mistake, {}).setdefault(column, [])
            if f"`{exercise}`" not in named:
                named.append(f"`{exercise}`")
    for mistake, columns in sorted(found.items()):
        cells = [", ".join(columns.get(framework, ["–"])) for framework in ("pytorch", "tensorflow")]
        rows.append(f"| `{mistake}` | {' | '.join(cells)} |")
    return rows
