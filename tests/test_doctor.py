"""`doctor` finds what is wrong, says what to do, and never falls over; `report` names nobody."""

import getpass
import json
import platform
import subprocess
import sys
import warnings
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

from resnet_lessons import cli, doctor, learner

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _nothing_is_loaded(monkeypatch, tmp_path):
    """No framework is loaded in these tests, and the learner's folder is an empty one."""
    monkeypatch.setattr(doctor, "_loading", lambda package: process("2.0"))
    monkeypatch.setattr(doctor, "_course", lambda: course)
    (course := tmp_path / "course").mkdir()
    (course / "requirements.txt").write_bytes((ROOT / "requirements.txt").read_bytes())


def process(said="", errors="", code=0):
    return SimpleNamespace(communicate=lambda timeout: (said, errors), returncode=code)


def found(name):
    (finding,) = [finding for finding in doctor.examine() if finding.name == name]
    return finding


def test_this_environment_is_well():
    findings = doctor.examine()
    assert {finding.name for finding in findings if finding.status == "problem"} == set()
    # Continuous integration may run with little memory or disk; all else is as it should be.
    assert {finding.name for finding in findings if finding.status == "warning"} <= {"memory", "disk"}
    assert all(bool(finding.fix) == (finding.status != "ok") for finding in findings)


@pytest.mark.parametrize(
    ("version", "status"), [((3, 10), "problem"), ((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "problem")]
)
def test_a_python_that_is_too_old_or_too_new(monkeypatch, version, status):
    monkeypatch.setattr(sys, "version_info", (*version, 0, "final", 0))
    assert found("Python").status == status


def test_a_missing_package_is_named_with_what_to_do(monkeypatch):
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "scikit-learn" else doctor._tested().get(name))
    finding = found("packages")
    assert (finding.status, finding.found) == ("problem", "missing: scikit-learn")
    assert "requirements.txt" in finding.fix


def test_another_version_than_tested_is_a_warning_that_names_both(monkeypatch):
    version = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: "0.1" if name == "numpy" else version(name))
    finding = found("packages")
    assert finding.status == "warning"
    assert f"numpy 0.1 (tested: {doctor._tested()['numpy']})" in finding.found


@pytest.mark.parametrize(("route", "status"), [("both", "problem"), ("tensorflow", "problem"), ("pytorch", "ok")])
def test_a_framework_is_missed_only_on_a_route_that_takes_it(monkeypatch, route, status):
    work = doctor._course() / "work"
    work.mkdir()
    (work / learner.RECORD).write_text(json.dumps({"route": route}), encoding="utf-8")
    monkeypatch.setattr(doctor, "_loading", lambda package: None if package == "tensorflow" else process("2.0"))
    assert found("TensorFlow").status == status
    assert found("PyTorch").status == "ok"


@pytest.mark.parametrize(
    ("errors", "code", "fix"),
    [
        ("Traceback\nImportError: DLL load failed while importing _C", 1, "Redistributable"),
        ("", -4, "this processor lacks"),
        ("ImportError: undefined symbol", 1, "delete .venv"),
    ],
)
def test_a_framework_that_does_not_load_says_why_and_what_helps(monkeypatch, errors, code, fix):
    monkeypatch.setattr(doctor, "_loading", lambda package: process(errors=errors, code=code))
    finding = found("PyTorch")
    assert finding.status == "problem"
    assert finding.found.startswith("does not load: ")
    assert fix in finding.fix


def test_a_framework_that_loads_for_ever_is_given_up(monkeypatch):
    killed = []

    def never(timeout):
        raise subprocess.TimeoutExpired("python", timeout)

    slow = SimpleNamespace(communicate=never, kill=lambda: killed.append(True))
    monkeypatch.setattr(doctor, "_loading", lambda package: slow)
    assert found("PyTorch").status == "warning"
    assert killed


def test_a_package_is_really_loaded_in_a_process_of_its_own(monkeypatch):
    monkeypatch.undo()
    started = doctor._loading("numpy")
    import numpy as np

    assert started.communicate(timeout=60)[0].strip() == np.__version__
    assert doctor._loading("no_such_package") is None


def test_a_kernel_of_another_environment_is_noticed(monkeypatch):
    other = {"python3": {"spec": {"argv": ["/somewhere/else/bin/python", "-m", "ipykernel_launcher"]}}}
    monkeypatch.setattr("jupyter_client.kernelspec.KernelSpecManager.get_all_specs", lambda self: other)
    finding = found("kernel")
    assert finding.status == "problem"
    assert "/somewhere/else/bin/python" in finding.found
    monkeypatch.setattr("jupyter_client.kernelspec.KernelSpecManager.get_all_specs", lambda self: {})
    assert found("kernel").status == "problem"


def test_the_browsers_side_of_the_widgets_is_looked_for(monkeypatch, tmp_path):
    monkeypatch.setattr("jupyter_core.paths.jupyter_path", lambda *_: [str(tmp_path)])
    assert found("widgets").status == "problem"
    (manager := tmp_path / "@jupyter-widgets" / "jupyterlab-manager").mkdir(parents=True)
    (manager / "package.json").write_text('{"version": "3.1.0"}', encoding="utf-8")
    assert found("widgets").status == "warning"


def test_little_memory_and_disk_are_warnings(monkeypatch):
    memory, disk = namedtuple("Memory", "total available"), namedtuple("Disk", "total used free")
    monkeypatch.setattr("psutil.virtual_memory", lambda: memory(8 * 1024**3, 1024**3))
    monkeypatch.setattr("shutil.disk_usage", lambda path: disk(1, 1, 1000))
    assert (found("memory").status, found("disk").status) == ("warning", "warning")
    assert found("memory").found == "1 GiB free of 8"


def test_folders_that_cannot_be_written(monkeypatch):
    monkeypatch.setattr(doctor, "_writable", lambda path: False)
    assert found("work folder").status == "problem"
    assert found("progress").status == "warning"


def test_traps_of_systems_are_named_where_they_are(monkeypatch):
    names = {finding.name for finding in doctor._traps()}
    assert not names & {"conda", "PYTHONPATH", "macOS", "Windows", "Colab", "VS Code"}
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    monkeypatch.setenv("CONDA_PREFIX", "/elsewhere")
    monkeypatch.setenv("COLAB_RELEASE_TAG", "1")
    monkeypatch.setenv("TERM_PROGRAM", "vscode")
    assert {finding.name for finding in doctor._traps()} >= {"conda", "PYTHONPATH", "Colab", "VS Code"}
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(doctor, "_output", lambda command: "1")
    assert {f.status for f in doctor._traps() if f.name == "macOS"} == {"warning"}
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(doctor, "_course", lambda: Path("C:/Users/somebody/OneDrive/" + "x" * 120))
    assert [f.name for f in doctor._traps()].count("Windows") == 2


def test_a_glance_says_the_same_wherever_nothing_is_in_the_way(monkeypatch, capsys):
    """It stands in a notebook whose saved output is compared on other computers."""
    monkeypatch.setattr(doctor, "_loading", lambda package: pytest.fail("a framework was loaded"))
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")  # a warning
    disk = namedtuple("Disk", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: disk(1, 1, 1000))
    doctor.glance()
    assert capsys.readouterr().out == "✓ Nothing here keeps the course from running.\n"
    monkeypatch.setattr(doctor, "_writable", lambda path: False)
    doctor.glance()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("✗ work folder")
    assert lines[-1] == "1 problem to be mended first."


def test_a_locked_home_adds_no_warnings_of_others(monkeypatch):
    """IPython warns where it cannot write."""

    def warns():
        warnings.warn("not writable", stacklevel=1)
        return doctor.Finding("x", "ok", "well")

    monkeypatch.setattr(doctor, "CHECKS", (warns,))
    with warnings.catch_warnings(action="error"):
        assert found("x").status == "ok"


def test_a_check_that_fails_itself_hides_no_other(monkeypatch):
    def broken():
        raise RuntimeError("no such luck")

    monkeypatch.setattr(doctor, "CHECKS", (broken, *doctor.CHECKS))
    assert found("broken").status == "warning"
    assert found("Python").status == "ok"


def test_the_commands_exit_status_and_json(monkeypatch, capsys):
    assert cli.run(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] in ("ok", "warning")
    monkeypatch.setattr(doctor, "_loading", lambda package: None)
    assert cli.run(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("✗ PyTorch")  # what is wrong comes first
    assert lines[1].strip().startswith("→ python -m pip install")
    assert lines[-1] == "2 problems to be mended first."


def test_a_report_names_nobody(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path / "private"))
    monkeypatch.setattr(doctor, "_writable", lambda path: False)
    monkeypatch.setattr(platform, "node", lambda: "annas-laptop")
    monkeypatch.setattr(doctor, "_output", lambda command: "annas-laptop")
    monkeypatch.setenv("USER", "anna-muster")
    monkeypatch.setenv("PYTHONPATH", "/x")
    assert cli.run(["report", "--output", str(tmp_path / "report.txt")]) == 0
    text = capsys.readouterr().out
    assert (tmp_path / "report.txt").read_text(encoding="utf-8") == text
    for private in (
        str(tmp_path),
        str(Path.home()),
        "annas-laptop",
        "anna-muster",
        f"/{getpass.getuser()}/",
        str(ROOT),
    ):
        assert private not in text, private
    assert "torch" in text
    assert "cannot be written" in text


def test_names_inside_a_text_are_taken_out(monkeypatch):
    monkeypatch.setenv("USER", "anna-muster")
    text = f"{Path.home()}/x, anna-muster, {sys.prefix}/bin, /mnt/anna/x and D:\\anna\\x, 3 of 4/5"
    assert doctor.without_names(text) == "<home>/x, <name>, <environment>/bin, <path> and <path>, 3 of 4/5"
