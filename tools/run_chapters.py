"""Run the committed notebooks from top to bottom and save them with their outputs; `make chapters` calls it.

    python tools/run_chapters.py                  every notebook under chapters/ and solutions/
    python tools/run_chapters.py 01_basic_block   those whose path contains a word
    python tools/run_chapters.py --check          only look for faults; run and change nothing

Each notebook runs in a fresh kernel of this Python, in its own folder, with an empty progress store, as its test does.
What is saved is the same in every run as long as the outputs are: no times, versions, widget references or widget
state, and printed text in one piece. A notebook whose run fails is left as it was.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from nbval_guards import CELL_METADATA, KERNELSPEC, LANGUAGE_INFO, NOTEBOOK_METADATA, WIDGET, find_faults  # noqa: E402

TIMEOUT = 600  # seconds a cell, where its metadata state none: a run that saves may take longer than its test


def main(arguments: list[str] | None = None) -> int:
    """Run or check notebooks; return the number of those that failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("only", nargs="*", help="run notebooks whose path contains one of these words")
    parser.add_argument("--check", action="store_true", help="only look for faults; run and change nothing")
    given = parser.parse_args(arguments)
    paths = find_notebooks(given.only)
    if given.only and not paths:
        known = ", ".join(path.relative_to(ROOT).as_posix() for path in find_notebooks()) or "none yet"
        parser.error(f"no notebook matches {' '.join(given.only)!r}; there are: {known}")
    return sum(not (check if given.check else run)(path) for path in paths)


def find_notebooks(words: list[str] | tuple[str, ...] = ()) -> list[Path]:
    """Return the committed notebooks, or those whose path contains one of the words."""
    paths = sorted(p for folder in ("chapters", "solutions") for p in (ROOT / folder).rglob("*.ipynb"))
    paths = [p for p in paths if ".ipynb_checkpoints" not in p.parts]
    return [p for p in paths if not words or any(word in p.relative_to(ROOT).as_posix() for word in words)]


def check(path: Path) -> bool:
    """Print the faults of a notebook; return whether there are none."""
    faults = find_faults(json.loads(path.read_text(encoding="utf-8")))
    print(f"{_name(path)}: {'no faults' if not faults else ''}")
    for fault in faults:
        print(f"  {fault}")
    return not faults


def run(path: Path) -> bool:
    """Run a notebook and save it; print time, peak memory and faults; return whether all is well."""
    import nbformat

    before = path.read_bytes()
    notebook = nbformat.reads(json.dumps(upgrade(json.loads(before))), as_version=4)
    started = time.monotonic()
    print(f"{_name(path)}: ", end="", flush=True)
    try:
        peak = execute(notebook, path.parent)
    except Exception as error:  # nbclient raises a CellExecutionError, a timeout, or that the kernel died
        print(f"failed after {time.monotonic() - started:.1f} s, left as it was\n{error}")
        return False
    after = (nbformat.writes(normalise(notebook)).rstrip("\n") + "\n").encode("utf-8")
    if after != before:
        save(path, after)
    memory = f", {peak / 2**30:.2f} GiB at most" if peak else ""
    print(f"{time.monotonic() - started:.1f} s{memory}, {'unchanged' if after == before else 'saved'}")
    faults = find_faults(notebook)
    for fault in faults:
        print(f"  {fault}")
    return not faults


def execute(notebook: Any, folder: Path) -> int:
    """Run all cells in place; return the kernel's peak memory in bytes, or 0 where it is not known."""
    import ipykernel.kernelspec
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient
    from nbclient.exceptions import DeadKernelError

    class ThisPython(KernelSpecManager):
        """Knows one kernel, this Python's, whatever kernels of that name the user has installed."""

        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            return KernelSpec(resource_dir="", **ipykernel.kernelspec.get_kernel_dict())

    def look(**_: Any) -> None:
        nonlocal peak
        peak = _peak_memory(getattr(client.km.provisioner, "pid", None))

    peak = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as progress, tempfile.TemporaryFile() as log:
        client = NotebookClient(
            notebook,
            km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=ThisPython()),
            timeout_func=lambda cell: cell.metadata.get("resnet_lessons", {}).get("timeout", TIMEOUT),
            record_timing=False,
            store_widget_state=False,
            on_cell_executed=look,
            resources={"metadata": {"path": str(folder)}},
        )
        try:
            # The kernel's own stderr holds what it says while it starts, and why it died if it does.
            # A kernel whose manager was given is ended only on request.
            client.execute(env={**os.environ, "RESNET_LESSONS_PROGRESS": progress}, stderr=log, cleanup_kc=True)
        except DeadKernelError as error:
            log.seek(0)
            raise RuntimeError(f"{error}\n{log.read().decode(errors='replace')[-2000:]}") from error
    return peak


def upgrade(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook in format 4.5; cells without an id get one that depends on their position alone."""
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    for position, cell in enumerate(notebook["cells"]):
        cell.setdefault("id", f"cell-{position:03d}")
    return notebook


def normalise(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook without what differs from run to run or from machine to machine, in place."""
    metadata = {key: value for key, value in notebook["metadata"].items() if key in NOTEBOOK_METADATA}
    notebook["metadata"] = {**metadata, "kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO}
    for cell in notebook["cells"]:
        cell["metadata"] = {key: value for key, value in cell["metadata"].items() if key in CELL_METADATA}
        if cell["cell_type"] == "code":
            cell["outputs"] = _normalise_outputs(cell["outputs"])
    return notebook


def save(path: Path, content: bytes) -> None:
    """Replace a file at once: a run that is interrupted leaves the old one or the new one, never half of it."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        scratch.write_bytes(content)
        scratch.replace(path)
    finally:
        scratch.unlink(missing_ok=True)


def _normalise_outputs(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join text that came in pieces, drop references to widgets that are gone, shorten paths in tracebacks."""
    result: list[dict[str, Any]] = []
    for output in outputs:
        last = result[-1] if result else {}
        if output["output_type"] == last.get("output_type") == "stream" and output["name"] == last["name"]:
            last["text"] += output["text"]
            continue
        if "data" in output:
            # JupyterLab shows "model not found" for such a reference, and the text beside it once it is gone.
            output["data"].pop(WIDGET, None)
        if output["output_type"] == "error":
            output["traceback"] = [_shorten_paths(line) for line in output["traceback"]]
        result.append(output)
    return result


def _shorten_paths(text: str) -> str:
    """Remove this machine's folders from a traceback, which nbval does not compare."""
    home = str(Path.home())
    repository = str(Path(__file__).resolve().parents[1])
    folders = [repository, *(sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib"))]
    for folder in sorted(folders, key=len, reverse=True):
        for written in (folder, folder.replace(home, "~", 1) if folder.startswith(home) else folder):
            text = text.replace(written + os.sep, "")
    return re.sub(r"0x[0-9a-f]{6,}", "0x…", text)


def _peak_memory(pid: int | None) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


if __name__ == "__main__":
    sys.exit(min(main(), 1))
