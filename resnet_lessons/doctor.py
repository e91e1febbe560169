"""Is everything here that the course needs? `resnet-lessons doctor`, and a cell of chapter 00, ask that.

Each check looks at one thing and says what it found; where something is wrong, a line says what to do. Nothing is changed,
nothing is sent. `report` writes the same for somebody who helps, without names of users, folders or computers.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import resnet_lessons
from resnet_lessons import learner, progress
from resnet_lessons.first_cell import OLDEST, in_colab
from resnet_lessons.frameworks import PACKAGES

OK, WARNING, PROBLEM = "ok", "warning", "problem"
MARKS = {OK: "✓", WARNING: "!", PROBLEM: "✗"}
PYTHONS = (OLDEST, (3, 13))
GIGABYTE = 1024**3
MEMORY, DISK = 4, 1  # gigabytes: a notebook takes up to 3; runs and checkpoints are small
SECONDS = 120  # for a framework to load: the first time on a slow disk takes long

# What one sees when a framework does not load, and what helps.
_LOADING = (
    ("DLL load failed", "install Microsoft's “Visual C++ Redistributable”, then restart the computer"),
    ("Illegal instruction", "this processor lacks what the package was built for; take another computer, or Colab"),
    ("cannot allocate memory", "close other programs: there is too little memory to load it"),
)


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    name : str
        What was looked at, such as ``"Python"``.
    status : {"ok", "warning", "problem"}
        A warning lets the course run, slower or with a part missing; with a problem it does not run.
    found : str
        What is there.
    fix : str
        What to do; empty if all is well.
    """

    name: str
    status: str
    found: str
    fix: str = ""


Check = Callable[[], Finding | Iterable[Finding]]


def examine(checks: Iterable[Check] | None = None) -> list[Finding]:
    """Look at everything once, or at what some checks look at; takes as long as the frameworks take to load.

    A check that fails itself becomes a warning: the others go on.
    """
    found: list[Finding] = []
    for check in CHECKS if checks is None else checks:
        try:
            with warnings.catch_warnings(action="ignore"):  # such as IPython's, where the home folder is locked
                result = check()
                found += [result] if isinstance(result, Finding) else list(result)
        except Exception as error:  # whatever is broken here must not hide what the others see
            name = check.__name__.strip("_").replace("_", " ")
            found.append(Finding(name, WARNING, f"could not be looked at ({type(error).__name__}: {error})"))
    return found


def show() -> None:
    """Print what was found as a table, what to do first."""
    from resnet_lessons.summary import write

    write(as_text(examine()))


def glance() -> None:
    """Print what keeps the course from running, as far as it shows within a second: no framework is loaded.

    Where nothing does, the text is the same on every computer, so that a notebook can be saved with it.
    """
    from resnet_lessons.summary import write

    problems = [finding for finding in examine(QUICK) if finding.status == PROBLEM]
    write(as_text(problems) if problems else "✓ Nothing here keeps the course from running.\n")


def as_text(findings: Iterable[Finding]) -> str:
    """Return findings as lines: what is wrong and what to do, then what is well."""
    findings = list(findings)
    width = max(len(finding.name) for finding in findings)
    order = {PROBLEM: 0, WARNING: 1, OK: 2}
    lines = []
    for finding in sorted(findings, key=lambda one: order[one.status]):
        lines.append(f"{MARKS[finding.status]} {finding.name.ljust(width)}  {finding.found}")
        if finding.fix:
            lines.append(f"  {' ' * width}  → {finding.fix}")
    problems, warnings = (sum(one.status == status for one in findings) for status in (PROBLEM, WARNING))
    if problems:
        lines.append(f"\n{_count(problems, 'problem')} to be mended first.")
    elif warnings:
        lines.append(f"\nThe course runs here; {_count(warnings, 'thing')} could be better.")
    else:
        lines.append("\nAll is well.")
    return "\n".join(lines) + "\n"


def as_json(findings: Iterable[Finding]) -> str:
    """Return findings as JSON, with the worst status on top."""
    findings = list(findings)
    worst = max((finding.status for finding in findings), key=(OK, WARNING, PROBLEM).index)
    return json.dumps({"status": worst, "findings": [asdict(one) for one in findings]}, indent=2, ensure_ascii=False)


def report() -> str:
    """Return what somebody who helps wants to know, with nothing private in it.

    No names of users, computers or folders, no answers, no file of the learner's.
    """
    facts = {
        "resnet-lessons": resnet_lessons.__version__,
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "system": f"{platform.system()} {platform.release()} on {platform.machine()}",
        "route": _route(),
        **{name: _version(name) or "not installed" for name in _TELLING},
    }
    width = max(map(len, facts))
    lines = [f"{name.ljust(width)}  {value}" for name, value in facts.items()]
    return without_names("\n".join([*lines, "", as_text(examine())]))


def without_names(text: str) -> str:
    """Return a text without the folders, the user and the computer that it may name."""
    folders = {
        "COURSE": _course(),
        "ENVIRONMENT": Path(sys.prefix),
        "PROGRESS": progress.folder(),
        "HOME": Path.home(),
    }
    for name, folder in folders.items():  # the longest are inside the others, so they come first
        if folder is not None and len(folder.parts) > 1:
            text = text.replace(str(folder), f"<{name.lower()}>")
    text = re.sub(r"""(?<![^\s"'(:])(?:/|[A-Z]:\\)[^\s"'):,]+""", "<path>", text)  # any other
    for private in (os.environ.get("USER"), os.environ.get("USERNAME"), platform.node()):
        if private and len(private) > 2:
            text = re.sub(rf"\b{re.escape(private)}\b", "<name>", text)
    return text


# The checks ---------------------------------------------------------------------------------------------------------

_TELLING = ("torch", "tensorflow", "keras", "numpy", "jupyterlab", "ipywidgets", "ipykernel")


def _python() -> Finding:
    version = platform.python_version()
    (oldest, newest), here = PYTHONS, sys.version_info[:2]
    if not oldest <= here <= newest:
        between = f"3.{oldest[1]} to 3.{newest[1]}"
        fix = f"make the environment with Python {between}: make lab PYTHON=python3.{newest[1]}"
        return Finding("Python", PROBLEM, f"{version}; the course needs {between}", fix)
    if sys.maxsize < 2**32:
        return Finding("Python", PROBLEM, f"{version}, for 32 bits", "install Python for 64 bits")
    return Finding("Python", OK, version)


def _packages() -> Finding:
    """Compare with the set that the tests run against."""
    wanted = _tested()
    if not wanted:
        return Finding("packages", WARNING, "the list of tested packages is not here", "work in a clone of the course")
    needed = {name for name in wanted if name in _needed()}
    here = {name: _version(name) for name in needed}
    skipped = {"torch", "tensorflow", "tensorflow-cpu", "keras"}  # a framework of its own check
    missing = sorted(name for name in needed - skipped if here[name] is None)
    others = sorted(name for name in needed if here[name] not in (None, wanted[name]))
    install = "run `make lab`, or: python -m pip install -r requirements.txt"
    if missing:
        return Finding("packages", PROBLEM, f"missing: {', '.join(missing)}", install)
    if others:
        differ = ", ".join(f"{name} {here[name]} (tested: {wanted[name]})" for name in others[:4])
        more = f" and {len(others) - 4} more" if len(others) > 4 else ""
        return Finding("packages", WARNING, f"other versions than tested: {differ}{more}", install)
    return Finding("packages", OK, f"{len(needed)} as tested")


def _frameworks() -> Iterator[Finding]:
    """Load each framework in a process of its own: one that is installed may still not load."""
    route = _route()
    started = {name: _loading(package) for name, package in PACKAGES.items()}
    for name, process in started.items():
        title = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}[name]
        wanted = route in ("both", name)
        if process is None:
            if wanted:
                other = next(one for one in PACKAGES if one != name)
                fix = "python -m pip install -r requirements.txt"
                fix += f"; or go on without it: make lab ROUTE={other}" if started[other] else ""
                yield Finding(title, PROBLEM, "is not installed", fix)
            else:
                yield Finding(title, OK, f"is not installed, and not needed on the route {route}")
            continue
        try:
            said, errors = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            yield Finding(title, WARNING, f"had not loaded after {SECONDS} seconds", "try again; then restart")
            continue
        if process.returncode == 0:
            yield Finding(title, OK, said.strip().splitlines()[-1])
            continue
        last = (errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
        if process.returncode == -4:  # the signal SIGILL
            last = "Illegal instruction"
        fix = next((cure for sign, cure in _LOADING if sign.casefold() in last.casefold()), "")
        fix = fix or "make the environment anew: delete .venv, then `make lab`"
        yield Finding(title, PROBLEM if wanted else WARNING, f"does not load: {last[:150]}", fix)


def _kernel() -> Finding:
    """Whether “Python 3 (ipykernel)” of JupyterLab is this Python."""
    from jupyter_client.kernelspec import KernelSpecManager

    found = KernelSpecManager().get_all_specs().get("python3")
    if found is None:
        return Finding("kernel", PROBLEM, "Jupyter knows no kernel python3", "python -m ipykernel install --sys-prefix")
    program = found["spec"]["argv"][0]
    path = shutil.which(program, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    # Jupyter itself replaces a plain `python` by the one that it runs in.
    if program in ("python", "python3", "python.exe") or (path and _same(path, sys.executable)):
        return Finding("kernel", OK, "python3 is this Python")
    fix = "jupyter kernelspec remove python3, then: python -m ipykernel install --sys-prefix"
    return Finding("kernel", PROBLEM, f"python3 is another Python: {program}", fix)


def _widgets() -> Finding:
    """Whether the browser's side of ipywidgets is where JupyterLab looks."""
    from jupyter_core.paths import jupyter_path

    places = [Path(folder) / "@jupyter-widgets/jupyterlab-manager" for folder in jupyter_path("labextensions")]
    folder = next((place for place in places if (place / "package.json").is_file()), None)
    fix = "python -m pip install --force-reinstall ipywidgets jupyterlab_widgets, then reload the page in the browser"
    if folder is None or _version("ipywidgets") is None:
        return Finding("widgets", PROBLEM, "JupyterLab has no part that draws them, so labs show as text", fix)
    version = json.loads((folder / "package.json").read_text(encoding="utf-8"))["version"]
    fits = version.split(".")[0] == "5"  # ipywidgets 8 goes with version 5 of its manager
    return Finding("widgets", OK if fits else WARNING, f"jupyterlab-manager {version}", "" if fits else fix)


def _memory() -> Finding:
    import psutil

    total, free = (round(getattr(psutil.virtual_memory(), name) / GIGABYTE, 1) for name in ("total", "available"))
    found = f"{free:g} GiB free of {total:g}"
    if free >= MEMORY:
        return Finding("memory", OK, found)
    return Finding(
        "memory", WARNING, found, f"close other programs and notebooks: a chapter takes up to {MEMORY - 1} GiB"
    )


def _processor() -> Finding:
    from resnet_lessons.training.run_folder import cores

    count = cores()
    found = "1 core" if count == 1 else f"{count} cores"
    return Finding("processor", OK, f"{found}, {_bfloat16()}")


def _disk() -> Finding:
    course = _course() or Path.cwd()
    free = shutil.disk_usage(course).free / GIGABYTE
    if free >= DISK:
        return Finding("disk", OK, f"{free:.0f} GiB free")
    return Finding("disk", WARNING, f"{free:.1f} GiB free", f"make room: runs and checkpoints want {DISK} GiB")


def _folders() -> Iterator[Finding]:
    """Whether copies and progress can be written."""
    course = _course()
    places = {"work folder": course / "work" if course else None, "progress": progress.folder()}
    for name, folder in places.items():
        if folder is None:
            yield Finding(
                name, PROBLEM, "the course's notebooks are not here", "clone the course, then `make lab` there"
            )
            continue
        there = next(path for path in (folder, *folder.parents) if path.exists())
        if _writable(there):
            yield Finding(name, OK, "can be written" if folder.exists() else "will be made")
        elif name == "progress":
            fix = "set RESNET_LESSONS_PROGRESS to a folder of yours; the lessons work without it"
            yield Finding(name, WARNING, f"{there} cannot be written", fix)
        else:
            fix = "copy the course into a folder of yours; or: resnet-lessons lab --work FOLDER"
            yield Finding(name, PROBLEM, f"{there} cannot be written", fix)


def _traps() -> Iterator[Finding]:
    """What has bitten people on this or that system; nothing is said where nothing is wrong."""
    if other := _other_conda():
        fix = "conda deactivate, then `make lab`; or make the environment by environment.yml alone"
        yield Finding("conda", WARNING, f"an environment of conda is active ({other}) beside this one", fix)
    if os.environ.get("PYTHONPATH"):
        fix = "unset PYTHONPATH, unless you know what it is for"
        yield Finding("PYTHONPATH", WARNING, "is set: packages from there come before the environment's", fix)
    if sys.prefix == sys.base_prefix and not os.environ.get("CONDA_PREFIX") and not in_colab():
        fix = "`make lab` makes an environment in .venv and uses it"
        yield Finding("environment", WARNING, "this is the system's own Python", fix)
    if sys.platform == "darwin":
        if platform.machine() == "x86_64":
            translated = _output(["sysctl", "-in", "sysctl.proc_translated"]) == "1"
            fix = "install Python for Apple silicon (arm64)" if translated else "PyTorch has ended support; use Colab"
            found = "Python for Intel runs in translation (Rosetta)" if translated else "a Mac with an Intel processor"
            yield Finding("macOS", WARNING if translated else PROBLEM, found, fix)
    if sys.platform == "win32":
        course = str(_course() or "")
        if "onedrive" in course.casefold():
            fix = "move the course out of OneDrive, which locks files while it copies them"
            yield Finding("Windows", WARNING, "the course lies in OneDrive", fix)
        if len(course) > 120:
            yield Finding(
                "Windows", WARNING, "the course's folder has a long name", "move it, for example to C:\\resnet"
            )
    if in_colab():
        yield Finding("Colab", OK, "what you write is gone when the session ends: download it, or mount your Drive")
    if os.environ.get("TERM_PROGRAM") == "vscode" or os.environ.get("VSCODE_PID"):
        yield Finding("VS Code", OK, "choose the environment .venv at “Select Kernel”; labs need its Jupyter extension")


CHECKS: tuple[Check, ...] = (
    _python, _packages, _frameworks, _kernel, _widgets, _memory, _processor, _disk, _folders, _traps,
)  # fmt: skip
QUICK: tuple[Check, ...] = (_python, _kernel, _widgets, _disk, _folders, _traps)  # packages: the first cell has looked


# What they need -----------------------------------------------------------------------------------------------------


def _course() -> Path | None:
    try:
        return learner.course_folder()
    except ValueError:
        return None


def _route() -> str:
    """The learner's route; "both" where none was chosen yet."""
    course = _course()
    return learner.route_of(course / "work") if course else "both"


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK)


def _tested() -> dict[str, str]:
    """The versions of `requirements.txt`."""
    course = _course()
    path = course / "requirements.txt" if course else None
    if path is None or not path.is_file():
        return {}
    lines = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {_plain(name): version for name, version in lines}


def _needed() -> set[str]:
    """What the package itself requires, without extras."""
    lines = importlib.metadata.requires("resnet-lessons") or []
    return {_plain(re.split(r"[^A-Za-z0-9_.-]", line)[0]) for line in lines if "extra ==" not in line} - _elsewhere()


def _elsewhere() -> set[str]:
    """The TensorFlow that is another system's."""
    own = sys.platform == "linux" and platform.machine() == "x86_64"
    return {"tensorflow"} if own else {"tensorflow-cpu"}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _version(name: str) -> str | None:
    for each in (name, f"{name}-cpu"):
        try:
            return importlib.metadata.version(each).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


def _loading(package: str) -> subprocess.Popen[str] | None:
    """Begin to load a package in a process of its own; None if it is not there."""
    if importlib.util.find_spec(package) is None:
        return None
    code = f"import {package}; print({package}.__version__)"
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=quiet
    )


def _bfloat16() -> str:
    """Whether the processor computes in bfloat16, as far as the system tells."""
    from resnet_lessons.training.run_folder import bfloat16_units

    if sys.platform == "linux":
        there = bool(bfloat16_units())
    elif sys.platform == "darwin":
        there = _output(["sysctl", "-n", "hw.optional.arm.FEAT_BF16"]) == "1"
    else:
        return "bfloat16 unknown (a training with precision “auto” measures it)"
    return "with bfloat16" if there else "without bfloat16, so trainings take longer"


def _other_conda() -> str:
    """The name of conda's active environment, if it is not the one that runs this."""
    active = os.environ.get("CONDA_PREFIX", "")
    return "" if not active or _same(active, sys.prefix) else os.environ.get("CONDA_DEFAULT_ENV", "unnamed")


def _same(one: str | Path, other: str | Path) -> bool:
    return Path(one).resolve() == Path(other).resolve()


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def main(as_json_text: bool) -> int:
    """Print what was found; return 1 if something keeps the course from running."""
    from resnet_lessons.summary import write

    findings = examine()
    write(as_json(findings) + "\n" if as_json_text else as_text(findings))
    return int(any(finding.status == PROBLEM for finding in findings))
