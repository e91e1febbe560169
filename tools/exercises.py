"""Make `exercises/` from `solutions/` with nbgrader's own tools; `make exercises` calls it.

    python tools/exercises.py            write what learners start from
    python tools/exercises.py --check    only say whether exercises/ is what solutions/ give; change nothing

nbgrader works in a temporary folder, without a database: run in place it skips what exists, and with --force it deletes
edited answers and files beside them (nbgrader 0.9.6). The result is the same, byte for byte, in every run.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = "exercise.ipynb"


def main(arguments: list[str] | None = None) -> int:
    """Write or check the exercises; return 1 if they are not up to date or could not be made."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="only compare; change nothing")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="resnet-lessons-exercises-") as folder:
        made = release(Path(folder))
        old = {path.parent.name: path.read_bytes() for path in sorted((ROOT / "exercises").glob(f"*/{NOTEBOOK}"))}
        changed = sorted(name for name in {*made, *old} if made.get(name) != old.get(name))
        if given.check:
            print("\n".join(f"exercises/{name} is not what solutions/ give; run `make exercises`" for name in changed))
            return bool(changed)
        for name in changed:
            swap_in(name, made.get(name))
            print(f"exercises/{name}: {'written' if name in made else 'removed'}")
        print(f"{len(made)} exercises, {len(changed)} changed")
    return 0


def release(folder: Path, source: Path = ROOT / "solutions") -> dict[str, bytes]:
    """Return the released notebooks by their folder's name; nbgrader works in `folder`.

    Raises
    ------
    RuntimeError
        If nbgrader refuses a notebook; the message is its own.
    """
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import PyFileConfigLoader

    config = PyFileConfigLoader("nbgrader_config.py", path=str(ROOT)).load_config()
    config.CourseDirectory.root = str(folder)
    config.SaveCells.enabled = False
    config.GenerateAssignment.no_database = True
    config.GenerateAssignment.permissions = 0o644
    names = sorted(path.parent.name for path in source.glob(f"*/{NOTEBOOK}"))
    log = logging.getLogger("resnet_lessons.exercises")
    said = _Kept()
    log.handlers, log.propagate = [said], False
    for name in names:
        (folder / "solutions" / name).mkdir(parents=True)
        shutil.copyfile(source / name / NOTEBOOK, folder / "solutions" / name / NOTEBOOK)
        config.CourseDirectory.assignment_id = name
        course = CourseDirectory(config=config, log=log)
        try:
            GenerateAssignment(coursedir=course, config=config, log=log).start()
        except (Exception, SystemExit) as error:
            raise RuntimeError(f"nbgrader refuses {name}: {error}\n" + "\n".join(said.lines)) from error
    return {name: tidy((folder / "exercises" / name / NOTEBOOK).read_text(encoding="utf-8")) for name in names}


def tidy(text: str) -> bytes:
    """A notebook in one fixed form, whatever version of nbformat wrote it."""
    return (json.dumps(json.loads(text), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def swap_in(name: str, content: bytes | None) -> None:
    """Put a notebook in the place of the old one; remove a folder whose solution is gone."""
    folder = ROOT / "exercises" / name
    if content is None:
        shutil.rmtree(folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f".{NOTEBOOK}.tmp"
    scratch.write_bytes(content)
    scratch.replace(folder / NOTEBOOK)


class _Kept(logging.Handler):
    """Keeps what nbgrader says, to be shown if it fails."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


if __name__ == "__main__":
    sys.exit(main())
