"""What tests of several folders share: the site, built once."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by whichever worker asks first: Sphinx's warnings, such as a link that leads nowhere, fail it."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, said = shared / "site", shared / "site.txt"
    try:
        folder.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + 300
        while not said.exists():
            assert time.monotonic() < deadline, "another worker builds the site, and does not come to an end"
            time.sleep(0.2)
    else:
        command = [sys.executable, str(ROOT / "tools" / "site.py"), "--output", str(folder)]
        built = subprocess.run(command, capture_output=True, text=True, cwd=shared, check=False)
        unfinished = said.with_suffix(".part")
        unfinished.write_text("" if built.returncode == 0 else built.stderr[-3000:] or "no word", encoding="utf-8")
        unfinished.rename(said)
    assert said.read_text(encoding="utf-8") == ""
    return folder
