"""A notebook in a kernel that lacks the course, or a part of what it needs: one clear sentence, or the missing is installed."""

from __future__ import annotations

import ast
import json
import os
import sys
import sysconfig
import venv
from pathlib import Path

import resnet_lessons
from resnet_lessons import first_cell, learner
from tests.other_environment import make, run_cells, variables
from tests.test_environment import make_wheel

import pytest

ROOT = Path(__file__).parents[1]
CELL_ID = "begin"


def first_cell_of(path: Path) -> str:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return next(("".join(cell["source"]) for cell in cells if cell["id"] == CELL_ID), "")


WITH_CELL = [path for path in sorted(ROOT.glob("chapters/*.ipynb")) if first_cell_of(path)]
EXERCISES = sorted(ROOT.glob("exercises/*/exercise.ipynb"))


# The cell -------------------------------------------------------------------------------------------------------------


def test_the_cell_is_the_same_everywhere_but_for_the_chapters_name() -> None:
    assert len(WITH_CELL) >= 5
    assert len({first_cell_of(path).replace(path.stem, "NAME") for path in WITH_CELL}) == 1
    for path in WITH_CELL:
        assert f'first_cell.begin("{path.stem}")' in first_cell_of(path)
        code = [cell["id"] for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        assert code[0] == CELL_ID, "nothing that needs the course runs before it"


def test_exercises_begin_with_the_same_cell_but_for_their_place_and_what_it_shows() -> None:
    expected = first_cell_of(WITH_CELL[0]).replace('["..", "../.."]', '["../..", "../../.."]')
    expected = expected.replace("shows how far you are", "looks whether this kernel can run the exercise")
    expected = expected.replace(f'begin("{WITH_CELL[0].stem}")', "prepare()")
    assert len(EXERCISES) >= 6
    for path in EXERCISES:
        assert first_cell_of(path) == expected, path.parent.name
        code = [cell["id"] for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
        assert code[0] == CELL_ID, "nothing that needs the course runs before it"


def test_what_the_cell_calls_can_be_read_by_old_pythons_and_needs_no_package() -> None:
    """It runs in kernels of environments that lack everything."""
    for name in ("__init__", "quiet_tensorflow", "first_cell"):
        source = (ROOT / "resnet_lessons" / f"{name}.py").read_text(encoding="utf-8")
        tree = ast.parse(source, feature_version=(3, 8))
        assert "from __future__ import annotations\n" in source, (
            "else they are evaluated, in newer types than there are"
        )
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


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder like a clone of the course, with the package in it."""
    (tmp_path / "clone" / "work" / "chapters").mkdir(parents=True)
    (tmp_path / "clone" / "resnet_lessons").symlink_to(ROOT / "resnet_lessons", target_is_directory=True)
    return tmp_path / "clone"


@pytest.mark.parametrize("notebook", [WITH_CELL[0], EXERCISES[0]], ids=["chapter", "exercise"])
def test_a_kernel_without_the_course_says_so_in_one_sentence(
    other_python: Path, tmp_path: Path, notebook: Path
) -> None:
    cell = first_cell_of(notebook)
    ((shown,), then) = run_cells(other_python, tmp_path, cell, "print('went on')")
    (sentence,) = shown["traceback"]
    assert sentence.startswith("This kernel does not know the course: choose that of its environment")
    assert shown["output_type"] == "error", "so that Run All stops here"
    assert then[0]["text"] == "went on\n", "run by hand, since errors are allowed in this test"


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to make links")
def test_a_kernel_without_the_course_finds_it_in_the_clone(other_python: Path, clone: Path) -> None:
    """As in VS Code, where somebody opens the folder and chooses any Python that has the packages."""
    cell = first_cell_of(WITH_CELL[0])
    imported = "import resnet_lessons, torch; from resnet_lessons import labs; resnet_lessons.__name__"
    ((shown,), (name,)) = run_cells(other_python, clone / "work" / "chapters", cell, imported)
    assert "How far you are in this chapter" in shown["data"]["text/plain"]
    assert name["data"]["text/plain"] == "'resnet_lessons'"
    (clone / "work" / "exercises" / "01_basic_block").mkdir(parents=True)
    first, checked = run_cells(
        other_python,
        clone / "work" / "exercises" / "01_basic_block",
        first_cell_of(EXERCISES[0]),
        "from resnet_lessons.checks import chapter_01 as ex; ex.count.check(18560)",
    )
    assert first == [], "an exercise's first cell shows nothing where all is well"
    assert checked[0]["data"]["text/plain"] == "✓ count: right"


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
    without |= {"keras"}  # TensorFlow alone will not do
    names = [first_cell._name(one) for one in first_cell.lacking()]
    assert names[0] == "torch"
    assert {"tensorflow", "tensorflow-cpu", "keras"} <= set(names)


def test_copies_for_both_frameworks_miss_one_that_is_not_there(
    without: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work" / "exercises" / "one").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work" / "exercises" / "one")
    record = tmp_path / "work" / learner.RECORD
    record.write_text('{"route": "both"}', encoding="utf-8")
    without |= {"tensorflow"}
    with pytest.raises(first_cell.WrongKernelError, match=r"^This kernel lacks TensorFlow: choose ") as error:
        first_cell.prepare()
    assert said(error).endswith("; or go on without it: resnet-lessons lab --route pytorch")
    record.write_text('{"route": "pytorch"}', encoding="utf-8")
    first_cell.prepare()
    without |= {"torch"}
    with pytest.raises(first_cell.WrongKernelError) as error:
        first_cell.prepare()
    assert "go on without" not in said(error), "there is nothing to go on with"


def test_an_old_python_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_cell.sys, "version_info", (3, 9, 2))
    with pytest.raises(first_cell.WrongKernelError) as error:
        first_cell.prepare()
    assert said(error).startswith("This is Python 3.9, and the course needs 3.11 or later: choose ")
    with pytest.raises(first_cell.WrongKernelError):
        resnet_lessons.__getattr__("labs")  # instead of what it would stumble over


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


@pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to make links")
def test_in_vs_code_a_notebook_really_installs_what_is_missing(tmp_path: Path, clone: Path) -> None:
    """With pip cut off from every index, and a wheel of our own in the package's place."""
    python = make(tmp_path / "environment", ["tensorboard"])
    (clone / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    (wheels := tmp_path / "wheels").mkdir()
    make_wheel(wheels, "tensorboard", "99.0")
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": os.devnull}
    ((said,), (version,)) = run_cells(
        python,
        clone / "work" / "chapters",
        f"__vsc_ipynb_file__ = 'x.ipynb'\n{first_cell_of(EXERCISES[0]).replace('../../..', '../..')}",
        "import tensorboard; tensorboard.version",
        environment={**variables(tmp_path), **pip},
    )
    assert said["text"] == "Installing what is missing here: tensorboard (this may take minutes) ...\n"
    assert version["data"]["text/plain"] == "'99.0'"


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
