"""Make `.venv`, the environment that the Makefile's commands run in, or repair it; do nothing if it is as it should be.

    python3 tools/environment.py [--this-python]

It should hold exactly what `requirements.txt` lists, and this project as an editable install. A second call takes well
under a second. Needs nothing but Python's standard library. Its syntax stays old, so that an old Python reads far enough
to say why it will not do.
"""

import errno
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

OLDEST, NEWEST = (3, 11), (3, 13)


def find_python() -> str:
    """Find another Python on the path that will do; an empty string if there is none."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which("python3.%d" % minor)  # noqa: UP031
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return found
    return ""


if not OLDEST <= sys.version_info[:2] <= NEWEST:
    other = find_python()
    if other and "--this-python" not in sys.argv:
        sys.exit(subprocess.call([other, *sys.argv]))
    sys.exit(
        "environment: this is Python %s, and the course needs Python 3.%d to 3.%d; install one, "  # noqa: UP031
        "then name it: make lab PYTHON=python3.%d" % (platform.python_version(), OLDEST[1], NEWEST[1], NEWEST[1])
    )

from collections.abc import Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from typing import IO, NamedTuple  # noqa: E402

NETWORK = re.compile(
    r"ConnectionError|ConnectTimeout|ReadTimeout|NameResolution|ProxyError|SSLError|ConnectionReset|Connection refused"
    r"|Connection broken|unreachable|No route to host|name resolution|timed out",
    re.IGNORECASE,
)
# What a route of one framework does without; all else is installed for every route.
OTHER_FRAMEWORK = {"pytorch": ("tensorflow", "tensorflow-cpu", "keras"), "tensorflow": ("torch",)}
LARGE_DOWNLOAD = re.compile(r"\s*Downloading (?:\S*/)?([A-Za-z0-9_.]+)-\S+ \((\d{2,}[.\d]* MB|[.\d]+ GB)")


FULL = "the disk is full; make room, since the environment takes about 4 GB, and repeat the command"


class PrepareError(Exception):
    """Something that the user has to mend, in one sentence."""


class Diagnosis(NamedTuple):
    """What is wrong with the environment, and whether it has to be made from nothing."""

    reason: str
    from_nothing: bool


class Environment:
    """The environment of the project in one folder; on a route of one framework, the other one may be missing."""

    def __init__(self, root: Path, route: str = "both") -> None:
        self.root = root
        self.route = route
        self.folder = root / ".venv"
        self.python = self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        # Written last, so that its absence tells an installation that never finished.
        self.stamp = self.folder / "resnet-lessons.json"
        # Written first and removed last: packages may be half there, which pip does not notice.
        self.unfinished = self.folder / "unfinished"
        self.log = self.folder / "install.log"

    def diagnose(self, this_python: bool = False) -> "Diagnosis | None":
        """Say what is wrong; None if nothing is. `this_python`: it must be of the version that runs this."""
        if not self.folder.exists():
            return Diagnosis("there is no environment yet", True)
        if self.unfinished.exists():
            return Diagnosis("the last installation did not finish", True)
        found = self._inspect()
        if found is None:
            return Diagnosis("its Python does not work any more", True)
        version = tuple(found["python"])
        if not OLDEST <= version <= NEWEST or (this_python and version != sys.version_info[:2]):
            return Diagnosis(f"it has Python {version[0]}.{version[1]}", True)
        stamp = self._read_stamp()
        if stamp.get("place", str(self.root)) != str(self.root):
            return Diagnosis("its folder was moved", True)
        if not stamp:
            return Diagnosis("it was not made by this command", False)
        if stamp != self._new_stamp():
            return Diagnosis("requirements.txt or pyproject.toml changed", False)
        if found["wrong"]:
            first = ", ".join(found["wrong"][:3])
            more = f" and {len(found['wrong']) - 3} more" if len(found["wrong"]) > 3 else ""
            return Diagnosis(f"not as requirements.txt says: {first}{more}", False)
        return None

    def prepare(self, this_python: bool = False) -> None:
        """Bring the environment into the state in which `diagnose` finds nothing."""
        if self.diagnose(this_python) is None:
            return
        with one_at_a_time():
            diagnosis = self.diagnose(this_python)  # again: whoever had the lock may have mended it
            if diagnosis is None:
                return
            started = time.monotonic()
            if not diagnosis.from_nothing:
                self._repair(diagnosis.reason)
                diagnosis = self.diagnose(this_python)
            if diagnosis is not None:
                self._make(diagnosis.reason)
                diagnosis = self.diagnose(this_python)
            if diagnosis is not None:
                raise PrepareError(
                    f"the environment is still not right ({diagnosis.reason}); delete {self.folder} and retry"
                )
            say(f"The environment is ready ({time.monotonic() - started:.0f} s).")

    def _make(self, reason: str) -> None:
        if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
            raise PrepareError(
                "this Python comes without its venv module; on Debian and Ubuntu: sudo apt-get install python3-venv"
            )
        if not os.access(self.root, os.W_OK):
            raise PrepareError(
                f"cannot write in {self.root}; make it writable or clone the course into a folder of yours"
            )
        say(f"Making the environment .venv with Python {platform.python_version()} ({reason}) ...")
        maker = base_python(self.folder)
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir()
        self.unfinished.touch()
        self._run([maker, "-m", "venv", str(self.folder)], "Python could not make a virtual environment")
        self._install("the first time this downloads 1 GB or more and takes minutes")

    def _repair(self, reason: str) -> None:
        if not os.access(self.folder, os.W_OK):
            raise PrepareError(
                f"the environment needs a repair ({reason}), but {self.folder} cannot be written; make it writable, or "
                "clone the course into a folder of yours"
            )
        say(f"Repairing the environment .venv ({reason}) ...")
        self.stamp.unlink(missing_ok=True)
        self.unfinished.touch()
        try:
            self._install("only what is missing")
        except PrepareError:
            self.unfinished.unlink(missing_ok=True)  # pip gave up in good order: what was there still is
            raise

    def _install(self, effort: str) -> None:
        pip = [str(self.python), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
        pip += ["--progress-bar", "off", "--no-warn-script-location"]
        without = f", without {'TensorFlow' if self.route == 'pytorch' else 'PyTorch'}" if self._left_out else ""
        say(f"Installing the packages of requirements.txt{without} ({effort}) ...")
        self._run([*pip, *self._packages()], "pip could not install the packages")
        say("Installing the course itself ...")
        # Without isolation pip uses the setuptools just installed and downloads nothing more.
        self._run([*pip, "--no-deps", "--no-build-isolation", "-e", "."], "pip could not install the course itself")
        temporary = self.stamp.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._new_stamp()), encoding="utf-8")
        self.unfinished.unlink()
        os.replace(temporary, self.stamp)

    @property
    def _left_out(self) -> "tuple[str, ...]":
        return OTHER_FRAMEWORK.get(self.route, ())

    def _packages(self) -> list[str]:
        """The options that tell pip what to install: the list, or the part of it that a route needs."""
        if not self._left_out:
            return ["-r", "requirements.txt"]
        lines = (self.root / "requirements.txt").read_text(encoding="utf-8").splitlines()
        kept = self.folder / "requirements.txt"
        kept.write_text("".join(f"{one}\n" for one in lines if name_in(one) not in self._left_out), encoding="utf-8")
        # accelerate would bring PyTorch along; without PyTorch, whose builds for GPUs need more, the list is complete.
        return [*(["--no-deps"] if "torch" in self._left_out else []), "-r", str(kept)]

    def _run(self, command: list[str], failure: str) -> None:
        """Run a step, its output into the log; show the large downloads, since they take long."""
        lines = []
        options = {"pass_fds": (LOCK.fileno(),)} if LOCK and os.name != "nt" else {}  # held until the child ends, too
        process = subprocess.Popen(
            command,
            cwd=self.root,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            **options,  # type: ignore[call-overload]
        )
        with process, self.log.open("a", encoding="utf-8") as log:
            for line in process.stdout:
                log.write(line)
                lines.append(line.strip())
                large = LARGE_DOWNLOAD.match(line)
                if large:
                    say(f"  downloading {large[1]} ({large[2]}) ...")
                elif line.startswith("Installing collected packages"):
                    say("  unpacking ...")
        if process.returncode:
            raise PrepareError(self._explain(failure, lines))

    def _explain(self, failure: str, lines: list[str]) -> str:
        text = "\n".join(lines)
        errors = [line[len("ERROR: ") :] for line in lines if re.match("ERROR: (?!Exception:)", line)] or lines[-1:]
        details = f"details are in {self.log.relative_to(self.root)}"
        missing = re.search(r"No matching distribution found for (\S+)", text)
        if "No space left" in text:
            return f"{failure}: {FULL}"
        # Where pip reaches no index, it only warns about that, and then says that there is no such package.
        if NETWORK.search(text if missing else "\n".join(errors)):
            return f"{failure}: the network or the package index does not answer; check it and repeat the command"
        if "Permission denied" in text:
            return f"{failure}: no permission to write; {details}"
        if missing:
            here = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
            return f"{failure}: the package index has no {missing[1]} for this computer ({here}); {details}"
        return f"{failure}: {errors[-1] if errors else 'it said nothing'}; {details}"

    def _inspect(self) -> "dict | None":
        """Ask the environment's own Python what is there; None if it cannot even say that."""
        command = [str(self.python), "-I", __file__, "--inspect", str(self.root), self.route]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)
            return json.loads(done.stdout) if done.returncode == 0 else None
        except (OSError, ValueError, subprocess.TimeoutExpired):
            return None

    def _read_stamp(self) -> dict:
        try:
            stamp = json.loads(self.stamp.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def _new_stamp(self) -> dict:
        content = b"\0".join((self.root / name).read_bytes() for name in ("requirements.txt", "pyproject.toml"))
        return {"place": str(self.root), "inputs": hashlib.sha256(content).hexdigest()}


def name_in(line: str) -> str:
    """Return the package that a line of the list names."""
    return re.split(r"[^A-Za-z0-9_.-]", line)[0]


def kept_route(root: Path) -> str:
    """Return the route that the learner's copies were made for; "both" where that is not known."""
    try:
        route = json.loads((root / "work" / ".resnet-lessons.json").read_text(encoding="utf-8"))["route"]
    except (OSError, ValueError, KeyError, TypeError):
        return "both"
    return route if route in OTHER_FRAMEWORK else "both"


def inspect(root: Path, route: str = "both") -> dict:
    """Compare what is installed with the list; runs inside the environment.

    pip's own copy of `packaging` reads the markers: where it is missing, pip is, and this fails as it should.
    """
    import tomllib
    from importlib import metadata

    from pip._vendor.packaging.requirements import Requirement

    wrong = []
    for line in (root / "requirements.txt").read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text or text.startswith("-"):
            continue
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate():
            continue
        if requirement.name in OTHER_FRAMEWORK.get(route, ()):
            continue
        try:
            version = metadata.version(requirement.name)
        except (metadata.PackageNotFoundError, KeyError):
            version = None
        if not version or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version or 'missing'}")
    name = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["name"]
    spec = importlib.util.find_spec(name.replace("-", "_"))
    if spec is None or not Path(spec.origin or "").is_relative_to(root):
        wrong.append(f"{name} is missing")
    return {"python": sys.version_info[:2], "wrong": wrong}


LOCK: "IO[bytes] | None" = None


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one process at a time work on the environment. The lock is on this file, so that none lies around."""
    global LOCK
    with open(__file__, "rb") as LOCK:
        if not lock(LOCK, wait=False):
            say("Another command is preparing the environment; waiting for it ...")
            lock(LOCK, wait=True)
        try:
            yield
        finally:
            LOCK = None


def lock(file: IO[bytes], wait: bool) -> bool:
    """Lock a file until it is closed; say whether that worked."""
    if os.name == "nt":
        import msvcrt

        while True:
            file.seek(1 << 30)  # past the end: the file itself can still be read by others
            try:
                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
                return True
            except OSError:
                if not wait:
                    return False
                time.sleep(1)
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        pass  # some network file systems have no locks; then there is none
    return True


def base_python(folder: Path) -> str:
    """Return the Python to make `folder` with: not the one inside it, which is about to be deleted."""
    if Path(sys.prefix).resolve() == folder.resolve():
        return os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]
    return sys.executable


def clean_environment() -> dict:
    """Return the process's environment without settings that would send packages elsewhere."""
    harmful = ("PYTHONHOME", "PYTHONPATH", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "__PYVENV_LAUNCHER__")
    return {name: value for name, value in os.environ.items() if name not in harmful}


def say(sentence: str) -> None:
    """Tell the user what happens; on stderr, so that the output of the command that follows stays clean."""
    print(sentence, file=sys.stderr, flush=True)


def main(arguments: list) -> int:
    """Prepare the environment of this repository; 0 if it is ready.

    `--route=pytorch` does without TensorFlow, `--route=` without what the route of the learner's copies does not need.
    """
    if arguments[:1] == ["--inspect"]:
        print(json.dumps(inspect(Path(arguments[1]), *arguments[2:])))
        return 0
    root = Path(__file__).resolve().parent.parent
    routes = [one[len("--route=") :] for one in arguments if one.startswith("--route=")]
    try:
        Environment(root, (routes[-1] or kept_route(root)) if routes else "both").prepare("--this-python" in arguments)
    except PrepareError as failure:
        say(f"environment: {failure}.")
        return 1
    except OSError as error:
        full = error.errno == errno.ENOSPC
        said = FULL if full else f"{error.strerror or error}: {error.filename or 'while preparing .venv'}"
        say(f"environment: {said}.")
        return 1
    except KeyboardInterrupt:
        say("environment: stopped; the same command goes on, and what was downloaded is kept.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
