"""Mistakes that behaviour cannot tell, or that keep a block from running: they are seen in its layers.

Each detector takes the evidence and returns what it saw, or "". A chapter puts those it needs into its catalogue.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .evidence import TRAINING, Evidence
from .mistakes import Mistake, Section
from .observe import what_stopped_it
from .uses import KIND_NAMES, Layer, NoBlockError, WrongResultError

BUILD = Section("01_basic_block", 3, "Build it")
PROVE = Section("01_basic_block", 5, "Prove it")
MOMENTUM, EPS = 0.1, 1e-5  # PyTorch's convention


def _layers(evidence: Evidence, kind: str = "") -> list[Layer]:
    used = {id(use.layer): use.layer for use in evidence.partial}
    return [layer for layer in used.values() if layer.kind == kind or not kind]


def _few(names: Sequence[str]) -> str:
    """The names; of many only the first."""
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more layers"


def _named(layers: list[Layer]) -> str:
    names = [layer.name for layer in layers]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def biased(evidence: Evidence) -> str:
    found = [layer for kind in ("conv", "dense") for layer in _layers(evidence, kind) if "bias" in layer.tensors]
    count = sum(layer.shape[0] for layer in found)
    return f"Your block has {count} trainable parameters that the reference does not have." if found else ""


def other_eps(evidence: Evidence) -> str:
    for layer in _layers(evidence, "bn"):
        eps = float(layer.settings.get("eps", EPS))
        if abs(eps - EPS) > 1e-9:
            ours, theirs = (math.sqrt(1e-4 + value) for value in (eps, EPS))
            return (
                f"Where a variance is 0.0001, your {layer.name} divides by {ours:.4f}, the reference by {theirs:.4f}."
            )
    return ""


def other_momentum(evidence: Evidence) -> str:
    def momentum(layer: Layer) -> float:
        value = layer.settings.get("momentum")
        return MOMENTUM if value is None else float(value)

    for layer in _layers(evidence, "bn"):
        if abs(momentum(layer) - MOMENTUM) > 1e-6:
            return (
                f"One batch moves the running statistics of your {layer.name} by {momentum(layer):.3g} of the way to its own, "
                f"the reference's by {MOMENTUM:.3g}."
            )
    return ""


def without_scale(evidence: Evidence) -> str:
    missing = sum(
        layer.shape[0] for layer in _layers(evidence, "bn") for kind in ("weight", "bias") if kind not in layer.tensors
    )
    return f"Your block lacks {missing} trainable parameters that the reference has." if missing else ""


def not_registered(evidence: Evidence) -> str:
    found = [
        layer
        for layer in _layers(evidence)
        if any(not t.trained for k, t in layer.tensors.items() if k in ("weight", "bias"))
    ]
    if not found or evidence.makes_layers:
        return ""
    owner = "parameters()" if evidence.framework == "pytorch" else "trainable_variables"
    count = f"{len(found)} layers" if len(found) > 1 else f"{KIND_NAMES[found[0].kind]} {found[0].name}"
    return f"{count}: the weights are not among what {owner} gives an optimizer."


def made_in_call(evidence: Evidence) -> str:
    return "Two runs on the same batch used different weights." if evidence.makes_layers else ""


def edits_its_input(evidence: Evidence) -> str:
    return "The batch that your block was given holds other values after the call." if evidence.edits_input else ""


def never_used(evidence: Evidence) -> str:
    if evidence.error is not None or not evidence.unused:
        return ""
    return f"{_few(evidence.unused)}: made, but never run."


def output_dropped(evidence: Evidence) -> str:
    if evidence.measured is None:
        return ""
    trace = evidence.measured.trace
    reaching = trace.reaching()
    found = list(dict.fromkeys(u.layer.name for n, u in enumerate(trace.uses) if n not in reaching))
    return f"{_few(found)}: run, but nothing of it reaches the output." if found else ""


def shrinks(evidence: Evidence) -> str:
    size = evidence.images.shape[2:]
    for use in evidence.partial:
        if (
            use.layer.kind == "conv"
            and stride_of(use.layer) == 1
            and len(use.out_shape) == 4
            and not wrong_axis(evidence)
        ):
            after = use.out_shape[2:]
            if after != size and use.layer.shape[2] > 1:
                return f"{use.layer.name} puts out maps of {_size(after)}; the block's input has {_size(size)}."
    return ""


def strides(evidence: Evidence) -> str:
    for use in evidence.partial:
        if use.layer.kind == "conv" and stride_of(use.layer) != 1 and use.out_shape:
            before, after = _size(use.in_shape[2:]), _size(use.out_shape[2:])
            return f"{use.layer.name} makes maps of {after} from maps of {before}; this block keeps height and width."
    return ""


def other_kernel(evidence: Evidence) -> str:
    convolutions = _layers(evidence, "conv")
    found = [layer for layer in convolutions if layer.shape[2:] != (3, 3)]
    if len(convolutions) != 2:  # then it is another block, or has a convolution in its shortcut
        return ""
    return f"{_named(found)}: {found[0].kernel.strip()} instead of 3×3." if found else ""


def other_width(evidence: Evidence) -> str:
    channels = evidence.images.shape[1]
    if wrong_axis(evidence):
        return ""
    for layer in _layers(evidence, "conv"):
        if layer.settings.get("groups", 1) == 1 and layer.shape[:2] != (channels, channels):
            return f"Asked for {channels} channels, your {layer.name} turns {layer.shape[1]} into {layer.shape[0]}."
    return ""


def overwrites_what_backward_needs(evidence: Evidence) -> str:
    text = str(evidence.error) if evidence.stage == TRAINING else ""
    if "inplace operation" not in text:
        return ""
    return "The forward pass runs, the backward pass does not: a value that it needs was overwritten."


def no_return(evidence: Evidence) -> str:
    nothing = isinstance(evidence.error, (WrongResultError, NoBlockError)) and evidence.error.is_none
    return what_stopped_it(evidence) if nothing else ""


def not_called(evidence: Evidence) -> str:
    error = evidence.error
    if isinstance(error, WrongResultError):
        return what_stopped_it(evidence) if error.is_layer else ""
    place = error.__traceback__ if error is not None else None
    while place is not None:
        frame = place.tb_frame
        made = frame.f_locals.get("self")
        if frame.f_code.co_name == "__init__" and type(made).__module__.startswith(("torch.nn.", "keras.")):
            if any(_is_tensor(value) for value in frame.f_locals.values()):
                return f"{type(made).__name__} was given a tensor where it takes its settings."
            return ""
        place = place.tb_next
    return ""


def _is_tensor(value: Any) -> bool:
    return type(value).__module__.split(".")[0] in ("torch", "tensorflow") and hasattr(value, "shape")


def takes_the_batch(evidence: Evidence) -> str:
    return (
        "Given a batch, your function computes something; given a number of channels, it does not."
        * evidence.takes_batch
    )


def wrong_axis(evidence: Evidence) -> str:
    for layer in _layers(evidence):
        axis = layer.settings.get("axis", -1)
        if axis not in (-1, len(evidence.images.shape) - 1):
            taken, asked = evidence.images.shape[2], evidence.images.shape[1]  # TensorFlow's axis 1 is PyTorch's axis 2
            return f"{layer.name} takes axis {axis} of the batch for the channels: {taken} of them, instead of {asked}."
    return ""


def stride_of(layer: Layer) -> int:
    """Of a convolution, along its height; 1 where it is not known."""
    stride = layer.settings.get("stride", 1)
    return int(stride if isinstance(stride, int) else stride[0])


def _size(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))


_IOFFE = '<a href="https://arxiv.org/abs/1502.03167" target="_blank" rel="noopener">Ioffe and Szegedy 2015</a>'

BIAS = Mistake(
    "bias_before_bn",
    "a bias in front of BN",
    "BN subtracts the mean of each channel, and a bias with it. Whatever the bias is, in training the output does not "
    "depend on it.",
    f"The parameters are counted, stored and given to the optimizer for nothing ({_IOFFE}, section 3.2), and published "
    "checkpoints of such blocks have no tensor for them.",
    BUILD,
    "keras.applications' ResNet50; Keras's and PyTorch's default",
    visible=biased,
)
EPSILON = Mistake(
    "bn_eps",
    "another ε in BN",
    "ε is added to the variance under the root. The defaults differ: 1e-5 in PyTorch, 1e-3 in Keras.",
    "Where a variance is small, the same weights give other outputs: a network with weights from elsewhere is off by a "
    "little in every layer, and no error says so.",
    BUILD,
    "Keras's default",
    visible=other_eps,
)
MOMENTUM_OF_BN = Mistake(
    "bn_momentum",
    "another momentum in BN",
    "Momentum says how quickly running statistics follow the batches. The frameworks count it from opposite ends: 0.1 in "
    "PyTorch is 0.9 in Keras, and Keras's default is 0.99.",
    "With a short training the running statistics are still near their start when the network is tested, and a good network "
    "scores badly.",
    BUILD,
    "Keras's default, and PyTorch's 0.1 copied into Keras",
    visible=other_momentum,
)
NO_SCALE = Mistake(
    "bn_without_scale",
    "BN without γ and β",
    "Such a BN only normalises.",
    "γ and β let the network undo the normalisation where that is better, and with γ = 0 a block begins as an identity.",
    BUILD,
    visible=without_scale,
)
NOT_REGISTERED = Mistake(
    "not_registered",
    "layers that the framework does not know of",
    "In PyTorch a Python list or dictionary of layers hides them: <code>nn.ModuleList</code> and "
    "<code>nn.Sequential</code> show them. A weight that is no <code>nn.Parameter</code> is hidden, too. Keras "
    "looks into lists and dictionaries, but not into other objects.",
    "An optimizer never gets these weights, so they stay random; <code>state_dict()</code> does not save them, and "
    "<code>eval()</code> and <code>to()</code> do not reach them.",
    BUILD,
    visible=not_registered,
    implies=("training_statistics", "running_statistics"),
)
MADE_IN_CALL = Mistake(
    "layers_made_in_call",
    "layers that are made when the block is called",
    "A layer made in <code>forward</code> or <code>call</code> is a new one, with new random weights, each time.",
    "Nothing that a training step learns is still there in the next.",
    BUILD,
    visible=made_in_call,
)
EDITS_INPUT = Mistake(
    "edits_its_input",
    "the block changes the batch that it is given",
    "<code>x += …</code>, <code>x.relu_()</code> and <code>inplace=True</code> write into x itself, which belongs to the "
    "caller.",
    "Whoever else uses x, such as a second path or the loss, gets other numbers.",
    Section("01_basic_block", 8, "The lab: find the planted fault"),
    visible=edits_its_input,
)
OVERWRITTEN_FOR_BACKWARD = Mistake(
    "overwrites_for_backward",
    "an in-place operation on a value that the backward pass needs",
    "A convolution's gradient needs the convolution's input. Writing into that input afterwards destroys it.",
    "PyTorch notices and refuses. In evaluation, where nothing is differentiated, it would not.",
    Section("01_basic_block", 8, "The lab: find the planted fault"),
    visible=overwrites_what_backward_needs,
)
NEVER_USED = Mistake(
    "never_used",
    "a layer is made and never run",
    "It is listed among the block's parameters, and the output does not depend on it.",
    "Counts and checkpoints do not fit any more, and weight decay shrinks weights that do nothing.",
    BUILD,
    visible=never_used,
)
DROPPED = Mistake(
    "output_dropped",
    "a layer is run and its output dropped",
    "Something was computed and then not used: often its name was assigned twice.",
    "The layer costs time and is never trained.",
    BUILD,
    visible=output_dropped,
)
SHRINKS = Mistake(
    "no_padding",
    "a convolution without padding",
    "A 3×3 convolution without padding loses a pixel on each side, and the branch no longer fits on x.",
    "The addition needs equal shapes. Cropping x to fit would hide the mistake, and lose the border in every block.",
    BUILD,
    visible=shrinks,
)
STRIDE = Mistake(
    "stride",
    "a stride where the block keeps its shape",
    "A stride of 2 halves height and width of the branch, and x keeps its own.",
    "This block's shortcut is the identity, so both have to keep their shape.",
    BUILD,
    visible=strides,
)
KERNEL = Mistake(
    "kernel_size",
    "another kernel size",
    "A basic block has two 3×3 convolutions (He et al. 2015, figure 5, left).",
    "A 1×1 convolution sees no neighbours, and a 5×5 has 25/9 as many weights. Published checkpoints fit neither.",
    Section("01_basic_block", 2, "The idea in a picture"),
    visible=other_kernel,
)
WIDTH = Mistake(
    "fixed_channels",
    "the number of channels is fixed",
    "The block is made with a number of channels, and uses another one.",
    "A network has blocks of several widths: the same class has to serve for all of them.",
    BUILD,
    visible=other_width,
)
NO_RETURN = Mistake(
    "no_return",
    "nothing is returned",
    "A Python function without <code>return</code> gives <code>None</code>: what it computed is lost when it ends.",
    "The next block would be given None in place of a batch.",
    BUILD,
    visible=no_return,
)
NOT_CALLED = Mistake(
    "not_called",
    "a layer is made where it should be run",
    "<code>nn.ReLU(…)</code> and <code>layers.ReLU(…)</code> make a layer, and what stands in the brackets are its settings. "
    "The layer that was made still has to be called with a tensor. Functions compute at once.",
    "What is a layer and what is a function looks alike: in both frameworks ReLU exists as both.",
    BUILD,
    visible=not_called,
)
TAKES_THE_BATCH = Mistake(
    "takes_the_batch",
    "a function of the batch, which makes its layers anew each time",
    "Making the layers and running them are two steps here: first the number of channels gives a block with its weights, "
    "then the block is called, as often as one likes, with a batch.",
    "Layers that are made at each call have new random weights each time, so nothing that is learned stays. (In Keras's "
    "functional style such a function is called once, with a symbolic input, and a model is made of it.)",
    BUILD,
    visible=takes_the_batch,
)
WRONG_AXIS = Mistake(
    "wrong_axis",
    "the channels are looked for on the wrong axis",
    "A batch is (B, H, W, C) in TensorFlow and (B, C, H, W) in PyTorch.",
    "On square maps with as many rows as channels no error says so.",
    BUILD,
    visible=wrong_axis,
)
LAYERS = (
    NO_RETURN, NOT_CALLED, TAKES_THE_BATCH, BIAS, EPSILON, MOMENTUM_OF_BN, NO_SCALE, NOT_REGISTERED, MADE_IN_CALL,
    EDITS_INPUT, OVERWRITTEN_FOR_BACKWARD, NEVER_USED, DROPPED,
)  # fmt: skip
CONVOLUTIONS = (SHRINKS, STRIDE, KERNEL, WIDTH, WRONG_AXIS)
