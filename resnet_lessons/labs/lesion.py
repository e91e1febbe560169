"""Lab "Lesion": leave out or exchange blocks of trained networks, and predict what is left of their accuracy.

After Veit et al. 2016 (arXiv 1605.06431, sections 4.1 to 4.3), on the digits. Networks run in NumPy (`blockwise`), so every
number is the same on every route and machine; what other runs gave is in records/lesion.json (benchmarks/lesion.py).
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets as widgets

from .blockwise import NETWORKS, deletable, digits, load_trained, network_config
from .lab import Lab, cannot_run, label, mark, option_button, row, step
from .lesion_views import (
    BANDS,
    band_of,
    cannot,
    cannot_delete,
    number_is_right,
    numbers_html,
    operation_html,
    patient_html,
    right_answers,
    singles_html,
    status_html,
    worst,
)
from .questions import _plain

TO_SOLVE, NETWORKS_TO_SOLVE = 5, 3

_TASK = (
    "Four networks, trained on the digits, and a knife. Delete blocks, or exchange two, and predict what is left of the test "
    "accuracy; find the block whose loss hurts most; and guess how many blocks can go. The first prediction of each kind "
    "counts; five right ones, in at least three of the networks, solve the lab."
)
_PAPER = (
    "Veit et al. 2016 (sections 4.1 to 4.3) did this on CIFAR-10: without any one layer a VGG network fell to about chance; a "
    "ResNet-110 hardly noticed the loss of most of its blocks, those that halve the map excepted, and with more and more "
    "blocks deleted or reordered its error grew smoothly. They read this as an ensemble of many paths of different length, "
    "of which a deletion cuts some. It is one reading: another is that the blocks of a stage refine one estimate step by "
    "step (Greff et al. 2017, arXiv 1612.07771). What is measured, here and there, is the accuracy after a lesion; neither "
    "reading follows from it alone."
)


class Lesion(Lab):
    """The lab; `lesion` makes one.

    Attributes
    ----------
    network
        The name of the network that is on the table.
    selected
        The blocks chosen with the buttons.
    right
        How many of the test images the network gets right after the latest operation; None before there was one.
    """

    title, task, key = "Lesion", _TASK, "lesion"

    def __init__(self, *, chapter: str = "lesion") -> None:
        super().__init__(chapter)
        self.network = ""
        self.selected: tuple[str, ...] = ()
        self.right: int | None = None
        self._mode = "delete"
        self._asked: set[tuple[object, ...]] = set()
        self._hits: list[str] = []  # the network of each right prediction
        self._counted = 0
        self._worst: dict[str, str] = {}  # first answers, by network
        self._number: dict[str, int] = {}
        self._buttons: dict[str, Any] = {}
        self._patient, self._answer, self._singles, self._numbers = (widgets.HTML() for _ in range(4))
        self._networks = [option_button(name, self.choose_network, name) for name in NETWORKS]
        self._modes = [
            option_button("delete the chosen blocks", self.choose_operation, "delete"),
            option_button("exchange two chosen blocks", self.choose_operation, "swap"),
        ]
        self._bands = [option_button(band, self._operate_chosen, band) for band in BANDS]
        self._stages = widgets.VBox()
        self._which = widgets.Dropdown(description="block:", options=["–"], layout=widgets.Layout(width="220px"))
        self._count = widgets.BoundedIntText(0, 0, 9, description="blocks:", layout=widgets.Layout(width="170px"))
        try:
            for name in NETWORKS:
                load_trained(name)
        except Exception as error:
            self._show()
            self._say(cannot_run(error))
            return
        self._show(
            row(label("Network"), *self._networks),
            self._patient,
            step(
                "1. Operate. Choose blocks, and what to do with them; then predict the test accuracy, and it is done."
            ),
            self._stages,
            row(label("Operation"), *self._modes),
            row(label("Predict"), *self._bands),
            self._answer,
            step("2. The loss of which single block hurts this network most?"),
            row(self._which, option_button("This one", self._worst_chosen)),
            self._singles,
            step(
                "3. How many blocks can be deleted, before the accuracy falls below 90 % on average over the choices of "
                "so many blocks?"
            ),
            row(self._count, option_button("So many", self._number_chosen)),
            self._numbers,
            widgets.HTML(
                f"<details><summary>What the paper found, and what is debated</summary><p>{_PAPER}</p></details>"
            ),
        )
        self.choose_operation("delete")
        self.choose_network(next(iter(NETWORKS)))

    # What clicks do ------------------------------------------------------------------------------------------------------

    def choose_network(self, name: str) -> None:
        """Put another network on the table, as a click does."""
        if name not in NETWORKS:
            return self._say(f"There is no network {html.escape(repr(name))}; choose one of {', '.join(NETWORKS)}.")
        self.network, self.selected, self.right = name, (), None
        mark(self._networks, list(NETWORKS).index(name))
        config = network_config(name)
        self._buttons = {}
        rows = []
        for stage, blocks in config.stages.items():
            for block in blocks:
                self._buttons[block.name] = option_button(block.name, self._toggle, block.name)
                self._buttons[block.name].tooltip = f"choose {block.name} of {name}, or put it back"
            rows.append(row(label(stage), *(self._buttons[block.name] for block in blocks)))
        self._stages.children = rows
        self._which.options = ["–", *deletable(config)]
        self._count.max = len(deletable(config))
        self._count.value = 0
        mark(self._bands, None)
        self._patient.value = patient_html(name)
        self._answer.value = ""
        self._singles.value = singles_html(name, self._worst[name]) if name in self._worst else ""
        self._numbers.value = numbers_html(name, self._number[name]) if name in self._number else ""
        self._say("")
        self._show_status()

    def choose(self, *blocks: str) -> None:
        """Choose blocks, as clicks on their buttons do; those chosen before are let go."""
        unknown = [block for block in blocks if block not in self._buttons]
        if unknown:
            return self._say(self._no_block(unknown[0]))
        self.selected = tuple(name for name in self._buttons if name in blocks)
        self._show_selected()
        self._say("")

    def choose_operation(self, operation: str) -> None:
        """Choose what is done with the chosen blocks, as a click does: ``"delete"`` or ``"swap"``."""
        if operation not in ("delete", "swap"):
            return self._say(f"There is no operation {html.escape(repr(operation))}; choose delete or swap.")
        self._mode = operation
        mark(self._modes, ("delete", "swap").index(operation))
        self._say("")

    def delete(self, *blocks: str, predict: str) -> None:
        """Delete blocks and see what is left; `predict` is one of `BANDS`."""
        self._operate("delete", blocks, predict)

    def swap(self, a: str, b: str, *, predict: str) -> None:
        """Let two blocks exchange their weights and see what is left; `predict` is one of `BANDS`."""
        self._operate("swap", (a, b), predict)

    def predict_worst(self, block: str) -> None:
        """Say which single deletion hurts this network most; the first answer counts, and shows all of them."""
        config = network_config(self.network)
        if block not in deletable(config):
            return self._say(cannot_delete(self.network, block) if block in self._buttons else self._no_block(block))
        if self.network in self._worst:
            return self._say(f"Your answer stays noted: {self._worst[self.network]}.")
        self._worst[self.network] = block
        self._count_prediction(("worst", self.network), block in worst(self.network), {"block": block})
        self._singles.value = singles_html(self.network, block)
        self._say("")

    def predict_number(self, number: int) -> None:
        """Say how many blocks can go before the mean accuracy falls below 90 %; the first answer counts, and shows the curve."""
        most = len(deletable(network_config(self.network)))
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= most:
            return self._say(f"{html.escape(repr(number))} blocks cannot go; say a whole number from 0 to {most}.")
        if self.network in self._number:
            return self._say(f"Your answer stays noted: {self._number[self.network]}.")
        self._number[self.network] = number
        self._count_prediction(("number", self.network), number_is_right(self.network, number), {"number": number})
        self._numbers.value = numbers_html(self.network, number)
        self._say("")

    # What it found -------------------------------------------------------------------------------------------------------

    @property
    def images(self) -> int:
        """How many test images there are."""
        return len(digits().test)

    @property
    def intact(self) -> int:
        """How many test images the network gets right before any operation."""
        return right_answers(self.network)

    @property
    def accuracy(self) -> float | None:
        """The test accuracy after the latest operation, a share of 1."""
        return None if self.right is None else self.right / self.images

    @property
    def verdict(self) -> str:
        """The answer to the latest operation, as plain text."""
        return _plain(self._answer.value.partition("<table")[0])

    @property
    def worst_verdict(self) -> str:
        """The answer to the question for the block that hurts most, as plain text."""
        return _plain(self._singles.value.partition("<div")[0])

    @property
    def number_verdict(self) -> str:
        """The answer to the question how many can go, as plain text."""
        return _plain(self._numbers.value.partition("<div")[0])

    @property
    def score(self) -> tuple[int, int]:
        """How many predictions were right, and how many counted."""
        return len(self._hits), self._counted

    @property
    def solved(self) -> bool:
        """Whether five predictions were right, in at least three networks."""
        return len(self._hits) >= TO_SOLVE and len(set(self._hits)) >= NETWORKS_TO_SOLVE

    # Inside --------------------------------------------------------------------------------------------------------------

    def _operate(self, operation: str, blocks: Sequence[str], predicted: str) -> None:
        unknown = [block for block in blocks if block not in self._buttons]
        bands = dict(zip("ABCD", BANDS, strict=True)) | {band: band for band in BANDS}
        band = bands.get(str(predicted).strip().upper(), bands.get(str(predicted)))
        if unknown:
            return self._say(self._no_block(unknown[0]))
        if band is None:
            return self._say(
                f"{html.escape(repr(predicted))} is no prediction; choose one of {', '.join(BANDS)}, or a letter from A to D."
            )
        if problem := cannot(self.network, operation, blocks):
            return self._say(problem)
        names = tuple(name for name in self._buttons if name in blocks)
        self.selected = names
        self.choose_operation(operation)
        self._show_selected()
        mark(self._bands, list(BANDS).index(band))
        self.right = right_answers(self.network, operation, names)
        hit = band == band_of(self.right / self.images)
        seen = operation == "delete" and len(names) == 1 and self.network in self._worst
        counted = not seen and self._count_prediction(
            ("operate", self.network, operation, names),
            hit,
            {"operation": operation, "blocks": list(names), "band": band},
        )
        self._answer.value = operation_html(self.network, operation, names, band, self.right)
        if seen:
            self._say("The picture below has shown this one already, so it does not count.")
        elif not counted:
            self._say("You did this operation before; the first prediction counts.")
        else:
            self._say("")

    def _count_prediction(self, asked: tuple[object, ...], right: bool, value: Mapping[str, Any]) -> bool:
        if asked in self._asked:
            return False
        before = self.solved
        self._asked.add(asked)
        self._counted += 1
        if right:
            self._hits.append(self.network)
        self._record({"network": self.network, "question": str(asked[0]), **value, "right": right})
        if self.solved and not before:
            self._record({"step": "solved"})
        self._show_status()
        return True

    def _toggle(self, block: str) -> None:
        if block in self.selected:
            self.choose(*(name for name in self.selected if name != block))
        else:
            self.choose(*self.selected, block)

    def _operate_chosen(self, band: str) -> None:
        self._operate(self._mode, self.selected, band)

    def _worst_chosen(self) -> None:
        if self._which.value == "–":
            return self._say("Choose a block from the list first.")
        self.predict_worst(self._which.value)

    def _number_chosen(self) -> None:
        self.predict_number(self._count.value)

    def _show_selected(self) -> None:
        for name, button in self._buttons.items():
            chosen = name in self.selected
            (button.add_class if chosen else button.remove_class)("rl-chosen")
            button.description = f"✂ {name}" if chosen else name

    def _show_status(self) -> None:
        self._say_status(status_html(self.score, set(self._hits), self.solved))

    def _no_block(self, block: object) -> str:
        return f"{self.network} has no block {html.escape(repr(block))}; it has {', '.join(self._buttons)}."

    def _snapshot(self) -> str:
        rows = "".join(
            f"<tr><th>{name}</th><td>{len(network_config(name).blocks)} blocks</td>"
            f"<td>{right_answers(name)} of {len(digits().test)} test images right</td></tr>"
            for name in NETWORKS
        )
        return f"<table><tbody>{rows}</tbody></table>"


def lesion(*, chapter: str = "lesion") -> Lesion:
    """Delete or exchange blocks of trained networks, and predict what is left of the accuracy.

    Parameters
    ----------
    chapter
        Where what was predicted is kept.

    Returns
    -------
    Lesion
        The widget. ``.choose_network(name)``, ``.delete(*blocks, predict=band)``, ``.swap(a, b, predict=band)``,
        ``.predict_worst(block)`` and ``.predict_number(number)`` do what clicks do. It raises nothing: what is wrong with an
        argument is said in its place.
    """
    return Lesion(chapter=chapter)
