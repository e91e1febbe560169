"""Runs a learner's code so that nothing it does harms the notebook or the judgement.

    Guard(seconds)      exceptions of every kind, endless Python loops, patched modules, seeds and settings, prints

Only another process can stop `os._exit`, a loop inside a library's compiled code, `time.sleep` outside the main thread,
code that catches the interruption again and again, or a block that eats all memory: `resnet-lessons check` runs a whole
notebook in a kernel of its own.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import io
import operator
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

SECONDS = 15.0  # for all of one answer's code in one check; a right one takes under one, on a busy laptop several


class OutOfTimeError(BaseException):
    """Raised inside code that ran too long. Not an `Exception`, so that `except Exception` in a loop does not keep it."""


class Guard:
    """A budget of seconds, and everything put back after each piece of a learner's code."""

    def __init__(self, seconds: float | None = None) -> None:
        self.seconds = SECONDS if seconds is None else seconds

    def run(self, code: Callable[[], Any]) -> tuple[Any, BaseException | None]:
        """Run a function without arguments; return its result, or what it raised.

        Whatever it raises is kept: `SystemExit`, `KeyboardInterrupt` and `OutOfTimeError` as well.
        """
        try:
            with _put_back(), _quiet(), time_limit(self.seconds):
                return code(), None
        except BaseException as error:
            return None, error


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTimeError` in the code inside once the time is over, and again until it ends.

    In the main thread a timer's signal does it, which also ends `time.sleep`; elsewhere, and on Windows, an exception is
    put into this thread from another one, which only Python code notices.
    """
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        with _alarm(seconds):
            yield
    else:
        with _exception_from_outside(seconds):
            yield


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: Any) -> None:
        raise OutOfTimeError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _exception_from_outside(seconds: float) -> Iterator[None]:
    thread, ended, lock = threading.get_ident(), threading.Event(), threading.Lock()
    throw = ctypes.pythonapi.PyThreadState_SetAsyncExc

    def watch() -> None:
        wait = seconds
        while not ended.wait(wait):
            with lock:
                if not ended.is_set():
                    throw(ctypes.c_ulong(thread), ctypes.py_object(OutOfTimeError))
            wait = 0.5

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        with lock:
            ended.set()
            throw(ctypes.c_ulong(thread), None)  # one that is on its way must not arrive later


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the code prints: a check runs it several times. nbgrader takes anything on stderr for a failure."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def _put_back() -> Iterator[None]:
    """Restore seeds, settings and the functions of the libraries."""
    with contextlib.ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002  # a learner's may be the old one
        if (torch := sys.modules.get("torch")) is not None:
            stack.callback(torch.set_rng_state, torch.get_rng_state())
            stack.callback(torch.set_default_dtype, torch.get_default_dtype())
            stack.callback(torch.set_grad_enabled, torch.is_grad_enabled())
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)  # see torch_threads
        if (keras := sys.modules.get("keras")) is not None:
            stack.callback(keras.config.set_dtype_policy, keras.config.dtype_policy())
            stack.callback(keras.config.set_floatx, keras.config.floatx())
            if keras.config.is_traceback_filtering_enabled():  # which also wraps messages in others
                stack.callback(keras.config.enable_traceback_filtering)
                keras.config.disable_traceback_filtering()
        stack.callback(_tensorflow_seed, _tensorflow_seed())
        before = {id(place): (place, dict(vars(place))) for place in _places()}
        try:
            yield
        finally:
            for place, members in before.values():
                _restore(place, members)


def _tensorflow_seed(restore: tuple[Any, ...] | None = None) -> tuple[Any, ...] | None:
    """Read the state behind `tf.random.set_seed`, or put it back; TensorFlow has no public way to read it."""
    module = sys.modules.get("tensorflow.python.eager.context")
    if module is None or (context := module.context()) is None or not hasattr(context, "_rng"):
        return None
    if restore is not None:
        context._seed, context._rng = restore
    return context._seed, copy.deepcopy(context._rng)


def _places() -> list[Any]:
    """Modules and classes whose functions a learner's code may have replaced."""
    names = ("builtins", "math", "random", "numpy", "numpy.random", "torch", "torch.nn", "torch.nn.functional", "keras",
             "keras.layers", "keras.ops", "tensorflow", "tensorflow.nn", "tensorflow.math")  # fmt: skip
    own = [name for name in sys.modules if name.startswith("resnet_lessons.checks")]
    found: list[Any] = [module for name in (*names, *own) if (module := sys.modules.get(name)) is not None]
    found += {value for module in own for value in vars(sys.modules[module]).values() if isinstance(value, type)}
    if (torch := sys.modules.get("torch")) is not None:
        found += [torch.Tensor, torch.nn.Module, torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.ReLU]
    if (keras := sys.modules.get("keras")) is not None:
        found += [keras.layers.Layer, keras.layers.Conv2D, keras.layers.BatchNormalization, keras.layers.ReLU]
    return found


def _restore(place: Any, members: dict[str, Any]) -> None:
    now = dict(vars(place))
    if now.keys() == members.keys() and all(map(operator.is_, now.values(), members.values())):
        return  # as nearly always; in the same order, since nothing was taken out
    if isinstance(place, type):  # a method that was inherited may now be overridden
        for name in now.keys() - members.keys():
            with contextlib.suppress(AttributeError, TypeError):
                delattr(place, name)
    for name, value in members.items():
        if callable(value) and now.get(name) is not value:
            with contextlib.suppress(AttributeError, TypeError):
                setattr(place, name, value)
