"""Environments that lack something: real ones, made within a second from links to what is installed here."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
import sysconfig
import venv
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

OTHER = {"pytorch": ("tensorflow", "tensorflow-cpu", "keras"), "tensorflow": ("torch",)}


def make(folder: Path, without: Collection[str] = (), course: Path | None = None) -> Path:
    """Make an environment with the packages of this one; return its Python.

    Parameters
    ----------
    folder
        A new folder.
    without
        Distributions that are left out, by their names; those that are not installed here are passed over.
    course
        Where its `resnet_lessons` lies; by default as in this environment.
    """
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    left_out = {part for name in without for part in _tops(name)}
    for scheme in ("purelib", "platlib"):
        for path in Path(sysconfig.get_path(scheme)).iterdir():
            if path.name not in left_out and not (site / path.name).exists():
                (site / path.name).symlink_to(path)
    for name in ("share", "etc"):  # where JupyterLab looks for itself
        if Path(sys.prefix, name, "jupyter").is_dir():
            (folder / name).mkdir(exist_ok=True)
            (folder / name / "jupyter").symlink_to(Path(sys.prefix, name, "jupyter"), target_is_directory=True)
    if course is not None:
        for path in site.glob("__editable__*resnet_lessons*"):
            path.unlink()
        site.joinpath("course.pth").write_text(f"{course}\n", encoding="utf-8")
    return folder / "bin" / "python"


def clone(folder: Path, *parts: str) -> Path:
    """Copy the course's package, notebooks and pages, as a clone has them; return the folder.

    `parts` are further files or folders of the repository.
    """
    root = Path(__file__).parents[1]
    ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "*.shot.ipynb")
    for name in ("resnet_lessons", "chapters", "exercises", "docs", "README.md", *parts):
        if (root / name).is_dir():
            shutil.copytree(root / name, folder / name, ignore=ignored)
        else:
            folder.joinpath(name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)
    return folder


def variables(folder: Path) -> dict[str, str]:
    """Return environment variables for commands there: a home, a progress store and a Jupyter of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON", "VIRTUAL"))}
    home = str(folder)
    return kept | {
        "HOME": home, "USERPROFILE": home, "RESNET_LESSONS_PROGRESS": str(folder / "progress"),
        **{f"JUPYTER_{kind}_DIR": str(folder / "jupyter" / kind) for kind in ("CONFIG", "DATA", "RUNTIME")},
        **dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"),
    }  # fmt: skip


def run_cells(
    python: Path, folder: Path, *sources: str, environment: Mapping[str, str] | None = None
) -> list[list[dict[str, Any]]]:
    """Run cells in a kernel of that Python, started in a folder; return the outputs of each. Errors do not stop it."""
    import nbformat
    from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager
    from nbclient import NotebookClient

    class Other(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
            argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(resource_dir="", argv=argv)

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=Other())
    client = NotebookClient(notebook, km=manager, allow_errors=True, resources={"metadata": {"path": str(folder)}})
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    own |= {"RESNET_LESSONS_PROGRESS": str(folder / "progress"), **(environment or {})}
    client.execute(env=own, cleanup_kc=True)
    return [cell.outputs for cell in notebook.cells]


def _tops(name: str) -> set[str]:
    """What of a distribution lies in the folder of packages itself."""
    try:
        files = importlib.metadata.files(name) or []
    except importlib.metadata.PackageNotFoundError:
        return set()
    return {file.parts[0] for file in files} - {"..", "__pycache__"}
