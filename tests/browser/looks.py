"""What a page must look like for everybody: labels, contrast, nothing that sticks out, nothing that moves unasked."""

from __future__ import annotations

from typing import Any

# Chromium and Firefox let the keyboard scroll any box that scrolls; axe wants a tab stop in each, also where all fits.
# test_a_wide_figure_scrolls_with_the_keyboard looks whether it is so in the one that is here.
_LEFT_OUT = {"scrollable-region-focusable": {"enabled": False}}
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

_STICKS_OUT = """([boxes, parts]) => [...document.querySelectorAll(boxes)].flatMap(box => {
    const edge = box.getBoundingClientRect(), found = [];
    if (!edge.width) return [];
    for (const part of box.querySelectorAll(parts)) {
        let drawn = part;  // or what it scrolls in; a row of widgets is to wrap, not to scroll
        for (let around = part.parentElement; around !== box; around = around.parentElement)
            if (/auto|scroll/.test(getComputedStyle(around).overflowX) && !around.matches('.jupyter-widgets')) drawn = around;
        const right = drawn.getBoundingClientRect().right;
        if (part.getBoundingClientRect().width && right > edge.right + 1)
            found.push([part.tagName, part.className, right - edge.right, part.textContent.slice(0, 60)].join(' | '));
    }
    return found;
})"""
_MOVES = """(inside) => [...document.querySelectorAll(inside)].flatMap(top => [top, ...top.querySelectorAll('*')]).filter(e => {
    const style = getComputedStyle(e);
    return style.animationName !== 'none' || style.transitionDuration.split(', ').some(one => parseFloat(one) > 0);
}).map(e => `${e.tagName} ${e.className}`)"""


def violations(page: Any, inside: str, *, but: str = "", rule: str = "") -> list[str]:
    """What axe-core complains about in all elements of a selector, but those of another: rule, help and where.

    It asks for WCAG 2.2 AA as far as a program can tell, or for one rule.
    """
    from axe_playwright_python.sync_playwright import Axe

    rules = {"runOnly": [rule]} if rule else {"runOnly": _TAGS, "rules": _LEFT_OUT}
    options = {"resultTypes": ["violations", "passes", "incomplete"], **rules}
    context = {"include": [[inside]], "exclude": [[but]] if but else []}
    found = Axe().run(page, context=context, options=options).response
    if not any(one["id"] == "color-contrast" for one in found["passes"]):
        reasons = {check["message"] for one in found["incomplete"] for node in one["nodes"] for check in node["any"]}
        raise AssertionError(f"axe could judge no text: {reasons}")
    return [
        f"{one['id']}: {one['help']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def sticking_out(page: Any, boxes: str, parts: str = "*") -> list[str]:
    """The parts that end to the right of their box."""
    found: list[str] = page.evaluate(_STICKS_OUT, [boxes, parts])
    return found


def moving(page: Any, inside: str) -> list[str]:
    """The elements that move or fade, for somebody who asked the system for no motion."""
    page.emulate_media(reduced_motion="reduce")
    try:
        found: list[str] = page.evaluate(_MOVES, inside)
    finally:
        page.emulate_media(reduced_motion="no-preference")
    return found
