"""Sphinx's settings for the course's site; `make site` (tools/site.py) prepares the pages and calls Sphinx with them."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import resnet_lessons

import tabs

project = "Residual networks, built twice"
author = "The resnet-lessons authors"
copyright = "the resnet-lessons authors: text CC BY 4.0, code MIT"
version = release = resnet_lessons.__version__

extensions = [
    "myst_nb", "sphinx_copybutton", "sphinx_design",
    "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode",
]  # fmt: skip
nb_execution_mode = "off"  # the pages show what is committed; CI has compared it with what the code says
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 4
myst_heading_slug_func = "tabs.anchor"
myst_links_external_new_tab = True
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings say what things are
autodoc_default_options = {"members": True}
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # else an attribute that is also a property is described twice
default_role = "literal"  # a name in single backticks, as the docstrings have them

html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_favicon = "static/favicon.svg"
html_css_files = ["course.css"]
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"  # drawn by the browser itself, so that nothing is fetched from elsewhere
copybutton_exclude = ".linenos, .gp, .go"


def setup(app: Any) -> None:
    """Register what turns the two frameworks' cells into tabs, formulas into MathML, and what tidies docstrings."""
    tabs.register(app)
    app.connect("autodoc-process-docstring", keep_indented_lines)
    app.connect("autodoc-skip-member", skip_fields_without_words)


def keep_indented_lines(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Show the indented lines of a module's docstring, commands and small tables, as they are."""
    if what != "module":
        return
    text = "\n".join(lines)
    text = re.sub(r"(?<!::)\n\n(?=    \S)", r"\n\n::\n\n", text)
    lines[:] = text.split("\n")


def skip_fields_without_words(app: Any, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples: their class describes them."""
    return True if str(getattr(thing, "__doc__", "")).startswith("Alias for field number") else None
