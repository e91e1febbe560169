"""Small widgets that several labs put together."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets


def step(text: str) -> Any:
    """Return the heading of a step; simple HTML."""
    return widgets.HTML(f'<p class="rl-step"><b>{text}</b></p>')


def label(text: str) -> Any:
    """Return what stands in front of a row of buttons; simple HTML."""
    return widgets.HTML(f'<span style="display: inline-block; min-width: 5.8em; padding-top: 8px"><b>{text}</b></span>')
