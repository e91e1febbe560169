"""The colours of lines, as people see them who lack a kind of cone: by Chromium's own simulation."""

from __future__ import annotations

import io
from itertools import combinations
from typing import Any

from resnet_lessons.figures.plots import COLOURS, DASHES, MARKERS

import numpy as np
import pytest
from PIL import Image

SIDE = 20  # pixels of a patch
PLAIN = 10  # a distance that one sees at a glance


def seen(browser: Any, colours: tuple[str, ...], deficiency: str) -> np.ndarray:
    """Return each colour as it is seen, in linear light: (colours, 3), from 0 to 1."""
    page = browser.new_page(viewport={"width": SIDE * len(colours), "height": SIDE})
    patches = (f'<i style="position:fixed;left:{SIDE * i}px;top:0;width:{SIDE}px;height:{SIDE}px;background:{colour}"></i>'
               for i, colour in enumerate(colours))  # fmt: skip
    page.set_content("".join(patches))
    page.context.new_cdp_session(page).send("Emulation.setEmulatedVisionDeficiency", {"type": deficiency})
    picture = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB")) / 255
    page.close()
    patch = picture[SIDE // 2, SIDE // 2 :: SIDE]
    return np.where(patch <= 0.04045, patch / 12.92, ((patch + 0.055) / 1.055) ** 2.4)


def differences(light: np.ndarray) -> list[float]:
    """Return the distance of any two colours in CIE L*a*b* (1976), in which 2.3 is just noticeable."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = light @ to_xyz.T / to_xyz.sum(1)
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    lab = np.stack([116 * root[:, 1] - 16, 500 * (root[:, 0] - root[:, 1]), 200 * (root[:, 1] - root[:, 2])], 1)
    return [float(np.linalg.norm(one - other)) for one, other in combinations(lab, 2)]


@pytest.mark.parametrize("deficiency", ["none", "protanopia", "deuteranopia", "tritanopia"])
def test_four_lines_are_told_apart_by_colour(browser: Any, deficiency: str) -> None:
    assert min(differences(seen(browser, COLOURS[:4], deficiency))) > PLAIN


def test_the_simulation_mixes_up_what_such_people_do(browser: Any) -> None:
    red_and_green = ("#d62728", "#2ca02c")
    (for_most,), (for_some,) = (differences(seen(browser, red_and_green, kind)) for kind in ("none", "deuteranopia"))
    assert for_some < PLAIN < for_most


def test_each_line_has_a_dash_pattern_and_a_marker_of_its_own() -> None:
    assert len(set(DASHES)) == len(set(MARKERS)) == len(COLOURS)
