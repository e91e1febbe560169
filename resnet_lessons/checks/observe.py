"""What is said first: where an answer and the reference part, in numbers, or what stopped it. No mistake is named here."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from . import guard
from .align import mismatch, pairings
from .diagnose import Mapped, close
from .evidence import BUILDING, RUNNING, TRAINING, Evidence, Measured
from .guard import OutOfTimeError
from .uses import NoBlockError, WrongResultError
from .wiring import Facts, Numbers, Reference


def what_stopped_it(evidence: Evidence) -> str:
    """What a block raised, and when."""
    error = evidence.error
    if isinstance(error, OutOfTimeError):
        return f"Your code did not come to an end within {guard.SECONDS:g} seconds: look for a loop that never ends."
    if isinstance(error, WrongResultError):
        return f"Your block returned {error}; it should return a tensor."
    if isinstance(error, NoBlockError):
        return _sentence(str(error))
    said = _said(error)
    if evidence.stage == TRAINING:
        return f"In {TRAINING} it raised {said}"
    if evidence.stage == RUNNING and evidence.partial:
        last = evidence.partial[-1]
        if not last.out_shape:
            return f"Its layer {last.layer.name}, given {_shape(last.in_shape, evidence)}, raised {said}"
        return f"After its layer {last.layer.name} put out {_shape(last.out_shape, evidence)}, it raised {said}"
    if evidence.stage == BUILDING:
        given = evidence.called_with or f"the number of channels, {evidence.images.shape[1]}"
        return f"Called with {given}, it raised {said}"
    return f"While {evidence.stage} it raised {said}"


def _said(error: BaseException | None) -> str:
    """An error's kind and message, without what the frameworks add for their own developers."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    text = re.sub(r"\{\{.*?\}\} | \[Op:\w+\].*|Hint: enable anomaly detection.*", "", text, flags=re.DOTALL)
    text = " ".join(text.split())
    if len(text) > 300:  # Keras puts what happened at the end of a long sentence
        text = f"{text[:140]} … {text[-160:]}"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def difference(evidence: Evidence, measured: Measured, reference: Reference) -> tuple[str, ...]:
    """Where an answer and the reference part."""
    trace, right = measured.trace.without_dropped(), reference.sketch()
    pairs = next(pairings(trace, right), None)
    shape = _shape_difference(evidence, measured, reference)
    if evidence.unfollowed:
        return tuple(text for text in (shape, *not_followed(evidence)) if text)
    if shape or pairs is None:
        counted = mismatch(trace, right)
        if counted and len(trace.uses) < len(measured.trace.uses):
            counted = f"not counting what is dropped, {counted}"
        return tuple(text for text in (shape, _sentence(counted)) if text)
    if not np.isfinite(measured.outputs).all():
        return (f"{_percent(~np.isfinite(measured.outputs))} of the outputs are NaN or infinite.",)
    mapped = Mapped(evidence, measured, pairs)
    expected, trained = (mapped.run(reference, training=training) for training in (False, True))
    if expected is None or trained is None:
        return ("Your block's layers do not fit into the reference.",)
    if not close(measured.outputs, expected.out, evidence.tolerance):
        return tuple(_outputs(mapped, expected))
    if not close(measured.outputs_training, trained.out, evidence.tolerance):
        return ("In evaluation mode all outputs agree; in training mode they differ.",)
    own = {theirs: ours for ours, theirs in mapped.names.items()}
    if running := mapped.wrong_running(trained):
        layer, kind = running[0]
        return (f"Outputs agree. After a training step the {kind} of your {own[layer]} differs.",)
    wrong = ["the input" if key is None else f"{own[key[0]]}'s {key[1]}" for key in mapped.wrong_gradients(reference)]
    return (f"All outputs agree; the gradients do not, with respect to {', '.join(wrong) or 'some tensors'}.",)


def not_followed(evidence: Evidence) -> tuple[str, ...]:
    """That a part of an answer cannot be judged: a count of layers, or a verdict, would say more than is known."""
    if not evidence.unfollowed:
        return ()
    layers = {
        "pytorch": "convolutions, batch normalisations and dense layers as PyTorch computes them (its modules, and the functions "
        "of torch.nn.functional)",
        "tensorflow": "Keras's layers Conv2D, BatchNormalization and Dense, and no operations on weights of your own",
    }[evidence.framework]
    names = evidence.unfollowed
    few = ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"
    return (f"What your block does with {few}, the check cannot follow: it knows {layers}.",)


def _outputs(mapped: Mapped, expected: Numbers) -> Iterator[str]:
    evidence, ours, theirs = mapped.evidence, mapped.measured.outputs, expected.out
    differs = np.abs(ours - theirs) > evidence.tolerance * np.abs(theirs).max()
    place = tuple(int(n) for n in np.argwhere(differs)[0])
    axes = ("image", "channel", "row", "column") if len(place) == 4 else ("example", "feature")
    where = ", ".join(f"{axis} {number}" for axis, number in zip(axes, place, strict=True))
    drawn = " with random weights and BN tensors," if mapped.names else ""  # a shortcut may have none
    yield (
        f"On a batch of shape {_shape(evidence.images.shape, evidence)},{drawn} {_percent(differs)} of the outputs differ, "
        f"first at {where}: yours is {ours[place]:.4f}, the reference's {theirs[place]:.4f}."
    )
    if (ours < -1e-9).any() and not (theirs < -1e-9).any():
        yield f"Your smallest output is {ours.min():.2f}; the reference has none below 0."
    if (theirs < -1e-9).any() and not (ours < -1e-9).any():
        yield f"You have no output below 0; the reference's smallest is {theirs.min():.2f}."
    yield from _first_layer(mapped, expected)


def _first_layer(mapped: Mapped, expected: Numbers) -> Iterator[str]:
    """Up to which layer with weights the two agree."""
    theirs: dict[str, list[np.ndarray]] = {}
    for name, output in expected.outputs:
        theirs.setdefault(name, []).append(output)
    agreed = ""
    for use in mapped.measured.trace.uses:
        name = mapped.names.get(use.layer.name, "")
        values = theirs[name].pop(0) if theirs.get(name) else None
        if values is None or use.output is None:
            return
        if not close(use.output, values, mapped.evidence.tolerance):
            so_far = f"up to your {agreed} all agrees; " if agreed else ""
            yield _sentence(f"{so_far}your {use.layer.name} is the first layer to differ")
            return
        agreed = use.layer.name
    if agreed:
        yield f"Every layer with weights, up to your {agreed}, computes what it should: the difference comes after them."


def _shape_difference(evidence: Evidence, measured: Measured, reference: Reference) -> str:
    zeros = {
        (name, kind): np.zeros(shape)
        for name, (_, shape) in reference.layers.items()
        for kind in ("weight", "running_mean", "running_var")
    }
    expected = reference.run(evidence.images, zeros, Facts(unbiased=True)).out.shape
    if measured.outputs.shape == expected:
        return ""
    given, got, asked = (_shape(s, evidence) for s in (evidence.images.shape, measured.outputs.shape, expected))
    return f"A batch of shape {given} comes out as {got}; it should come out as {asked}."


def _shape(shape: tuple[int, ...], evidence: Evidence) -> str:
    """As the learner's framework orders the axes."""
    if evidence.framework == "tensorflow" and len(shape) == 4:
        shape = (shape[0], shape[2], shape[3], shape[1])
    return str(tuple(shape))


def _percent(mask: np.ndarray) -> str:
    share = float(mask.mean())
    return f"{share:.0%}" if share >= 0.005 else f"{int(mask.sum())}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}" if text else ""
