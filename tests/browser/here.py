"""What can be opened in a browser here."""

from __future__ import annotations

import os
import shutil

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
ON_BOTH_ROUTES = "02_shortcut_projection"  # all other chapters are opened as who learns with PyTorch has them


def find_browser() -> str | None:
    """The program of an installed Chromium."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
