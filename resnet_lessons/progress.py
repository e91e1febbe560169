"""What a learner guessed and finished: a private file on this computer, sent nowhere.

The store is one text file with one JSON record a line, only ever appended to. A lesson must never fail because its
diary does: a line cut short by a crash is skipped, several notebooks may write at once, and a folder that cannot be
written leads to one warning and nothing worse.

The folder is `RESNET_LESSONS_PROGRESS` from the environment, or else the user's data folder of the platform.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

_JSON_TYPES = "a string, number, True, False, None, or a list or a dictionary (with string keys) of these"
_warned = False


class Record(NamedTuple):
    """One line of the store. `time` is in UTC; a tuple given as `value` comes back as a list."""

    time: datetime
    chapter: str
    key: str
    value: Any


def record(chapter: str, key: str, value: Any) -> None:
    """Append one record.

    Parameters
    ----------
    chapter
        Where it belongs, such as ``"01_basic_block"``.
    key
        What it is, such as ``"predict-shape"``.
    value
        A string, number, boolean or None, or a list or a dictionary with string keys of these.

    Raises
    ------
    TypeError
        If an argument cannot be written as JSON. A store that cannot be written raises nothing: it warns, once.
    """
    if not (isinstance(chapter, str) and isinstance(key, str)):
        raise TypeError(
            f"chapter and key are strings; got {type(chapter).__name__} and {type(key).__name__}. "
            "For example: record('01_basic_block', 'predict-shape', '56 × 56')"
        )
    _check_keys(value)
    entry = {"time": datetime.now(UTC).isoformat(), "chapter": chapter, "key": key, "value": value}
    try:
        line = json.dumps(entry)  # ASCII only, so that no cut can split a character
    except TypeError as error:
        raise TypeError(
            f"progress holds {_JSON_TYPES}; {error}. Pass float(x) for a number from NumPy, PyTorch or TensorFlow, "
            "and x.tolist() for an array"
        ) from None
    try:
        _append(line.encode("ascii") + b"\n")
    except OSError as error:
        _warn(f"could not note your progress in {folder()} ({error.strerror or error}). The lesson works without it")


def read() -> list[Record]:
    """Return all records, oldest first; lines that a crash cut short are left out."""
    try:
        data = _file().read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        _warn(f"could not read your progress in {folder()} ({error.strerror or error})")
        return []
    return [found for line in data.splitlines() if (found := _parse(line)) is not None]


def export(path: Path) -> int:
    """Write all records into a new file, as a JSON list, oldest first; return how many there are.

    Raises
    ------
    OSError
        If the file exists already, or cannot be written.
    """
    found = [{**record._asdict(), "time": record.time.isoformat()} for record in read()]
    with path.open("x", encoding="utf-8") as file:
        file.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return len(found)


def clear() -> bool:
    """Forget everything; return whether nothing is left."""
    try:
        with _locked(create=False):
            # Emptied, not deleted: a notebook that is just appending goes on in the same file.
            os.truncate(_file(), 0)
    except FileNotFoundError:
        pass
    except OSError as error:
        _warn(f"could not clear your progress in {folder()} ({error.strerror or error})")
        return False
    return True


def changed() -> float:
    """Return when something was noted last, in seconds; 0 where nothing was."""
    try:
        return _file().stat().st_mtime
    except OSError:
        return 0.0


def folder() -> Path:
    """Return the folder of the store, which need not exist yet."""
    given = os.environ.get("RESNET_LESSONS_PROGRESS")
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("resnet-lessons", appauthor=False))


def _file() -> Path:
    return folder() / "progress.jsonl"


def _append(line: bytes) -> None:
    with _locked(create=True):
        file = os.open(_file(), os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        try:
            size = os.lseek(file, 0, os.SEEK_END)
            if size:
                os.lseek(file, -1, os.SEEK_END)
                if os.read(file, 1) != b"\n":  # a crash cut the last line: end it, so that this one stands alone
                    line = b"\n" + line
            try:
                written = os.write(file, line)  # one call, so that even without the lock lines do not mix
                if written < len(line):
                    raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes fitted on the disk")
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file, size)
                raise
        finally:
            os.close(file)


@contextlib.contextmanager
def _locked(*, create: bool) -> Iterator[None]:
    """Hold the store's lock, so that processes take turns; where files cannot be locked, go on without."""
    place = folder()
    if create:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(place / "progress.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with contextlib.suppress(OSError):
            _lock(lock)
        yield
    finally:
        os.close(lock)  # which also unlocks


if os.name == "nt":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX)


def _parse(line: bytes) -> Record | None:
    try:
        entry = json.loads(line)
        return Record(datetime.fromisoformat(entry["time"]), entry["chapter"], entry["key"], entry["value"])
    except (ValueError, TypeError, KeyError):
        return None


def _check_keys(value: Any) -> None:
    """Refuse keys that `json` would quietly turn into strings."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(
                    f"progress holds {_JSON_TYPES}; the key {key!r} is a {type(key).__name__}: pass str(key)"
                )
            _check_keys(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _check_keys(inner)


def _warn(message: str) -> None:
    """Warn once a process: a lesson with twenty questions should not say so twenty times."""
    global _warned
    if not _warned:
        _warned = True
        whole = f"{message}. To keep it elsewhere, set RESNET_LESSONS_PROGRESS to a folder of yours."
        # One line: a learner has no use for the place in our code that Python would show as well.
        warnings.warn_explicit(whole, UserWarning, "resnet_lessons", 0)
