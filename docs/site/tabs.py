"""The two frameworks' cells as tabs that switch together, formulas as MathML, and headings' addresses as in Jupyter."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from docutils import nodes
from docutils.utils.math import pick_math_environment, wrap_math_code
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx_design.shared import create_component

TITLES = {"tag_pytorch": "PyTorch", "tag_tensorflow": "TensorFlow"}


def anchor(heading: str) -> str:
    """Return a heading's address as JupyterLab writes it, so that links work in both."""
    return heading.replace(" ", "-")


def register(app: Sphinx) -> None:
    """Add the transform and the renderer."""
    app.add_transform(FrameworkTabs)
    app.add_html_math_renderer("mathml", (_inline_math, None), (_block_math, None))


class FrameworkTabs(SphinxTransform):
    """Put neighbouring cells of PyTorch and of TensorFlow into tabs."""

    default_priority = 400

    def apply(self, **_: Any) -> None:
        """Replace each run of such cells."""
        parents = {cell.parent for cell in self.document.findall(nodes.container) if _framework(cell)}
        for parent in parents:
            children: list[nodes.Node] = []
            for own, group in groupby(list(parent.children), key=lambda node: bool(_framework(node))):
                run = list(group)
                children += [_tab_set(run)] if own else run
            parent.children = []
            parent.extend(children)


def _framework(node: nodes.Node) -> str:
    if not isinstance(node, nodes.container):
        return ""
    # MyST-NB writes a cell's tag with "_"; docutils makes "-" of it where a directive names a class.
    classes = {name.replace("-", "_") for name in node.get("classes", [])}
    return next((tag for tag in TITLES if tag in classes), "")


def _tab_set(cells: list[nodes.Node]) -> nodes.Node:
    """All cells of a run, sorted by framework; the reader's choice holds on every page."""
    tab_set = create_component("tab-set", classes=["sd-tab-set"])
    for tag, title in TITLES.items():
        own = [cell for cell in cells if _framework(cell) == tag]
        if not own:
            continue
        label = nodes.rubric(title, nodes.Text(title), classes=["sd-tab-label"], sync_id=title, sync_group="framework")
        content = create_component("tab-content", classes=["sd-tab-content"], children=own)
        item = create_component("tab-item", classes=["sd-tab-item"], children=[label, content])
        tab_set += item
    return tab_set


def _inline_math(translator: Any, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def _block_math(translator: Any, node: nodes.math_block) -> None:
    code = node.astext()
    wrapped = wrap_math_code(code, as_block=True) if pick_math_environment(code) != "equation*" else code
    translator.body.append(f'<div class="math">{tex2mathml(wrapped, as_block=True)}</div>')
    raise nodes.SkipNode
