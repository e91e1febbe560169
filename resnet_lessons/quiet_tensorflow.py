"""Keeps `import tensorflow` and `import keras` quiet, wherever they happen after `import resnet_lessons`.

TensorFlow's C++ libraries write a few lines straight to file descriptor 2 while they load, before any of its own
switches takes effect. A notebook would show them as an error-coloured block above the lesson. So this module puts a
finder in front of Python's own: it finds the two packages as usual, and points descriptor 2 elsewhere while they run.

Nothing else changes. An exception propagates, and what was written meanwhile is shown with it. A package that is not
installed is a plain `ModuleNotFoundError`. A package that is already loaded stays as it is. To see every line, set
the environment variable ``TF_CPP_MIN_LOG_LEVEL=0`` beforehand (do so if Python dies during the import: a process that
is gone cannot show what it kept back).

The module is loaded by `import resnet_lessons`, so it imports nothing that Python has not loaded already.
"""

from __future__ import annotations

import os
import sys
from _thread import allocate_lock

TYPE_CHECKING = False  # type checkers take this for true; importing `typing` would cost more than all of this file
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import IO, Any

PACKAGES = ("tensorflow", "keras")
STDERR = 2


def install() -> None:
    """Put the finder in front of Python's own, once."""
    if not any(type(finder).__module__ == __name__ for finder in sys.meta_path):
        sys.meta_path.insert(0, QuietFinder())


class QuietFinder:
    """Finds what the other finders find, and wraps the loader of `PACKAGES`."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the other finders' answer for `PACKAGES`, and None (no opinion) for everything else."""
        if name not in PACKAGES:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    spec.loader = QuietLoader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class QuietLoader:
    """Runs another loader's module with file descriptor 2 redirected, then steps aside."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Let the real loader create the module."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module quietly; what it wrote is shown if it raises."""
        # From here on the module carries its real loader, which tools that read sources or data files look for.
        module.__loader__ = self.loader
        if module.__spec__ is not None:
            module.__spec__.loader = self.loader
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        if os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3") == "0":  # somebody asked to see everything
            self.loader.exec_module(module)
            return
        with _redirect:
            self.loader.exec_module(module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)


class _Redirect:
    """Points descriptor 2 at a temporary file while at least one quiet import runs.

    The descriptor belongs to the whole process: `import keras` imports TensorFlow within, and threads may import one
    each. So the first one in redirects, the last one out restores, and a lock guards the count in between.
    """

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.running = 0
        self.failed = False
        self.kept: IO[bytes] | None = None
        self.original = -1

    def __enter__(self) -> None:
        with self.lock:
            self.running += 1
            if self.running == 1:
                self._start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self.lock:
            self.running -= 1
            self.failed |= kind is not None
            text = self._stop() if self.running == 0 else b""
            # A traceback in the text is another thread's: it is none of TensorFlow's noise.
            show = self.failed or b"Traceback (most recent call last)" in text
            self.failed &= self.running > 0
        if text and show:
            _write(text.decode(errors="replace"))

    def _start(self) -> None:
        import tempfile

        try:
            self.original = os.dup(STDERR)
        except OSError:  # descriptor 2 is closed: there is nothing to keep quiet
            return
        try:
            self.kept = tempfile.TemporaryFile()  # noqa: SIM115 (`_stop` closes it)
        except OSError:  # no room for a file: then import as if this module were not there
            os.close(self.original)
            return
        _flush()
        os.dup2(self.kept.fileno(), STDERR)

    def _stop(self) -> bytes:
        if self.kept is None:
            return b""
        _flush()
        os.dup2(self.original, STDERR)
        os.close(self.original)
        self.kept.seek(0)
        text = self.kept.read()
        self.kept.close()
        self.kept, self.original = None, -1
        return text


_redirect = _Redirect()


def _flush() -> None:
    """Send what Python still holds for descriptor 2 to where it belongs now."""
    from contextlib import suppress

    with suppress(AttributeError, OSError, ValueError):  # there may be no stderr, or a closed one
        sys.stderr.flush()


def _write(text: str) -> None:
    """Show a text on `sys.stderr`, which a notebook shows as well, unlike descriptor 2 on every platform."""
    from contextlib import suppress

    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.write(text)
        sys.stderr.flush()
