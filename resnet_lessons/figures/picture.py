"""`Figure`: a picture with its text alternative, as notebooks show it.

Why HTML around the picture: JupyterLab (4.6) shows `image/svg+xml` and `image/png` outputs in an `<img>` without `alt`,
whatever the output's metadata say, and refuses to show any `image/svg+xml` of a notebook that this user has not run yet.
An `<img alt=… src="data:…">` inside a `text/html` output passes its sanitiser, so a reader sees, and a screen reader
reads, every committed picture at once; nbconvert and GitHub show the same. The plain image goes along for readers
that take no HTML (PDF export), with the text in its metadata, where other front ends look for it.
"""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import Any


class Figure:
    """A picture that shows itself in notebooks.

    Parameters
    ----------
    description
        What it is, in a few words that are the same on every machine: the value's `repr`.
    alt
        Text alternative: says in sentences what the picture shows.
    svg, png
        The picture, as one of the two.
    width, height
        Size on the page in CSS pixels; a PNG may hold more.
    """

    def __init__(
        self,
        description: str,
        alt: str,
        *,
        svg: str | None = None,
        png: bytes | None = None,
        width: int,
        height: int,
    ) -> None:
        if (svg is None) == (png is None):
            raise ValueError("A Figure holds either svg or png: give one of the two.")
        if not alt.strip():
            raise ValueError("A Figure needs a text alternative; alt is empty.")
        self.description, self.alt = description, alt
        self.svg, self.png = svg, png
        self.width, self.height = width, height

    def __repr__(self) -> str:
        return f"<Figure: {self.description}>"

    @property
    def mime(self) -> str:
        """Type of the picture: "image/svg+xml" or "image/png"."""
        return "image/png" if self.svg is None else "image/svg+xml"

    @property
    def html(self) -> str:
        """The picture as an `<img>` with its text alternative, for instance for `ipywidgets.HTML`.

        In a narrow column it shrinks with the column, but not below 70 %: then it scrolls, so that text stays legible.
        """
        data = base64.b64encode(self._bytes()).decode("ascii")
        return (
            f'<div style="overflow-x:auto"><img alt="{html.escape(self.alt)}" src="data:{self.mime};base64,{data}" '
            f'width="{self.width}" height="{self.height}" '
            f'style="max-width:100%;min-width:{round(0.7 * self.width)}px;height:auto"></div>'
        )

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file, whose name ends as the picture's kind asks: `.svg` or `.png`."""
        path, suffix = Path(path), ".png" if self.svg is None else ".svg"
        if path.suffix.lower() != suffix:
            raise ValueError(
                f"This figure is saved as *{suffix}, not as {path.name!r}: use {path.with_suffix(suffix).name!r}."
            )
        path.write_bytes(self._bytes())
        return path

    def _repr_mimebundle_(
        self, include: object = None, exclude: object = None
    ) -> tuple[dict[str, str], dict[str, Any]]:
        picture = self.svg if self.svg is not None else base64.b64encode(self._bytes()).decode("ascii")
        data = {"text/html": self.html, self.mime: picture, "text/plain": repr(self)}
        return data, {"alt": self.alt, self.mime: {"alt": self.alt, "width": self.width, "height": self.height}}

    def _bytes(self) -> bytes:
        if self.svg is not None:
            return self.svg.encode()
        assert self.png is not None
        return self.png
