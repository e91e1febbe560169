"""A task that asks for a function of arrays or numbers: it is called with several sets of arguments, and results are compared.

The right function is written once, with a keyword for each place where people go wrong; every default is right:

    def rate(step, *, counts="updates"):        rate(400) is right, rate(400, counts="epochs") a mistake

A mistake of the catalogue is a changed keyword (`edits=[{"counts": "epochs"}]`), as it is a changed field of a block's
wiring. What the right function returns with it is what the mistake returns, so two mistakes are two changed keywords, and a
mistake is named only if it reproduces every result.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import structure
from .diagnose import MOST_MISTAKES, few_mistakes
from .evidence import BUILDING, Evidence
from .guard import Guard, OutOfTimeError
from .mistakes import Mistake, Section
from .observe import what_stopped_it
from .outcome import NOT_ATTEMPTED, NOT_YET, RIGHT, Outcome
from .task import Task, is_empty, not_attempted
from .uses import WrongResultError

SECONDS = 1.0  # of explaining, after which no three mistakes are looked for: an answer comes within two seconds
PRECISE, SINGLE = 1e-8, 2e-4  # how far results may differ, relative to the largest: in float64, in float32 or less


@dataclass(frozen=True)
class Call:
    """One set of arguments.

    Parameters
    ----------
    arguments
        What the function is given, by position. It gets a copy.
    words
        How the call is spoken of, such as "a 3×2 kernel"; by default the arguments as Python shows them.
    part
        Calls of one part are explained together, and apart from those of another: a function of layers that is wrong about
        kernels may be wrong about BN in a way that has no name.
    """

    arguments: tuple[Any, ...]
    words: str = ""
    part: str = ""

    def __str__(self) -> str:
        return self.words or ", ".join(map(repr, self.arguments))


@dataclass
class Called(Evidence):
    """What calling showed, for detectors: `error` and `called_with` are of the first call that raised.

    Attributes
    ----------
    results
        By call; a call that raised has none, nor one that was not made since the time was over.
    raised
        The calls that raised.
    unsteady
        Whether the first call, made again at the end, gave something else.
    """

    results: Mapping[int, Any] = field(default_factory=dict)
    raised: Collection[int] = ()
    unsteady: bool = False


@dataclass
class FunctionTask(Task):
    """A task that asks for a function.

    Parameters
    ----------
    right
        The right function; its keywords are the places where people go wrong.
    calls
        What it is called with. The one that shows most comes first.
    catalogue
        The mistakes that can be named: by `edits`, keywords of `right`, or by `visible`, a detector of a `Called`.
    also
        Keywords of `right` with which it is right as well.
    effect
        From a call, the answer's result and the right one to a sentence on what the difference does; "" for none. It is
        asked only if the two have the same structure and shapes.
    """

    right: Callable[..., Any] = field(kw_only=True)
    calls: Sequence[Call] = field(kw_only=True)
    catalogue: Sequence[Mistake] = field(kw_only=True)
    also: Sequence[Mapping[str, Any]] = ()
    effect: Callable[[Call, Any, Any], str] | None = None

    def _judge(self, answer: Any) -> Outcome:
        if is_empty(answer):
            return Outcome(self.key, NOT_ATTEMPTED)
        if not callable(answer):
            text = f"An object of type {type(answer).__name__} was given; the check takes the function itself."
            return Outcome(self.key, NOT_YET, (text,))
        called = call_each(answer, self.calls)
        if (reason := not_attempted(answer, called)) is not None:
            return Outcome(self.key, NOT_ATTEMPTED, reason)
        seen = {m: text for m in self.catalogue if m.visible and (text := m.visible(called))}
        wrong = self._wrong(called)
        if not wrong and not seen:
            return Outcome(self.key, RIGHT, (f"{len(self.calls)} calls return what they should.",))
        mistakes = dict.fromkeys((*self._explained(called, wrong), *seen))
        return Outcome(self.key, NOT_YET, tuple(self._observed(called, wrong, seen)), tuple(mistakes))

    def _expected(self, number: int, edit: Mapping[str, Any]) -> Any:
        """What the right function, or one with a mistake, returns for a call."""
        with np.errstate(all="ignore"):
            return plain(self.right(*copy.deepcopy(self.calls[number].arguments), **edit))

    def _wrong(self, called: Called) -> dict[int, str]:
        """The calls that are not right, and in which way, as far as they returned something."""
        best: dict[int, str] = {}
        least: tuple[int, int] | None = None
        for edit in ({}, *self.also):
            right = {number: self._expected(number, edit) for number in range(len(self.calls))}
            scale = largest(right.values())
            found = {
                number: difference(called.results[number], right[number], scale=scale)
                if number in called.results
                else ""
                for number in right
            }
            found = {number: text for number, text in found.items() if text or number not in called.results}
            # Of two ways of being right, both missed, the one that the answer looks like: its keys are the ones to speak of.
            other = sum(_shapes(result) != _shapes(right[number]) for number, result in called.results.items())
            if least is None or (len(found), other) < least:
                best, least = found, (len(found), other)
        return best

    def _explained(self, called: Called, wrong: Mapping[int, str]) -> Iterator[Mistake]:
        """For each part in which something is wrong: the fewest mistakes that reproduce all that it returned."""
        for part in dict.fromkeys(self.calls[number].part for number, text in wrong.items() if text):
            numbers = [n for n in called.results if self.calls[n].part == part]
            yield from self._explanation({n: called.results[n] for n in numbers})

    def _explanation(self, results: Mapping[int, Any]) -> tuple[Mistake, ...]:
        started, found = time.monotonic(), list[tuple[Mistake, ...]]()
        scale = largest(self._expected(number, {}) for number in results)
        for mistakes, edit in few_mistakes([mistake for mistake in self.catalogue if mistake.edits]):
            late = len(mistakes) == MOST_MISTAKES and time.monotonic() - started > SECONDS
            if late or (found and len(mistakes) > len(found[0])):
                break
            if any(self._reproduces({**base, **edit}, results, scale) for base in ({}, *self.also)):
                found.append(mistakes)
        if not found:
            return ()
        return tuple(mistake for mistake in found[0] if all(mistake in other for other in found)) or found[0]

    def _reproduces(self, edit: Mapping[str, Any], results: Mapping[int, Any], scale: float) -> bool:
        try:
            return not any(
                difference(result, self._expected(number, edit), scale=scale) for number, result in results.items()
            )
        except (ValueError, TypeError, IndexError, KeyError):  # such a mistake has no result here
            return False

    def _observed(self, called: Called, wrong: Mapping[int, str], seen: Mapping[Mistake, str]) -> Iterator[str]:
        if wrong:
            first = next(iter(wrong))
            if wrong[first]:
                yield f"Given {self.calls[first]}: {wrong[first]}."
            elif isinstance(called.error, WrongResultError):
                yield f"Given {self.calls[first]}, your function returned None."
            else:
                yield what_stopped_it(called)
            if effect := self._effect(called, wrong):
                yield effect
        yield from (text for mistake, text in seen.items() if mistake.key != structure.NO_RETURN.key)  # told above
        right = [str(call) for number, call in enumerate(self.calls) if number not in wrong]
        others = [str(self.calls[number]) for number in list(wrong)[1:] if wrong[number] or number in called.raised]
        if wrong and others:
            yield f"Not right either: {'; '.join(others)}."
        if wrong and right:
            yield f"Right: {'; '.join(right)}."

    def _effect(self, called: Called, wrong: Mapping[int, str]) -> str:
        """What the first difference does that no error shows."""
        for number, text in wrong.items():
            if self.effect is None or not text:
                continue
            result, right = called.results[number], self._expected(number, {})
            if _shapes(result) == _shapes(right):
                with np.errstate(all="ignore"):
                    said = self.effect(self.calls[number], result, right)
                if said:
                    return said
        return ""


def call_each(answer: Callable[..., Any], calls: Sequence[Call]) -> Called:
    """Call a learner's function with each set of arguments, guarded, and the first twice."""
    called = Called("", np.empty((0, 0)), stage=BUILDING)
    results: dict[int, Any] = {}
    errors: dict[int, BaseException] = {}

    def once(number: int) -> Any:
        given = copy.deepcopy(calls[number].arguments)
        result = plain(answer(*given))
        called.edits_input |= bool(difference(plain(given), plain(calls[number].arguments)))
        if result is None:
            raise WrongResultError(None)
        return result

    def all_of_them() -> None:
        for number in range(len(calls)):
            try:
                results[number] = once(number)
            except OutOfTimeError as error:
                errors[number] = error
                raise
            except BaseException as error:
                errors[number] = error
        if 0 in results:
            again = once(0)
            called.unsteady = bool(difference(again, results[0])) and not difference(results[0], results[0])

    _, stopped = Guard().run(all_of_them)
    called.results, called.raised = results, errors.keys()
    if errors or stopped:
        first = min(errors, default=0)
        called.error, called.called_with = errors.get(first, stopped), str(calls[first])
    return called


def plain(value: Any) -> Any:
    """Turn what holds numbers (a tensor of either framework, a NumPy array or number) into arrays; keep dicts and lists.

    All are copies: a buffer that is used again must not change a result.
    """
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [plain(one) for one in value]
        return tuple(parts) if isinstance(value, tuple) else parts
    if callable(getattr(value, "detach", None)):
        value = value.detach().cpu()
    if callable(getattr(value, "numpy", None)):
        value = value.numpy()
    return np.array(value) if isinstance(value, (np.ndarray, np.generic)) else value


def difference(given: Any, right: Any, where: str = "the result", *, scale: float = 0.0) -> str:
    """Say where what was returned and what should have been part; "" if they agree.

    Both are what `plain` makes. `scale` is the size of the values that `right` is one of: next to a rate of 0.1, 1e-17 is 0.
    """
    if isinstance(right, Mapping):
        if not isinstance(given, Mapping):
            return f"{where} is {_kind(given)}; it should be a dict with the keys {_listed(right)}"
        if given.keys() != right.keys():
            return f"{where} is a dict with the keys {_listed(given) or '(none)'}; they should be {_listed(right)}"
        parts = ((f"{_of(where)}{key!r}", given[key], right[key]) for key in right)
        return next((text for name, a, b in parts if (text := difference(a, b, name, scale=scale))), "")
    if isinstance(right, (list, tuple)):
        if not isinstance(given, (list, tuple)) and not (isinstance(given, np.ndarray) and given.ndim):
            return f"{where} is {_kind(given)}; it should be a list of {len(right)}"
        if len(given) != len(right):
            if isinstance(given, np.ndarray):  # such as a kernel without the list around it
                return f"{where} is {_kind(given)}; it should be a list of {len(right)}"
            return f"{where} holds {len(given)} entries; it should hold {len(right)}"
        parts = ((f"{_of(where)}entry {number}", a, b) for number, (a, b) in enumerate(zip(given, right, strict=True)))
        return next((text for name, a, b in parts if (text := difference(a, b, name, scale=scale))), "")
    if isinstance(right, (str, bool)) or right is None:
        return (
            ""
            if type(given) is type(right) and given == right
            else f"{where} is {_kind(given)}; it should be {right!r}"
        )
    return _of_numbers(given, right, where, scale)


def _of_numbers(given: Any, right: Any, where: str, scale: float) -> str:
    asked = f"an array of shape {right.shape}" if np.ndim(right) else "a number"
    try:
        ours, theirs = np.asarray(given), np.asarray(right, dtype=np.float64)
    except ValueError:  # lists of unequal length
        return f"{where} is a list of unequal lists; it should be {asked}"
    if ours.dtype.kind not in "iuf":
        return f"{where} is {_kind(given)}; it should be {asked}"
    tolerance = PRECISE if ours.dtype.kind in "iu" or ours.dtype == np.float64 else SINGLE
    if ours.shape != theirs.shape:
        return f"{where} has the shape {ours.shape}; it should have {theirs.shape}"
    ours = ours.astype(np.float64)
    if not np.isfinite(ours).all() and np.isfinite(theirs).all():
        bad = "NaN" if np.isnan(ours).any() else "infinite"
        return f"{where} is {bad}" if not ours.ndim else f"{where} holds values that are {bad}"
    differs = ~np.isclose(
        ours, theirs, rtol=0, atol=tolerance * max(float(np.abs(theirs).max(initial=0)), scale, 1e-12)
    )
    if not differs.any():
        return ""
    if not ours.ndim:
        return f"{where} is {float(ours):.6g}; it should be {float(theirs):.6g}"
    place = tuple(int(n) for n in np.argwhere(differs)[0])
    share = f"{differs.mean():.0%}" if differs.mean() >= 0.005 else f"{int(differs.sum())}"
    return (
        f"{where} has the right shape, {ours.shape}, and {share} of its values are others, first at {list(place)}: "
        f"{ours[place]:.6g} where {theirs[place]:.6g} should be"
    )


def largest(values: Any) -> float:
    """The largest absolute value of all numbers in what `plain` made."""
    if isinstance(values, (np.ndarray, int, float)) and not isinstance(values, bool):
        return float(np.abs(values).max(initial=0)) if np.size(values) else 0.0
    if isinstance(values, (str, bool)) or values is None:
        return 0.0
    return max(map(largest, values.values() if isinstance(values, Mapping) else values), default=0.0)


def _shapes(value: Any) -> Any:
    """The structure and the shapes of what `plain` made."""
    if isinstance(value, Mapping):
        return {key: _shapes(one) for key, one in value.items()}
    return list(map(_shapes, value)) if isinstance(value, (list, tuple)) else np.shape(value)


def _of(where: str) -> str:
    return "" if where == "the result" else f"{where}, "


def _listed(mapping: Mapping[Any, Any]) -> str:
    return ", ".join(map(repr, mapping))


def _kind(value: Any) -> str:
    if value is None or isinstance(value, (str, bool, int, float)):
        text = repr(value)
        return text if len(text) <= 40 else f"{text[:37]}…"
    if isinstance(value, np.ndarray):
        return (
            f"an array of shape {value.shape}" if value.dtype.kind in "biuf" else "an array that does not hold numbers"
        )
    return f"of type {type(value).__name__}"


def _no_return(evidence: Evidence) -> str:
    nothing = isinstance(evidence.error, WrongResultError) and evidence.error.is_none
    return "Your function returned None." if nothing else ""


def _edits_arguments(evidence: Evidence) -> str:
    return (
        "After the call, what your function was given holds other values than before." if evidence.edits_input else ""
    )


def _unsteady(evidence: Evidence) -> str:
    return "The same call, made twice, returned two things." if getattr(evidence, "unsteady", False) else ""


def of_functions(section: Section) -> tuple[Mistake, ...]:
    """The mistakes that any function can have, for a catalogue; `section` is where to read."""
    return (
        replace(
            structure.NO_RETURN, why="Whoever called the function is given None.", section=section, visible=_no_return
        ),
        Mistake(
            "edits_its_arguments",
            "the function changes what it is given",
            "Assigning to an entry, and <code>+=</code> on an array, write into the array that the caller still holds.",
            "Whoever uses it afterwards gets other numbers, and nothing says where they changed.",
            section,
            visible=_edits_arguments,
        ),
        Mistake(
            "remembers_calls",
            "the result depends on earlier calls, or on chance",
            "Equal arguments should give equal results; something outside the function is changed by it, or it draws at random.",
            "Such a function cannot be called twice, out of order, or after a training was resumed.",
            section,
            visible=_unsteady,
        ),
    )
