"""The learner's own copies of the notebooks: made, brought up to date, and restored.

The committed notebooks are originals that nobody works in. `start` copies them into a work folder, `update` brings
newer versions there, `reset` gives one back as it was. The one rule of this file: **what a learner has written is
never overwritten and never deleted**. To keep it, a small record in the work folder remembers what each copy said when
it was made; a copy that says something else today has been edited.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from resnet_lessons.routes import ROUTES, keep_route

RECORD = ".resnet-lessons.json"
_FORMAT = 1
_SIGNATURE = "\n<!-- resnet-lessons {} writes this page anew; edit it, and yours is kept under another name -->\n"


@dataclass
class Report:
    """What `start`, `update` or `reset` did; names are paths inside the work folder.

    Attributes
    ----------
    work : Path
        The work folder.
    route : str
        The route that its copies are made for.
    created : list of str
        Copies that were not there before.
    replaced : list of str
        Copies without a learner's edits, replaced by a newer version.
    beside : list of str
        Newer versions that were put beside an edited copy.
    backups : list of str
        Files that hold a learner's work which had to make room.
    outdated : list of str
        Copies of which a newer version exists; `update` fetches it.
    notes : list of str
        Sentences that the learner should read.
    """

    work: Path
    route: str = "both"
    created: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    backups: list[str] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def start(route: str | None = None, work: Path | str | None = None, source: Path | str | None = None) -> Report:
    """Copy every notebook that is not in the work folder yet; leave those that are.

    Parameters
    ----------
    route : {"both", "pytorch", "tensorflow"}, optional
        Whose cells the copies hold; by default the route chosen before, at first "both". Choosing another one than
        before replaces copies that were not edited, and puts the new version beside those that were.
    work : path, optional
        The work folder; by default `work` in the course's folder.
    source : path, optional
        The course's folder, with `chapters/` and `exercises/`; by default the clone this package was installed from.

    Returns
    -------
    Report
        What was done, and what `update` would do.

    Raises
    ------
    ValueError
        Unknown route, a file in place of the work folder, an original that cannot be read, or no originals (the package
        was installed without them).
    OSError
        The work folder cannot be written.
    """
    desk = _Desk(route, work, source)
    return desk.bring_up_to_date() if desk.route_changed else desk.fill()


def update(route: str | None = None, work: Path | str | None = None, source: Path | str | None = None) -> Report:
    """Bring newer versions into the work folder, beside a copy that was edited, in place of one that was not.

    A copy counts as edited when the text or code of its cells differs from what was copied. Outputs, execution
    counts, empty cells and the metadata that Jupyter writes on its own make no difference. Parameters, result and
    errors are those of `start`.
    """
    return _Desk(route, work, source).bring_up_to_date()


def reset(name: str, work: Path | str | None = None, source: Path | str | None = None) -> Report:
    """Give back one notebook as the course has it; an edited copy is kept under a name with the time in it.

    Parameters
    ----------
    name : str
        A chapter (`00_start_here`), an exercise (its folder's name), or the path of a copy.
    work, source : path, optional
        As in `start`.

    Raises
    ------
    ValueError
        A name that the course does not have, or that both a chapter and an exercise carry; or a work folder without
        copies, which is not made.
    OSError
        The work folder cannot be written.
    """
    return _Desk(None, work, source).restore(name)


def course_folder() -> Path:
    """Return the clone that holds this package and the course's notebooks.

    Raises
    ------
    ValueError
        The package was installed without its clone.
    """
    import resnet_lessons

    folder = Path(resnet_lessons.__file__).resolve().parent.parent
    if not any(folder.glob("chapters/*.ipynb")):
        raise ValueError(
            "the course's notebooks are not here: they come with a clone of the repository, not with the installed "
            "package; clone it and run `make lab` there"
        )
    return folder


def write_page(path: Path, text: str) -> str:
    """Write a page of the course's own into the work folder, in Markdown or as a notebook, unless it is the learner's.

    A page knows by a hash in it whether somebody has changed it since. Markdown that was is kept under a name with the time in
    it, and the page is written; a notebook that was stays as it is, and so does one that says what this one says.

    Returns
    -------
    str
        The name under which the learner's text is kept; empty where there was none.

    Raises
    ------
    OSError
        The folder cannot be written.
    """
    if path.suffix == ".ipynb":
        if not path.exists() or (_is_own_notebook(path) and _content_of(path) != _content(text.encode())):
            notebook = json.loads(text)
            notebook["metadata"]["resnet_lessons"] = {"content": _content(text.encode())}
            write_whole(path, (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode())
        return ""
    data = (text + _SIGNATURE.format(_hash(text.encode())[:16])).encode()
    kept = ""
    if path.exists() and (there := path.read_bytes()) != data:
        said, _, signature = there.decode("utf-8", "replace").replace("\r\n", "\n").rpartition("\n<!--")
        if f"\n<!--{signature}" != _SIGNATURE.format(_hash(said.encode())[:16]):
            kept = _keep(path).name
    if not path.exists() or path.read_bytes() != data:
        write_whole(path, data)
    return kept


def route_of(work: Path) -> str:
    """Return the route that a work folder's copies are made for; "both" where that is not known."""
    try:
        route = json.loads((work / RECORD).read_text(encoding="utf-8"))["route"]
    except (OSError, ValueError, KeyError, TypeError):
        return "both"
    return str(route) if route in ROUTES else "both"


class _Desk:
    """One work folder, its record, and the originals as they would be copied there today."""

    def __init__(self, route: str | None, work: Path | str | None, source: Path | str | None) -> None:
        if route is not None and route not in ROUTES:
            raise ValueError(f"there is no route {route!r}; choose one of: {', '.join(ROUTES)}")
        self.source = Path(source) if source is not None else course_folder()
        self.work = Path(work) if work is not None else self.source / "work"
        self.report = Report(self.work)
        for path in (self.work, *self.work.parents):
            if path.exists() and not path.is_dir():
                raise ValueError(f"{path} is a file; --work takes a folder")
        self.record: dict[str, dict[str, str]] = {}
        before = self._read_record()
        self.route = self.report.route = route or before or "both"
        self.route_changed = before is not None and before != self.route
        if self.route_changed:
            self.report.notes.append(
                f"Route changed to {self.route}: copies that you did not edit are replaced, edited ones stay."
            )
        self.originals = {
            path.relative_to(self.source).as_posix(): _prepare(path, self.route) for path in _originals(self.source)
        }
        if not self.originals:
            raise ValueError(f"there are no notebooks in {self.source / 'chapters'}; is this a clone of the course?")

    def fill(self) -> Report:
        """Create what is missing, and touch nothing else."""
        for name, original in self.originals.items():
            copy = self.work / name
            if not copy.exists():
                self._create(name, original)
            elif self._is_newer(name, original):
                self.report.outdated.append(name)
        self._write_record()
        return self.report

    def bring_up_to_date(self) -> Report:
        """Create what is missing and bring in what is newer."""
        for name, original in self.originals.items():
            copy = self.work / name
            if not copy.exists():
                self._create(name, original)
            elif self._is_newer(name, original):
                if self._is_edited(name):
                    self._put_beside(name, original)
                else:
                    self._replace(name, original)
                    self.report.replaced.append(name)
        self._write_record()
        return self.report

    def restore(self, wanted: str) -> Report:
        """Replace one copy by its original; keep the copy when it holds anything of the learner's."""
        name = self._find(wanted)
        if not self.record and not any((self.work / known).exists() for known in self.originals):
            raise ValueError(f"there are no copies in {self.work}; `resnet-lessons start` makes them")
        copy, original = self.work / name, self.originals[name]
        if not copy.exists():
            self._create(name, original)
        else:
            if _content_of(copy) != _content(original):
                self._back_up(copy)
            self._replace(name, original)
            self.report.replaced.append(name)
        self._write_record()
        return self.report

    def _create(self, name: str, original: bytes) -> None:
        self._replace(name, original)
        self.report.created.append(name)

    def _replace(self, name: str, original: bytes) -> None:
        write_whole(self.work / name, original)
        self.record[name] = {"content": _content(original), "version": _hash(original)}

    def _put_beside(self, name: str, original: bytes) -> None:
        """Write `NAME.new.ipynb`; an earlier one that the learner has worked in is kept as well."""
        copy = self.work / name
        beside = copy.with_name(f"{copy.stem}.new.ipynb")
        known = self.record.setdefault(name, {"content": "", "version": ""})
        if beside.exists() and _content_of(beside) not in (known.get("beside"), _content(original)):
            self._back_up(beside)
        write_whole(beside, original)
        known.update(version=_hash(original), beside=_content(original))
        self.report.beside.append(beside.relative_to(self.work).as_posix())

    def _back_up(self, path: Path) -> None:
        self.report.backups.append(_keep(path).relative_to(self.work).as_posix())

    def _is_newer(self, name: str, original: bytes) -> bool:
        """Whether the learner has not been given this version, neither as the copy nor beside it."""
        known = self.record.get(name)
        if known is not None and known["version"] == _hash(original):
            return False
        # A copy that already says what the original says is taken as it is, if that was not known: the record was
        # lost, or the learner took over the version beside it. Otherwise only metadata changed, which is newer.
        said = _content(original)
        if _content_of(self.work / name) == said and (known is None or known["content"] != said):
            self.record[name] = {"content": said, "version": _hash(original)}
            return False
        return True

    def _is_edited(self, name: str) -> bool:
        known = self.record.get(name)
        return known is None or _content_of(self.work / name) != known["content"]

    def _find(self, wanted: str) -> str:
        """The one original that a learner's name for it means."""
        given = wanted.replace("\\", "/").removesuffix("/")
        matches = [name for name in self.originals if _means(given, name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise ValueError(f"{wanted!r} can mean {' or '.join(map(_short, matches))}; give one of these")
        raise ValueError(f"there is no notebook {wanted!r}; there are: {', '.join(map(_short, self.originals))}")

    def _read_record(self) -> str | None:
        """Read the record into `self.record`; return its route, or None where there is no record to be trusted."""
        path = self.work / RECORD
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            copies, route = data["copies"], data["route"]
            if data["format"] != _FORMAT or route not in ROUTES or not _is_record(copies):
                raise ValueError("unknown contents")
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            aside = path.with_name(f"{RECORD}.damaged")
            os.replace(path, aside)
            self.report.notes.append(
                f"The record of your copies was damaged and is now {aside.name}: every existing copy is treated as "
                "edited, so nothing of yours is replaced. Give --route again if it is not 'both'."
            )
            return None
        self.record = copies
        return str(route)

    def _write_record(self) -> None:
        data = {"format": _FORMAT, "route": self.route, "copies": self.record}
        text = json.dumps(data, indent=1, sort_keys=True) + "\n"
        path = self.work / RECORD
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_whole(path, text.encode())


def _keep(path: Path) -> Path:
    """Keep a file under a free name with the time in it. Copied, so that no moment is without the file."""
    stamp = datetime.now().strftime("%Y-%m-%d_%H%M%S")
    target = path.with_name(f"{path.stem}.{stamp}{path.suffix}")
    count = 1
    while target.exists():
        count += 1
        target = path.with_name(f"{path.stem}.{stamp}-{count}{path.suffix}")
    write_whole(target, path.read_bytes())
    return target


def _is_own_notebook(path: Path) -> bool:
    """Whether a notebook that `write_page` wrote still says what it said."""
    try:
        signature = json.loads(path.read_bytes())["metadata"]["resnet_lessons"]["content"]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(signature == _content_of(path))


def _originals(source: Path) -> Iterator[Path]:
    yield from sorted(source.glob("chapters/*.ipynb"))
    yield from sorted(source.glob("exercises/*/exercise.ipynb"))


def _prepare(path: Path, route: str) -> bytes:
    """Return an original as a learner gets it: one route's cells, and no outputs, since predicting comes first."""
    try:
        notebook = keep_route(json.loads(path.read_text(encoding="utf-8")), route)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
                cell.get("metadata", {}).pop("execution", None)
        notebook.get("metadata", {}).pop("widgets", None)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is not a readable notebook ({error}); `git checkout {path.name}` restores it"
        ) from error
    return (json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _content(notebook: bytes) -> str:
    """Hash what a notebook says: its cells' text and code.

    Empty cells do not count, since Jupyter adds one below the last cell that is run; neither do line endings.
    """
    cells = []
    for cell in json.loads(notebook)["cells"]:
        source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        if source.strip():
            cells.append([cell["cell_type"], source.replace("\r\n", "\n")])
    return _hash(json.dumps(cells).encode())


def _content_of(path: Path) -> str | None:
    """The same for a file; None, which equals no hash, for one that is no notebook any more: it is somebody's work."""
    try:
        return _content(path.read_bytes())
    except (ValueError, KeyError, TypeError):
        return None


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _means(given: str, name: str) -> bool:
    """Whether a learner who writes `given` can mean the original `name`: its own name, or any path that ends in it.

    >>> _means("01_block", "chapters/01_block.ipynb"), _means("work/chapters/01_block", "chapters/01_block.ipynb")
    (True, True)
    >>> _means("chapters/01_block", "exercises/01_block/exercise.ipynb")
    False
    """
    short = _short(name)
    own = short.rpartition("/")[2]
    paths = (name, name.removesuffix(".ipynb"), short)
    return given in (own, f"{own}.ipynb") or any(f"/{given}".endswith(f"/{path}") for path in paths)


def _short(name: str) -> str:
    return name.removesuffix("/exercise.ipynb").removesuffix(".ipynb")


def _is_record(copies: Any) -> bool:
    return isinstance(copies, dict) and all(
        isinstance(entry, dict) and {"content", "version"} <= entry.keys() for entry in copies.values()
    )


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: a full disk or a crash leaves the old one as it was."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=".tmp", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.chmod(temporary, 0o644)  # mkstemp makes it private
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        cure = "make room" if error.errno == errno.ENOSPC else "make the folder writable"
        raise type(error)(
            f"cannot write {path} ({error.strerror or error}); {cure}, or choose another one with --work"
        ) from error
