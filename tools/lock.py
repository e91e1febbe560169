"""Write `requirements.txt` from what is installed in `.venv`, so that it serves every supported system.

    .venv/bin/python tools/lock.py [--upgrade]

The versions are those that are installed, which is what the tests run against. Which of them a system needs follows
from the packages' own metadata, read as if on each of the systems below; a package that only other systems need is
looked up in the package index. `--upgrade` first raises everything as far as pyproject.toml allows, except PyTorch:
raise it by hand, since on Linux its default build pulls gigabytes, and the index of a CPU build may lag behind.
"""

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# The exact packages that the tests run against, for Linux, macOS and Windows; pyproject.toml holds the ranges.
# Written by `make lock`. Install with:  python -m pip install -r requirements.txt
"""
PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = {
    "linux x86_64": ("linux", "posix", "Linux", "x86_64"),
    "linux aarch64": ("linux", "posix", "Linux", "aarch64"),
    "macOS": ("darwin", "posix", "Darwin", "arm64"),
    "Windows": ("win32", "nt", "Windows", "AMD64"),
}
# The conditions that a line can carry, simplest first.
CONDITIONS = (
    "sys_platform == 'win32'",
    "sys_platform != 'win32'",
    "sys_platform == 'darwin'",
    "sys_platform == 'linux'",
    "sys_platform == 'linux' and platform_machine == 'x86_64'",
    "sys_platform != 'linux' or platform_machine != 'x86_64'",
    "python_version < '3.12'",
    "python_version >= '3.12'",
    "python_version < '3.13'",
    "python_version >= '3.13'",
)
# Built from one source and released together; at most one of them is installed here.
TWINS = {"tensorflow": "tensorflow-cpu", "tensorflow-cpu": "tensorflow"}


def environments() -> Iterator[dict[str, str]]:
    """Yield the marker variables of every system and Python."""
    for (sys_platform, os_name, system, machine), python in itertools.product(SYSTEMS.values(), PYTHONS):
        yield {
            "sys_platform": sys_platform,
            "os_name": os_name,
            "platform_system": system,
            "platform_machine": machine,
            "python_version": python,
            "python_full_version": f"{python}.0",
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }


def closure(root: str, extras: set[str], environment: dict[str, str]) -> set[str]:
    """Return the names of everything that a project needs on one system."""
    needed: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(root), extra) for extra in ("", *sorted(extras))]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in needed:
            continue
        needed.add((name, extra))
        for text in requires(name):
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({**environment, "extra": extra}):
                other = canonicalize_name(requirement.name)
                waiting += [(other, wanted) for wanted in ("", *requirement.extras)]
    return {name for name, _ in needed} - {canonicalize_name(root)}


def requires(name: str) -> list[str]:
    """Return what a package depends on."""
    for candidate in (name, TWINS.get(name, name)):
        try:
            return metadata.requires(candidate) or []
        except metadata.PackageNotFoundError:
            continue
    return looked_up(name)[1]


def version(name: str) -> str:
    """Return a package's version, without the name of a local build."""
    for candidate in (name, TWINS.get(name, name)):
        try:
            return metadata.version(candidate).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return looked_up(name)[0]


_LOOKED_UP: dict[str, tuple[str, list[str]]] = {}


def looked_up(name: str) -> tuple[str, list[str]]:
    """Ask the package index for a package that is not for this system: its newest version and what that needs."""
    for system in ("win_amd64", "macosx_14_0_arm64"):
        if name in _LOOKED_UP:
            break
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--report", "-", "--no-deps"]
        command += ["--ignore-installed", "--target", "unused", "--only-binary", ":all:", "--platform", system, name]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        if done.returncode == 0:
            (found,) = json.loads(done.stdout)["install"]
            _LOOKED_UP[name] = found["metadata"]["version"], found["metadata"].get("requires_dist", [])
    if name not in _LOOKED_UP:
        raise SystemExit(f"lock: the package index has no {name}, which some system needs")
    return _LOOKED_UP[name]


def condition(where: list[bool], name: str) -> str:
    """Return the marker that holds on exactly these of the `environments()`."""
    if all(where):
        return ""
    for text in CONDITIONS:
        if [Marker(text).evaluate({**environment, "extra": ""}) for environment in environments()] == where:
            return f" ; {text}"
    raise SystemExit(f"lock: no condition in tools/lock.py says where {name} is needed; add one to CONDITIONS")


def lock() -> str:
    """Return the text of requirements.txt."""
    needed = [closure("resnet-lessons", {"site", "test"}, environment) for environment in environments()]
    lines = [
        f"{name}=={version(name)}{condition([name in there for there in needed], name)}\n"
        for name in sorted(set.union(*needed))
    ]
    return HEADER + "".join(lines)


def upgrade() -> None:
    """Raise the installed packages as far as pyproject.toml allows."""
    held = f"torch=={version('torch')}"
    options = ["--quiet", "--upgrade", "--upgrade-strategy", "eager"]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, "-e", ".[test]", held], cwd=ROOT, check=True)
    # In a new process: this one has read the old metadata.
    subprocess.run([sys.executable, __file__], check=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--upgrade"]:
        upgrade()
    else:
        text = lock()
        (ROOT / "requirements.txt").write_text(text, encoding="utf-8")
        print(f"requirements.txt: {text.count('==') - text.count(' == ')} packages")
