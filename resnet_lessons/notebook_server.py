"""JupyterLab for a learner: on this computer only, opened on the start page, and quiet.

What JupyterLab shows is set by the two files in `labconfig/`, which it reads like any other Jupyter configuration, and
by `_shortcuts`; what it has no setting for is done by `labextension/resnet-lessons/learner.js`. What the server does is set
by the options below. Options that the learner adds come last, so they win.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote

_HERE = Path(__file__).resolve().parent
# nbgrader is there for the tests and for instructors; in a learner's server its parts would warn that no course is set up.
_REFRESH = 1000  # milliseconds
_NO_OUTPUT = ":not(.jp-OutputArea-output *):not(.jp-RenderedHTMLCommon *)"  # a shortcut's selector holds no commas
_UNLISTED = ("docs",)  # opened by links alone; hidden from the list of files, not from the server
_OFF = {
    f"nbgrader.server_extensions.{part}": False
    for part in ("formgrader", "validate_assignment", "assignment_list", "course_list")
}


def serve(
    work: Path,
    port: int | None = None,
    browser: bool = True,
    extra: Sequence[str] = (),
    *,
    refresh: Callable[[], None] | None = None,
) -> int:
    """Run JupyterLab on a work folder until it is stopped.

    Parameters
    ----------
    work : Path
        The folder that JupyterLab shows, with `chapters/` in it.
    port : int, optional
        The port to begin with (default 8888); where it is taken, the next free one is used.
    browser : bool
        Open a browser, if this computer has a screen.
    extra : sequence of str
        More options for Jupyter, such as `--ServerApp.ip=0.0.0.0`.
    refresh : callable, optional
        Called every second: it keeps the start page fresh.

    Returns
    -------
    int
        The exit status: 0 after a regular stop, by Ctrl-C too.
    """
    _configure(work)
    # jsonschema would take a second to make ready for web addresses in other alphabets, which no notebook here asks it about.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    from jupyter_server.services.contents.manager import ContentsManager
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]
    from traitlets.config import Config

    # A token given here, not on the command line, where other users of this computer could read it.
    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
    hidden = [*(ContentsManager.hide_globs.default() or ()), *_UNLISTED]
    config = Config(
        {
            "IdentityProvider": {"token": token},
            "ServerApp": {"jpserver_extensions": dict(_OFF)},
            "ContentsManager": {"hide_globs": hidden},
            "LabApp": {"extra_labextensions_path": [str(_HERE / "labextension")]},
        }
    )
    server = LabApp.initialize_server([*_options(work, port, browser), *extra], config=config)
    server.contents_manager.register_pre_save_hook(_without_dead_widgets)
    asked = port or 8888
    if threading.current_thread() is threading.main_thread():
        stop = _Stop(server)
        signal.signal(signal.SIGINT, stop)  # instead of asking in the terminal whether one is sure
        signal.signal(signal.SIGTERM, stop)
    # Runs after the callback that binds the port, which is already waiting in the loop: the address answers then.
    server.io_loop.add_callback(_announce, server, asked)
    if refresh is not None:
        from tornado.ioloop import PeriodicCallback

        server.io_loop.add_callback(PeriodicCallback(refresh, _REFRESH).start)
    server.start()
    return 0


def has_screen() -> bool:
    """Whether a browser window can be shown here; text browsers would take over the terminal."""
    if os.environ.get("BROWSER"):
        return True
    if sys.platform in ("win32", "darwin"):
        return not os.environ.get("SSH_CONNECTION")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _configure(work: Path) -> None:
    """Put the package's `labconfig` folder, and one for this JupyterLab's shortcuts, first among those that Jupyter reads."""
    own = work.resolve() / ".jupyterlab-config"
    file = own / "labconfig" / "default_setting_overrides.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    shortcuts = {"@jupyterlab/shortcuts-extension:shortcuts": {"shortcuts": _shortcuts()}}
    file.write_text(json.dumps(shortcuts, indent=1) + "\n", encoding="utf-8")
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, [str(_HERE), str(own), others]))
    # A kernel that some other project registered for this user must not run the course.
    os.environ.setdefault("JUPYTER_PREFER_ENV_PATH", "1")
    _keep_out_of_a_locked_home(own)


def _keep_out_of_a_locked_home(own: Path) -> None:
    """Let Jupyter and its kernels write beside the copies where they cannot write in the user's home folder."""
    from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir, jupyter_runtime_dir

    usual = {
        "JUPYTER_CONFIG_DIR": jupyter_config_dir(), "JUPYTER_DATA_DIR": jupyter_data_dir(),
        "JUPYTER_RUNTIME_DIR": jupyter_runtime_dir(),
        "IPYTHONDIR": os.environ.get("IPYTHONDIR") or Path.home() / ".ipython",
    }  # fmt: skip
    for name, folder in usual.items():
        there = next(path for path in (Path(folder), *Path(folder).parents) if path.exists())
        if not os.access(there, os.W_OK):
            os.environ[name] = str(own / name.lower().removesuffix("_dir"))
            Path(os.environ[name]).mkdir(parents=True, exist_ok=True)


def _shortcuts() -> list[dict[str, Any]]:
    """Keep the notebook's one-key commands away from the controls of a lab, and from all that unfolds or scrolls.

    In JupyterLab (4.6), an arrow pressed in a list moves to another cell instead, and an `x` after that cuts it; Enter on
    an answer to unfold edits the cell. So each shortcut for whatever has the focus is replaced by the same one for what is
    in no output and in no text. They are read from the JupyterLab that is installed, since they differ from version to
    version.
    """
    from jupyterlab.commands import get_app_dir  # type: ignore[import-untyped]

    schema = Path(get_app_dir(), "schemas", "@jupyterlab", "notebook-extension", "tracker.json")
    if not schema.is_file():
        return []
    found = json.loads(schema.read_text(encoding="utf-8")).get("jupyter.lab.shortcuts", [])
    anywhere = [shortcut for shortcut in found if shortcut["selector"].endswith(" :focus")]
    off = [{**shortcut, "disabled": True} for shortcut in anywhere]
    return off + [{**shortcut, "selector": f"{shortcut['selector']}{_NO_OUTPUT}"} for shortcut in anywhere]


def _options(work: Path, port: int | None, browser: bool) -> list[str]:
    work = work.resolve()
    options = [
        f"--ServerApp.root_dir={work}",
        "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port_retries=100",
        f"--LabApp.default_url={_first_page(work)}",
        # Else the layout of another project comes back, with tabs whose files are not here.
        f"--LabApp.workspaces_dir={work / '.jupyterlab-workspaces'}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.extension_manager=readonly",
        # Warnings here are Jupyter's own housekeeping; they would bury the address.
        "--ServerApp.log_level=ERROR",
        "--LabApp.log_level=ERROR",
        *_encryption(),
    ]
    if port is not None:
        options.append(f"--ServerApp.port={port}")
    if not (browser and has_screen()):
        options.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-root")
    return options


def _encryption() -> list[str]:
    """Have server and kernels talk in private where this Jupyter can; each kernel warns in the terminal otherwise."""
    import zmq
    from jupyter_client.manager import KernelManager

    known = "transport_encryption" in KernelManager.class_trait_names()
    return ["--KernelManager.transport_encryption=auto"] if known and zmq.has("curve") else []


def _first_page(work: Path) -> str:
    """The start page; where there is none, the first chapter, or the folder."""
    if (work / "Start.md").is_file():
        return "/lab/tree/Start.md"
    chapters = sorted(path.name for path in work.glob("chapters/*.ipynb"))
    return f"/lab/tree/chapters/{quote(chapters[0])}" if chapters else "/lab"


def _announce(server: Any, asked: int) -> None:
    """Say where the course is, once it answers."""
    token = server.identity_provider.token
    address = server.connection_url.removesuffix(server.base_url) + server.default_url
    if token:
        address += f"?token={token}"
    if server.port != asked:
        print(f"Port {asked} is taken, so this is port {server.port}.")
    print(f"\n  The course is open at\n\n    {address}\n\n  Stop it with Ctrl-C in this window.\n", flush=True)


def _without_dead_widgets(model: dict[str, Any], **_: Any) -> None:
    """In a notebook about to be saved, keep of each widget the form to read.

    A kernel that starts later does not know the widget, and JupyterLab would show "Error displaying widget" in its place.
    """
    if model["type"] != "notebook":
        return
    for cell in model["content"]["cells"]:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data:
                data.pop("application/vnd.jupyter.widget-view+json", None)


class _Stop:
    """Signal handler: stop the server and its kernels at once, without asking."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.stopping = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        if not self.stopping:
            self.stopping = True
            print("\nStopping JupyterLab and its kernels ...", flush=True)
            self.server.stop(from_signal=True)
