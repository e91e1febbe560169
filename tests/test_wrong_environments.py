"""What is wrong with an environment is said in one sentence with what to do, and never by a traceback."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from resnet_lessons import cli, learner, notebook_server, progress
from resnet_lessons.checks.notebook import tasks_of
from tests.command_line import assert_one_line
from tests.other_environment import clone, make, variables

import pytest

ROOT = Path(__file__).parents[1]
linked = pytest.mark.skipif(os.name == "nt", reason="Windows asks for rights to make links")
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with copies for a learner."""
    folder = clone(tmp_path_factory.mktemp("wrong") / "clone", "requirements.txt")
    learner.start("both", folder / "work", folder)
    return folder


@pytest.fixture
def command_without(course: Path, tmp_path: Path) -> Command:
    """Runs the command line where packages are missing."""

    def run(packages: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        python = make(tmp_path / "environment", packages.split(), course)
        command = [str(python), "-m", "resnet_lessons.cli", *arguments]
        return subprocess.run(command, cwd=course, capture_output=True, text=True, env=variables(tmp_path), timeout=120)

    return run


@linked
@pytest.mark.parametrize(
    ("missing", "arguments"),
    [
        ("typer", "doctor"),  # nothing at all can be read
        ("tqdm", "train --epochs 1"),
        ("tqdm", "check work/exercises/01_basic_block/exercise.ipynb"),
        ("nbclient", "check work/exercises/01_basic_block/exercise.ipynb"),
        ("jupyterlab", "lab --no-browser"),
        ("scikit-learn", "data"),  # which is imported by another name
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(
    command_without: Command, missing: str, arguments: str
) -> None:
    done = command_without(missing, *arguments.split())
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"resnet-lessons: the package {missing} is not installed: `make lab` installs all ")
    assert line.endswith(f"-m pip install {missing}")


@linked
def test_the_doctor_works_where_most_is_missing(command_without: Command) -> None:
    missing = "jupyterlab jupyter_client numpy psutil rich torch tensorflow-cpu tensorflow keras tqdm ipywidgets"
    done = command_without(missing, "doctor")
    assert (done.returncode, done.stderr) == (1, "")
    assert "✗ packages" in done.stdout
    assert "missing: ipywidgets, jupyterlab, numpy, rich, tqdm" in done.stdout
    for framework in ("PyTorch", "TensorFlow"):
        assert f"✗ {framework}" in done.stdout
    assert "go on without" not in done.stdout, "one of them is needed"


def test_a_package_that_does_not_load_is_another_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ImportError("libx.so: cannot open shared object file\nand more", name="numpy")

    monkeypatch.setattr(learner, "start", broken)
    assert_one_line(["start"], r"numpy does not load \(libx\.so: .* and more\): `make clean`, then `make lab`", capsys)


def test_a_module_of_the_course_that_is_missing_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is nothing that somebody could install."""

    def broken(*_: object) -> None:
        raise ModuleNotFoundError("No module", name="resnet_lessons.new")

    monkeypatch.setattr(learner, "start", broken)
    with pytest.raises(ModuleNotFoundError):
        cli.run(["start"])


def test_tasks_that_need_a_missing_package_are_not_taken_for_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "resnet_lessons.checks.chapter_03", raising=False)
    monkeypatch.setitem(sys.modules, "resnet_lessons.checks.bottleneck_mistakes", None)
    with pytest.raises(ModuleNotFoundError, match="bottleneck_mistakes"):
        tasks_of("chapter_03")
    with pytest.raises(ValueError, match="is the notebook newer"):
        tasks_of("chapter_99")


@pytest.mark.parametrize("name", ["__init__", "quiet_tensorflow", "first_cell", "cli"])
def test_old_pythons_read_as_far_as_the_sentence_about_them(name: str) -> None:
    ast.parse((ROOT / "resnet_lessons" / f"{name}.py").read_text(encoding="utf-8"), feature_version=(3, 7))


def test_an_old_python_is_one_line_of_the_command() -> None:
    code = (
        "import sys, runpy; sys.version_info = (3, 9, 1); runpy.run_module('resnet_lessons.cli', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("resnet-lessons: This is Python 3.9, and the course needs 3.11 or later: ")
    assert "make lab" in line


# Folders that cannot be written ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.EACCES, "make the folder writable"),
        (errno.EROFS, "make the folder writable"),
        (errno.ENOSPC, "make room"),
    ],
)
@pytest.mark.parametrize("command", ["start", "update"])
def test_a_work_folder_that_takes_nothing_is_one_sentence(
    command: str, number: int, cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(learner.tempfile, "mkstemp", refuse)
    says = rf"cannot write .*00_start_here\.ipynb \({os.strerror(number)}\); {cure}, or choose another one with --work"
    assert_one_line([command, "--work", str(tmp_path / "work")], says, capsys)
    assert not list(tmp_path.rglob("*.ipynb"))


@pytest.mark.parametrize(("number", "cure"), [(errno.EACCES, "a folder of yours"), (errno.ENOSPC, "make room")])
def test_any_other_file_that_cannot_be_written_is_one_sentence(
    number: int, cure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(progress, "export", refuse)
    assert_one_line(
        ["progress", "export", str(tmp_path / "p.json")], rf"{os.strerror(number)}: .*p\.json; .*{cure}", capsys
    )


def test_the_lab_runs_where_the_home_folder_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in some computer rooms and containers: Jupyter would stop, since it writes there."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    for name in names:
        monkeypatch.setenv(name, "")  # so that they are as before afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    notebook_server._keep_out_of_a_locked_home(tmp_path / "own")
    assert not {*names} & {*os.environ}, "a home folder that can be written is used"
    monkeypatch.setattr(os, "access", lambda path, mode: not tmp_path.is_relative_to(path))
    notebook_server._keep_out_of_a_locked_home(tmp_path / "own")
    for name in names:
        assert Path(os.environ[name]).is_relative_to(tmp_path / "own")
        assert Path(os.environ[name]).is_dir()
