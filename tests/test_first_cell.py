"""A notebook in a kernel that lacks the course, or a part of what it needs: one clear sentence, or the missing is installed."""

from __future__ import annotations

import ast
import json
import os
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

from resnet_lessons import first_cell

import pytest

ROOT = Path(__file__).parents[1]
CELL_ID = "begin"


def first_cell_of(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return next(("".join(cell["source"]) for cell in cells if cell["id"] == CELL_ID), "")


WITH_CELL = [path for path in sorted(ROOT.glob("chapters/*.ipynb")) if first_cell_of(path)]


# The cell -------------------------------------------------------------------------------------------------------------


def test_the_cell_is_the_same_everywhere_but_for_the_chapters_name() -> None:
    assert len(WITH_CELL) >= 5
    assert len({first_cell_of(path).replace(path.stem, "NAME") for path in WITH_CELL}) == 1
    for path in WITH_CELL:
        assert f'first_cell.begin("{path.stem}")' in first_cell_of(path)
        code = [cell["id"] for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        assert code[0] == CELL_ID, "nothing that needs the course runs before it"


def test_what_the_cell_calls_can_be_read_by_old_pythons_and_needs_no_package() -> None:
    """It runs in kernels of environments that lack everything."""
    for name in ("__init__", "quiet_tensorflow", "first_cell"):
        source = (ROOT / "resnet_lessons" / f"{name}.py").read_text(encoding="utf-8")
        tree = ast.parse(source, feature_version=(3, 8))
        imported = {
            alias.name.partition(".")[0] for node in tree.body if isinstance(node, ast.Import) for alias in node.names
        } | {
            node.module.partition(".")[0]
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and not node.level and node.module
        }
        assert imported <= {*sys.stdlib_module_names, "resnet_lessons"}, name


@pytest.fixture(scope="module")
def other_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with all packages of this one except the course."""
    folder = tmp_path_factory.mktemp("other")
    venv.create(folder, symlinks=os.name != "nt")
    site = sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)})
    # A folder named in a .pth file is looked into, but .pth files in it are not read: the course is installed by one.
    Path(site, "others.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run_in(python: Path, folder: Path, *sources: str) -> list[list[dict[str, Any]]]:
    """Run cells in a kernel of another Python; return the outputs of each."""
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
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    client.execute(env={**environment, "RESNET_LESSONS_PROGRESS": str(folder / "progress")}, cleanup_kc=True)
    return [cell.outputs for cell in notebook.cells]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder like a clone of the course, with the package in it."""
    (tmp_path / "clone" / "work" / "chapters").mkdir(parents=True)
    (tmp_path / "clone" / "resnet_lessons").symlink_to(ROOT / "resnet_lessons", target_is_directory=True)
    return tmp_path / "clone"


def test_a_kernel_without_the_course_says_so_in_one_sentence(other_python: Path, tmp_path: Path) -> None:
    cell = first_cell_of(WITH_CELL[0])
    ((shown,), then) = run_in(other_python, tmp_path, cell, "print('went on')")
    (sentence,) = shown["traceback"]
    assert sentence.startswith("This kernel does not know the course: choose that of its environment")
    assert shown["output_type"] == "error", "so that Run All stops here"
    assert then[0]["text"] == "went on\n", "run by hand, since errors are allowed in this test"


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to make links")
def test_a_kernel_without_the_course_finds_it_in_the_clone(other_python: Path, clone: Path) -> None:
    """As in VS Code, where somebody opens the folder and chooses any Python that has the packages."""
    cell = first_cell_of(WITH_CELL[0])
    imported = "import resnet_lessons, torch; from resnet_lessons import labs; resnet_lessons.__name__"
    ((shown,), (name,)) = run_in(other_python, clone / "work" / "chapters", cell, imported)
    assert "How far you are in this chapter" in shown["data"]["text/plain"]
    assert name["data"]["text/plain"] == "'resnet_lessons'"


# What it calls --------------------------------------------------------------------------------------------------------


def test_this_environment_lacks_nothing() -> None:
    assert first_cell.lacking() == []
    first_cell.prepare()


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names that are taken for not installed."""
    missing: set[str] = set()
    installed, find = first_cell._is_installed, first_cell.importlib.util.find_spec
    monkeypatch.setattr(first_cell, "_is_installed", lambda name: name not in missing and installed(name))
    monkeypatch.setattr(first_cell.importlib.util, "find_spec", lambda name: None if name in missing else find(name))
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    return missing


def said(error: pytest.ExceptionInfo[first_cell.WrongKernelError]) -> str:
    (line,) = error.value._render_traceback_()
    assert "\n" not in line
    return line


def test_a_missing_package_is_one_sentence_that_says_what_to_do(without: set[str]) -> None:
    without |= {"numpy", "ipywidgets"}
    with pytest.raises(first_cell.WrongKernelError) as error:
        first_cell.begin("01_basic_block")
    assert "This kernel lacks numpy, ipywidgets: choose the kernel of the course's environment" in said(error)
    assert f'%pip install -e "{ROOT}"' in said(error)


def test_one_framework_is_enough_and_none_is_not(without: set[str]) -> None:
    without |= {"torch"}
    assert first_cell.lacking() == []
    without |= {"keras"}
    names = [first_cell._name(one) for one in first_cell.lacking()]
    assert names[0] == "torch"
    assert {"tensorflow", "tensorflow-cpu", "keras"} <= set(names)


def test_an_old_python_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_cell.sys, "version_info", (3, 9, 2))
    with pytest.raises(first_cell.WrongKernelError) as error:
        first_cell.prepare()
    assert said(error).startswith("This kernel runs Python 3.9, and the course needs 3.11 or later: choose ")


@pytest.mark.parametrize("place", ["Colab", "VS Code"])
def test_colab_and_vs_code_get_what_is_missing(
    place: str, without: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import __main__

    def install(requirements: list[str]) -> None:
        assert [first_cell._name(one) for one in requirements] == ["safetensors"]
        assert requirements[0].startswith("safetensors>="), "the version as pyproject.toml states it"
        without.clear()

    if place == "Colab":
        monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    else:
        monkeypatch.setattr(__main__, "__vsc_ipynb_file__", "01.ipynb", raising=False)
    monkeypatch.setattr(first_cell, "_install", install)
    without |= {"safetensors"}
    first_cell.prepare()
    assert capsys.readouterr().out == "Installing what is missing here: safetensors (this may take minutes) ...\n"


def test_elsewhere_nothing_is_installed_unasked(without: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_cell, "_install", lambda _: pytest.fail("installed unasked"))
    without |= {"safetensors"}
    with pytest.raises(first_cell.WrongKernelError, match="lacks safetensors"):
        first_cell.prepare()


def test_what_could_not_be_installed_is_said(without: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release")
    monkeypatch.setattr(first_cell, "_install", lambda _: None)
    without |= {"safetensors"}
    with pytest.raises(first_cell.WrongKernelError, match="lacks safetensors"):
        first_cell.prepare()
