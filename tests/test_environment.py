"""The bootstrap, on a small project of its own with two tiny packages: nothing here uses the network."""

from __future__ import annotations

import ast
import base64
import errno
import hashlib
import importlib.util
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from resnet_lessons import learner

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
BOOTSTRAP = ROOT / "tools" / "environment.py"

PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "tiny-course"
version = "1.0"
"""
# A build backend that needs nothing installed: it packs a link to the project, by `make_wheel` below.
BACKEND = """
import base64, hashlib, zipfile
from pathlib import Path

{make_wheel}

def build_editable(folder, config_settings=None, metadata_directory=None):
    return make_wheel(Path(folder), "tiny_course", "1.0", {{"tiny_course.pth": str(Path.cwd())}}).name
"""


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


environment = load(BOOTSTRAP)


def make_wheel(
    folder: Path, name: str, version: str, files: dict[str, str] | None = None, needs: tuple[str, ...] = ()
) -> Path:
    """Write a package as a wheel, which is a zip file with three text files in it."""
    info = f"{name}-{version}.dist-info"
    content = files or {f"{name}.py": f"version = {version!r}\n"}
    content |= {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n"
        + "".join(f"Requires-Dist: {one}\n" for one in needs),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in content.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text.encode())}\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**content, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return wheel


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with a lock of two packages, and pip cut off from every index."""
    root = tmp_path_factory.mktemp("project")
    wheels = root / "wheels"
    wheels.mkdir()
    for name in ("alpha", "beta", "gamma"):
        make_wheel(wheels, name, "1.0")
    (root / "requirements.txt").write_text("alpha==1.0\nbeta==1.0  # why\nother==2.0 ; sys_platform == 'nowhere'\n")
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "backend.py").write_text(BACKEND.format(make_wheel=inspect.getsource(make_wheel)))
    (root / "tiny_course.py").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            patch.delenv(name)
        patch.setenv("PIP_CONFIG_FILE", os.devnull)
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        yield root


@pytest.fixture(scope="module")
def made(project: Path) -> Path:
    environment.Environment(project).prepare()
    return project


def diagnose(root: Path) -> tuple[str, bool]:
    found = environment.Environment(root).diagnose()
    return ("", False) if found is None else (found.reason, found.from_nothing)


def packages(root: Path) -> Path:
    return next(path.parent for path in (root / ".venv").rglob("alpha.py"))


def run_python(root: Path, code: str) -> str:
    python = environment.Environment(root).python
    return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_a_missing_environment_is_made(made: Path, tmp_path: Path) -> None:
    assert diagnose(tmp_path) == ("there is no environment yet", True)
    assert diagnose(made) == ("", False)
    assert run_python(made, "import alpha, beta, tiny_course; print(alpha.version)") == "1.0"


def test_removed_and_changed_packages_are_noticed_and_mended(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = packages(made)
    (place / "alpha.py").unlink()
    shutil.rmtree(place / "alpha-1.0.dist-info")
    metadata = place / "beta-1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("1.0", "0.9"))
    assert diagnose(made) == ("not as requirements.txt says: alpha is missing, beta is 0.9", False)
    environment.Environment(made).prepare()
    assert diagnose(made) == ("", False)
    assert run_python(made, "import alpha; print(alpha.version)") == "1.0"
    assert "Repairing" in capsys.readouterr().err


def test_a_course_that_is_not_installed_is_noticed(made: Path) -> None:
    link = packages(made) / "tiny_course.pth"
    text = link.read_text()
    link.write_text("")
    try:
        assert diagnose(made) == ("not as requirements.txt says: tiny-course is missing", False)
    finally:
        link.write_text(text)


def test_a_package_added_to_the_lock_is_installed(made: Path) -> None:
    with (made / "requirements.txt").open("a") as lock:
        lock.write("gamma==1.0\n")
    assert diagnose(made) == ("requirements.txt or pyproject.toml changed", False)
    environment.Environment(made).prepare()
    assert run_python(made, "import gamma; print(gamma.version)") == "1.0"


@pytest.mark.parametrize("name", ["stamp", "unfinished"])
def test_an_installation_that_was_cut_off_starts_from_nothing(made: Path, name: str) -> None:
    """A package may be half there, which pip does not notice; without the mark it was made by hand, and is kept."""
    box = environment.Environment(made)
    text = box.stamp.read_text()
    try:
        if name == "stamp":
            box.stamp.unlink()
            assert diagnose(made) == ("it was not made by this command", False)
        else:
            box.unfinished.touch()
            assert diagnose(made) == ("the last installation did not finish", True)
    finally:
        box.unfinished.unlink(missing_ok=True)
        box.stamp.write_text(text)


def test_a_cut_off_installation_leaves_its_mark(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = environment.Environment(made)
    stamp = box.stamp.read_text()

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(box, "_run", cut)
    box.stamp.unlink()
    try:
        with pytest.raises(KeyboardInterrupt):
            box.prepare()
        assert diagnose(made) == ("the last installation did not finish", True)
    finally:
        box.unfinished.unlink(missing_ok=True)
        box.stamp.write_text(stamp)


def test_a_broken_interpreter_is_noticed(made: Path) -> None:
    python = environment.Environment(made).python
    aside = python.with_name("aside")
    os.replace(python, aside)
    try:
        assert diagnose(made) == ("its Python does not work any more", True)
        python.write_text("no program")
        assert diagnose(made) == ("its Python does not work any more", True)
    finally:
        os.replace(aside, python)


def test_a_moved_folder_is_noticed(made: Path, tmp_path: Path) -> None:
    box = environment.Environment(made)
    text = box.stamp.read_text()
    box.stamp.write_text(json.dumps({**json.loads(text), "place": str(tmp_path)}))
    try:
        assert diagnose(made) == ("its folder was moved", True)
    finally:
        box.stamp.write_text(text)


def test_a_package_that_does_not_exist_is_one_sentence_and_breaks_nothing(made: Path) -> None:
    lock = made / "requirements.txt"
    text = lock.read_text()
    lock.write_text(text + "delta==4.0\n")
    try:
        with pytest.raises(environment.PrepareError, match=r"has no delta==4\.0 for this computer") as caught:
            environment.Environment(made).prepare()
        assert "\n" not in str(caught.value)
        assert run_python(made, "import alpha; print(alpha.version)") == "1.0"
    finally:
        lock.write_text(text)
    assert not environment.Environment(made).diagnose().from_nothing, "pip gave up in good order"


def test_a_route_of_one_framework_does_without_the_other(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is missing is neither installed nor missed; the list as a whole comes when somebody needs both."""
    wheels = made / "wheels"
    for name in ("torch", "keras"):
        make_wheel(wheels, name, "1.0")
    # As accelerate does: it brings PyTorch along, unless pip is told not to look at what a package depends on.
    make_wheel(wheels, "needy", "1.0", needs=("torch",))
    lock = made / "requirements.txt"
    text = lock.read_text()
    lock.write_text(text + "keras==1.0\nneedy==1.0\ntorch==1.0 ; sys_platform != 'nowhere'\n")
    here = "import importlib.util as u; print([n for n in ('torch', 'keras', 'needy') if u.find_spec(n)])"
    try:
        assert environment.Environment(made, "tensorflow").diagnose() is not None
        environment.Environment(made, "tensorflow").prepare()
        assert "of requirements.txt, without PyTorch (" in capsys.readouterr().err
        assert run_python(made, here) == "['keras', 'needy']"
        assert environment.Environment(made, "tensorflow").diagnose() is None
        assert diagnose(made) == ("not as requirements.txt says: torch is missing", False)
        environment.Environment(made).prepare()
        assert run_python(made, here) == "['torch', 'keras', 'needy']"
        assert environment.Environment(made, "pytorch").diagnose() is None, "what is there does no harm"
    finally:
        lock.write_text(text)


def test_without_a_route_the_lab_needs_what_the_learners_copies_need(tmp_path: Path) -> None:
    assert environment.kept_route(tmp_path) == "both"
    record = tmp_path / "work" / learner.RECORD
    record.parent.mkdir()
    for text, route in (
        ('{"route": "pytorch"}', "pytorch"),
        ('{"route": "both"}', "both"),
        ('{"route": "jax"}', "both"),
        ("{", "both"),
    ):
        record.write_text(text)
        assert environment.kept_route(tmp_path) == route


def test_what_a_route_leaves_out_is_in_the_list() -> None:
    """By the same names; else nothing would be left out."""
    named = {environment.name_in(line) for line in (ROOT / "requirements.txt").read_text().splitlines()}
    assert {name for names in environment.OTHER_FRAMEWORK.values() for name in names} <= named


def test_no_network_is_one_sentence(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = made / "requirements.txt"
    text = lock.read_text()
    lock.write_text(text + "delta==4.0\n")
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nothing listens there
    monkeypatch.setenv("PIP_RETRIES", "1")
    try:
        with pytest.raises(environment.PrepareError, match="network or the package index does not answer"):
            environment.Environment(made).prepare()
    finally:
        lock.write_text(text)


def test_two_calls_at_once_mend_it_once(made: Path) -> None:
    environment.Environment(made).stamp.unlink(missing_ok=True)  # it is, after the tests before
    code = (
        f"import sys; sys.path.insert(0, {str(BOOTSTRAP.parent)!r}); import environment; from pathlib import Path;"
        f"environment.Environment(Path({str(made)!r})).prepare()"
    )
    calls = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    said = [call.communicate(timeout=120)[1] for call in calls]
    assert [call.returncode for call in calls] == [0, 0], said
    assert sum("Repairing" in text for text in said) == 1, said
    assert diagnose(made) == ("", False)


def test_a_python_without_venv_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(environment.PrepareError, match="apt-get install python3-venv"):
        environment.Environment(tmp_path).prepare()


def test_a_folder_without_write_permission_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(environment.PrepareError, match=f"cannot write in {re.escape(str(tmp_path))}"):
        environment.Environment(tmp_path).prepare()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("ERROR: [Errno 13] Permission denied: '/x'", "no permission"),
        ("ERROR: something unheard of", "something unheard of; details are in"),
    ],
)
def test_other_failures_of_pip_are_one_sentence(tmp_path: Path, line: str, says: str) -> None:
    sentence = environment.Environment(tmp_path)._explain("pip could not", ["Collecting alpha", line])
    assert says in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full; make room, "),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "Permission denied: /x."),
    ],
)
def test_what_the_system_refuses_is_one_sentence(
    error: OSError, says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(environment.Environment, "prepare", refuse)
    assert environment.main([]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"environment: {says}")
    assert said.count("\n") == 1


def test_an_old_python_is_told_so_in_one_sentence() -> None:
    source = BOOTSTRAP.read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))  # old Pythons read it up to that sentence
    code = (
        "import sys; sys.version_info = (3, 9, 1, 'final', 0); sys.argv = ['environment.py', '--this-python'];"
        "exec(compile(sys.stdin.read(), 'environment.py', 'exec'), {'__name__': '__main__', '__file__': 'x'})"
    )
    done = subprocess.run([sys.executable, "-c", code], input=source, capture_output=True, text=True)
    assert done.returncode == 1
    assert "needs Python 3.11 to 3.13" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("code", [None, 1], ids=["not there", "Python 2"])
def test_what_is_no_python_3_is_told_so_by_make(tmp_path: Path, code: int | None) -> None:
    python = tmp_path / "python2.7"
    if code is not None:  # as a Python 2 ends the question that it is asked
        python.write_text(f"#!/bin/sh\nexit {code}\n")
        python.chmod(0o755)
    done = subprocess.run(["make", "-C", ROOT, "lab", f"PYTHON={python}"], capture_output=True, text=True)
    assert done.returncode == 2
    said = [line for line in done.stdout.splitlines() if line.startswith("environment: ")]
    assert said == [
        f"environment: {python} is no Python 3. Install Python 3.11 to 3.13, then name it: make lab PYTHON=python3.13"
    ]
    assert "Traceback" not in done.stderr


def requirements() -> list[Requirement]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_the_lock_holds_everything_that_the_course_needs_here() -> None:
    """What `tools/lock.py` would find needed on this system is in the lock, whatever pyproject.toml came to say."""
    lock = load(ROOT / "tools" / "lock.py")
    here = {name: str(value) for name, value in default_environment().items()}
    locked = {canonicalize_name(one.name) for one in requirements() if one.marker is None or one.marker.evaluate()}
    assert lock.closure("resnet-lessons", {"site", "test"}, here) == locked


def test_the_lock_is_exact_and_names_no_place() -> None:
    for one in requirements():
        assert re.fullmatch(r"==[\w.]+", str(one.specifier)), one
        assert one.url is None
        assert "+" not in str(one.specifier)


def test_each_system_gets_exactly_one_tensorflow() -> None:
    lock = load(ROOT / "tools" / "lock.py")
    flavours = [one for one in requirements() if one.name in ("tensorflow", "tensorflow-cpu")]
    for system in lock.environments():
        assert sum(one.marker is None or one.marker.evaluate(system) for one in flavours) == 1, system


def test_the_lock_agrees_with_the_ranges_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    locked = {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in requirements()}
    for text in [*project["dependencies"], *project["optional-dependencies"]["test"]]:
        wanted = Requirement(text)
        assert wanted.specifier.contains(locked[canonicalize_name(wanted.name)]), text


def test_the_tests_run_against_the_lock() -> None:
    # In a process of its own: pip brings Python's own distutils in, which nbgrader's tests cannot be run beside.
    command = [sys.executable, "-I", str(BOOTSTRAP), "--inspect", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["wrong"] == []
