"""What a residual block's diagram holds, before it is drawn: two columns of layers, shapes and words, and where the
shortcut leaves. Two plans are compared here, too.
"""

from __future__ import annotations

import difflib
import warnings
from dataclasses import dataclass, field

from .. import architecture
from ..architecture import Layer, ResNetConfig

HEIGHTS = {"conv": 44.0, "pad": 44.0, "bn": 26.0, "relu": 26.0, "add": 26.0, "shape": 16.0, "word": 16.0, "split": 0.0}
KINDS = {"basic": 34, "bottleneck": 50}


@dataclass
class Node:
    """Something on a line: a layer, a shape or a word that interrupts the line, the split."""

    kind: str  # a layer's kind, or "shape", "word", "split"
    lines: tuple[str, ...] = ()
    layer: Layer | None = None
    marked: bool = False
    y: float = 0.0  # vertical middle

    @property
    def height(self) -> float:
        """Pixels from top to bottom."""
        return HEIGHTS[self.kind] + (16 if len(self.lines) == 3 else 0)


@dataclass
class Plan:
    """One block, laid out as two columns of nodes."""

    config: ResNetConfig
    block: architecture.Block
    trunk: list[Node]
    side: list[Node]  # empty without a shortcut
    notes: list[str] = field(default_factory=list)  # differences from the block on the left

    @property
    def split(self) -> Node | None:
        """Where the shortcut leaves; None without one."""
        return next((node for node in self.trunk if node.kind == "split"), None)

    @property
    def after_activation(self) -> bool:
        """Whether the shortcut leaves behind the first BN and ReLU (some v2 blocks)."""
        kinds = [node.kind for node in self.trunk]
        return "split" in kinds and "relu" in kinds[: kinds.index("split")]

    @property
    def layers(self) -> list[Node]:
        """The layers of the trunk: branch, addition, and what follows it."""
        return [node for node in self.trunk if node.layer is not None]


def named_network(network: ResNetConfig | str) -> ResNetConfig:
    """Return the network that a name stands for; a configuration stands for itself."""
    if isinstance(network, ResNetConfig):
        return network
    if network not in KINDS:
        raise ValueError(f'A network is a ResNetConfig, "basic" or "bottleneck"; {network!r} is none of them.')
    return architecture.resnet_config(KINDS[network])


def plan_block(config: ResNetConfig, name: str | None, image_size: int | tuple[int, int] | None) -> Plan:
    """Read one block out of a network's description and trace."""
    blocks = {block.name: block for block in config.blocks}
    name = name or ("layer1.1" if "layer1.1" in blocks else "layer1.0")
    if name not in blocks:
        stages = enumerate(config.stage_blocks, start=1)
        listed = ", ".join(
            f"layer{stage}.0" + (f" … layer{stage}.{count - 1}" if count > 1 else "") for stage, count in stages
        )
        raise ValueError(f"{config.name} has no block {name!r}; its blocks are {listed}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a drawing of a network on tiny images is not a training step
        layers = [layer for layer in architecture.trace(config, image_size) if layer.name.startswith(f"{name}.")]
    block = blocks[name]
    side = [layer for layer in layers if ".downsample" in layer.name]
    main = [layer for layer in layers if layer not in side]
    shortcut = block.shortcut_kind != "none"
    late = shortcut and config.version == "v2" and block.split_after_activation
    opens = "bn" if config.version == "v2" else "conv"  # the layer that begins each conv-BN-ReLU or BN-ReLU-conv

    trunk = [_shape(main[0].in_shape)]
    if shortcut and not late:
        trunk.append(Node("split"))
    for index, layer in enumerate(main):
        if index and (layer.kind == opens or layer.kind == "add"):
            trunk.append(_shape(layer.in_shape))
        trunk.append(Node(layer.kind, words(layer), layer))
        if late and layer.name == f"{name}.relu1":
            trunk.append(Node("split"))
    trunk.append(_shape(main[-1].out_shape))

    beside = [Node(layer.kind, words(layer), layer) for layer in side]
    if side:
        beside.append(_shape(side[-1].out_shape))
    elif shortcut:
        beside.append(Node("word", ("identity",)))
    return Plan(config, block, trunk, beside)


def _shape(shape: tuple[int, ...]) -> Node:
    return Node("shape", (" × ".join(map(str, shape)),))


def words(layer: Layer) -> tuple[str, ...]:
    """What stands in a layer's box, line by line."""
    if layer.kind == "conv":
        assert layer.kernel is not None
        stride = f", stride {layer.stride}" if (layer.stride or 1) > 1 else " channels"
        return f"{layer.kernel[0]}×{layer.kernel[1]} conv", f"{layer.out_shape[0]}{stride}"
    if layer.kind == "pad":
        steps = [f"stride {layer.stride}"] if (layer.stride or 1) > 1 else []
        return ("zero-pad", *steps, f"+{layer.out_shape[0] - layer.in_shape[0]} channels")
    return ({"bn": "BN", "relu": "ReLU", "add": "+"}[layer.kind],)


# Comparing neighbours -------------------------------------------------------------------------------------------------


def compare(left: Plan, plan: Plan) -> None:
    """Mark what differs from the block on the left, and note it in words, also what is gone."""
    before, after = left.layers, plan.layers
    matcher = difflib.SequenceMatcher(None, [_token(node) for node in before], [_token(node) for node in after], False)
    gone: list[str] = []
    new: list[str] = []
    for action, i, i_end, j, j_end in matcher.get_opcodes():
        if action == "equal":
            for old, node in zip(before[i:i_end], after[j:j_end], strict=True):
                if (old_stride := _stride(old)) != _stride(node):
                    node.marked = True
                    plan.notes.append(f"{short_name(node)}: stride {_stride(node)} instead of {old_stride}")
        gone += _runs(before, i, i_end, "no") if action in ("delete", "replace") else []
        if action in ("insert", "replace"):
            new += _runs(after, j, j_end, "")
            for node in after[j:j_end]:
                node.marked = True
    plan.notes += new + gone
    _compare_shortcuts(left, plan)
    plan.notes = plan.notes or ["no difference"]


def _compare_shortcuts(left: Plan, plan: Plan) -> None:
    kinds = left.block.shortcut_kind, plan.block.shortcut_kind
    old = {(*_token(node), _stride(node)) for node in left.side}
    for node in plan.side:
        node.marked = node.kind != "shape" and bool(left.side) and (*_token(node), _stride(node)) not in old
    if kinds[0] != kinds[1]:
        plan.notes.append({"none": "no shortcut"}.get(kinds[1], f"{shortcut_words(plan)} shortcut"))
    elif "bn" in {node.kind for node in left.side} - {node.kind for node in plan.side}:
        plan.notes.append("no BN on the shortcut")
    elif "bn" in {node.kind for node in plan.side} - {node.kind for node in left.side}:
        plan.notes.append("BN on the shortcut")
    if plan.split and left.split and plan.after_activation != left.after_activation:
        plan.split.marked = True
        plan.notes.append(f"the shortcut takes the {'activated' if plan.after_activation else 'raw'} input")


def _token(node: Node) -> tuple[object, ...]:
    layer = node.layer
    return (node.kind, layer and layer.kernel, layer and layer.kind == "conv" and layer.out_shape[0])


def _stride(node: Node) -> int:
    return (node.layer and node.layer.stride) or 1


def short_name(node: Node) -> str:
    """A layer's name within its block: "conv1", "downsample.0"."""
    assert node.layer is not None
    return node.layer.name.split(".", 2)[2]


def _runs(nodes: list[Node], start: int, end: int, lead: str) -> list[str]:
    """Name layers start … end - 1 by their neighbour, one phrase for each neighbour."""
    phrases: list[str] = []
    names: list[str] = []
    place = ""
    for index in range(start, end):
        node = nodes[index]
        if node.kind == "add":  # the shortcut's own note says it
            continue
        previous = nodes[index - 1] if index else None
        if not names or (previous is not None and previous.kind == "add"):
            phrases += [f"{lead} {', '.join(names)} {place}".strip()] if names else []
            names = []
            following = next((n for n in nodes[index:] if n.kind == "conv"), None)
            if previous is not None:
                place = "after the addition" if previous.kind == "add" else f"after {short_name(previous)}"
            else:
                place = (
                    f"before {short_name(following)}" if following is not None and following is not node else "first"
                )
        names.append("BN" if node.kind == "bn" else "ReLU" if node.kind == "relu" else " ".join(node.lines))
    return phrases + ([f"{lead} {', '.join(names)} {place}".strip()] if names else [])


def shortcut_words(plan: Plan) -> str:
    """Name the kind of shortcut: "identity", "zero-padded", "projection" or "no"."""
    return {"none": "no", "pad": "zero-padded"}.get(plan.block.shortcut_kind, plan.block.shortcut_kind)
