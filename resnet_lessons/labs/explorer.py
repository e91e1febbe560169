"""The architecture explorer: any network of the course as a map, layer by layer, and beside another one.

A tool for every chapter. Its pictures, tables and words come from `explorer_views`; here are the widgets and what happens
when one of them changes. A network that does not exist is answered in its place, and the last good picture stays.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ipywidgets as widgets

from ..figures import Figure
from ..summary import Summary
from . import explorer_views as views
from .lab import Lab, option_button, row
from .questions import _plain

VIEWS = ("map", "layer", "comparison")
_VERSIONS = [("v1", "v1"), ("v1.5", "v1.5"), ("v2", "v2")]
_FAMILIES = [("ImageNet", "imagenet"), ("CIFAR", "cifar")]
_SHORTCUTS = [("A", "A"), ("B", "B"), ("C", "C"), ("none (plain)", "none")]
_LABELS = {
    "depth": ("Depth", "Layers with weights: 18, 34, 50, 101 or 152 (ImageNet); 6n+2, 164 or 1001 (CIFAR)", "110px"),
    "version": ("Version", "v1, v1.5 (a bottleneck's stride on its 3×3) or v2 (pre-activation)", "140px"),
    "family": ("Family", "ImageNet: 7×7 stem and four stages; CIFAR: 3×3 stem and three stages", "170px"),
    "shortcut": ("Shortcut", "A pads with zeros, B projects where shapes change, C everywhere", "185px"),
    "image_size": ("Image", "Pixels: one number such as 224, or height x width such as 240x320", "130px"),
    "num_classes": ("Classes", "Number of logits", "130px"),
    "width": ("Width", "Channels of the first stage", "110px"),
}
_STYLE = """<style>
.rl-question.rl-explorer { max-width: 62em; }
.rl-explorer .rl-controls { align-items: center; margin: 2px 0; }
.rl-explorer .rl-controls > * { margin-right: 10px; }
.rl-explorer .widget-html, .rl-explorer .widget-html-content { min-width: 0; max-width: 100%; }
.rl-explorer .rl-wide { overflow-x: auto; }
.rl-explorer th { white-space: nowrap; }
.rl-explorer .widget-radio-box { width: auto; flex-flow: row wrap !important; margin: 0; }
.rl-explorer .widget-radio-box label { margin-right: 16px; line-height: 1.8; height: auto;
  color: var(--jp-content-font-color1, rgba(0, 0, 0, 0.87)); }
.rl-explorer .rl-beside { display: flex; flex-wrap: wrap; gap: 0 28px; align-items: flex-start; }
.rl-explorer ul { margin: 0 0 8px 0; padding-left: 1.4em; }
.rl-explorer .rl-task { border-top: 1px solid var(--jp-border-color2, #e0e0e0); margin-top: 8px; padding-top: 8px; }
</style>"""
_KEYS = (  # JupyterLab takes an arrow key on a closed list for a step to another cell
    "<details><summary>With the keyboard</summary><p><kbd>Tab</kbd> goes from field to field; <kbd>Space</kbd> opens a list, "
    "arrows and <kbd>Enter</kbd> choose from it; <kbd>Space</kbd> presses a button; <kbd>Enter</kbd> takes what you typed."
    "</p></details>"
)
_TASK = (
    '<p class="rl-task"><b>A small task, if you like.</b> Among the ImageNet networks of the usual width and classes, for '
    "images of 224×224, one costs the most MACs below 4 G. Which? Guess first; then set it above, all other fields blank."
    "</p>"
)


class Explorer(Lab):
    """The tool; `explorer` makes one.

    Attributes
    ----------
    network, versus
        The fields of the network and of the one it is compared with, by name: widgets whose ``.value`` one may set.
        A blank field of `network` means the papers' own value, a blank field of `versus` the same as in `network`.
    view
        The widget that chooses what is shown: ``"map"``, ``"layer"`` or ``"comparison"``.
    selection
        The widgets that choose ``"stage"``, ``"block"`` and ``"layer"``, and the ``"compared"`` block.
    summary
        The network that is shown, as `resnet_lessons.summary.Summary`.
    selected
        Name of the chosen layer.
    answer
        The first network given as the answer to the small task, in words, or None.
    """

    title = "Architecture explorer"
    task = (
        "Set a network: its depth, and what else you want other than in the papers. Then look at its map, at any of its "
        "layers, or at what sets it apart from another network."
    )
    key = "explorer"

    def __init__(self, settings: dict[str, Any], *, chapter: str = "explorer") -> None:
        super().__init__(chapter)
        self.summary = self._other = views.find_network({})
        self.selected, self._compared = "conv1", ""
        self.answer: str | None = None
        self.solved = False
        self._held, self._fault, self._other_fault = False, "", ""
        self.network = _fields({"depth": "50", "version": "v1"}, blank="usual")
        self.versus = _fields({"version": "v1.5"}, blank="as above")
        self.view = widgets.RadioButtons(
            options=[("the map", "map"), ("one layer", "layer"), ("a comparison", "comparison")],
            description="Show",
            layout=widgets.Layout(width="auto"),
            style={"description_width": "initial"},
        )
        choices = {"stage": "Stage", "block": "Block", "layer": "Layer", "compared": "Block"}
        self.selection = {name: _dropdown(label, [], "150px") for name, label in choices.items()}
        self._map, self._facts, self._words, self._layers, self._pictures, self._verdict = (
            widgets.HTML() for _ in range(6)
        )
        self._panels = self._build_panels()
        self._arrange()
        self._watch()
        self._update()
        if settings:
            self.left(**settings)

    # What clicks do ---------------------------------------------------------------------------------------------------

    def left(self, depth: int | str | None = None, version: str | None = None, **settings: Any) -> None:
        """Set the network, as its fields do; what is not given is the papers' own.

        Parameters
        ----------
        depth, version
            Default: 50 and v1.
        **settings
            family, shortcut, image_size, num_classes, width: see `resnet_lessons.resnet_config`.
        """
        chosen = {"depth": 50 if depth is None else depth, "version": version or "v1", **settings}
        self._set(self.network, chosen)

    def right(self, depth: int | str | None = None, version: str | None = None, **settings: Any) -> None:
        """Set the network to compare with, and show the comparison; what is not given is as in the first network."""
        if self._set(self.versus, {"depth": depth, "version": version, **settings}):
            self.view.value = "comparison"

    def select(self, name: str) -> None:
        """Choose a layer ("layer2.0.conv2"), or the first one of a block, a stage, the stem or the head, and show it.

        In the comparison, its block is the one that is drawn.
        """
        try:
            self.selected = views.find_layer(self.summary, name)
        except ValueError as error:
            return self._tell(str(error))
        self._tell()
        self._compared = ".".join(self.selected.split(".")[:2]) if self.view.value == "comparison" else ""
        self._offer_layers()
        if self.view.value == "map":
            with self._hold():
                self.view.value = "layer"
        self._draw()

    def show(self, view: str) -> None:
        """Show the ``"map"``, one ``"layer"`` or the ``"comparison"``."""
        if view not in VIEWS:
            return self._tell(f"There is no view {view!r}; choose one of {', '.join(VIEWS)}.")
        self.view.value = view

    def step(self, count: int) -> None:
        """Go that many layers on along the network, or back where it is negative."""
        names = [layer.name for layer in self.summary.layers]
        self.select(names[min(max(names.index(self.selected) + count, 0), len(names) - 1)])

    def answer_task(self) -> None:
        """Give the network that is set as the answer to the small task."""
        right, text = views.judge(self.summary)
        first = self.answer is None
        self.answer = self.answer or self.summary.headline
        self.solved = self.solved or right
        self._record({"step": "answer", "network": self.summary.headline, "right": right, "first": first})
        sign = "✓ <b>Solved:</b>" if right else "✗ <b>Not this one:</b>"
        self._verdict.value = f'<div role="status"><p>{sign} {html.escape(text)}</p></div>'

    # What cells read --------------------------------------------------------------------------------------------------

    @property
    def other(self) -> Summary:
        """The network that the first one is compared with, as `resnet_lessons.summary.Summary`."""
        self._find_other()
        return self._other

    @property
    def overview(self) -> str:
        """The network, part by part, as plain text."""
        return views.overview_text(self.summary)

    @property
    def details(self) -> str:
        """What there is to say about the chosen layer, as plain text."""
        return views.facts_text(views.layer_facts(self.summary, self.selected))

    @property
    def difference(self) -> str:
        """What changes from the network to the one it is compared with, as plain text; or why there is no such one."""
        other = self.other
        return self._fault or self._other_fault or views.difference_text(self.summary, other)

    @property
    def verdict(self) -> str:
        """The answer to the latest try at the small task, as plain text."""
        return _plain(self._verdict.value)

    @property
    def map(self) -> Figure:
        """The map of the network, without a layer pointed out."""
        return views.draw_map(self.summary, None)

    @property
    def block(self) -> Figure | None:
        """The chosen layer's block; None in the stem and the head."""
        return views.draw_block(self.summary, self.selected)

    @property
    def fields(self) -> Figure:
        """What one output sees of the image at the end of each stage."""
        return views.draw_fields(self.summary)

    @property
    def blocks(self) -> Figure:
        """One block of both networks, what differs marked."""
        other = self.other
        block = views.choose_block(self.summary, other, self._compared, self.selected)
        return views.draw_blocks(self.summary, other, block)

    # Widgets ----------------------------------------------------------------------------------------------------------

    def _head_html(self) -> str:
        return super()._head_html() + _STYLE + _KEYS

    def _build_panels(self) -> dict[str, Any]:
        steps = [option_button("◂ previous layer", self.step, -1), option_button("next layer ▸", self.step, 1)]
        choose = _controls(*(self.selection[name] for name in ("stage", "block", "layer")), *steps)
        against = [
            widgets.HTML('<p class="rl-step"><b>Compare with</b> (a blank field is as above)</p>'),
            _controls(*self.versus.values()),
            self._words,
            self._layers,
            _controls(self.selection["compared"]),
            self._pictures,
        ]
        return {
            "map": self._map,
            "layer": widgets.VBox([choose, self._facts]),
            "comparison": widgets.VBox(against),
        }

    def _arrange(self) -> None:
        self.add_class("rl-explorer")
        task = [widgets.HTML(_TASK), row(option_button("This is my answer", self.answer_task)), self._verdict]
        # The notice stands right below the fields: at the end of a long page nobody would see it.
        self.children = [
            self._head,
            _controls(*self.network.values()),
            self._notice,
            self._status,
            self.view,
            *self._panels.values(),
            *task,
        ]

    def _watch(self) -> None:
        for widget in (*self.network.values(), *self.versus.values()):
            widget.observe(lambda _: self._update(), "value")
        self.view.observe(lambda _: self._draw(), "value")
        for name in ("stage", "block", "layer"):
            self.selection[name].observe(self._choose_layer, "value")
        self.selection["compared"].observe(self._choose_block, "value")

    @contextmanager
    def _hold(self) -> Iterator[None]:
        """Change several widgets, and answer once."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before

    def _set(self, fields: dict[str, Any], settings: dict[str, Any]) -> bool:
        """Put settings into fields; return whether they could be put there."""
        texts = {name: _text(value) for name, value in settings.items()}
        for name, text in texts.items():
            if name not in fields:
                self._tell(f"There is no setting {name!r}; the settings are {', '.join(views.FIELDS)}.")
                return False
            options = [value for _, value in getattr(fields[name], "options", ())]
            if options and text not in options:
                allowed = ", ".join(repr(option) for option in options if option)
                self._tell(f"{name} is {text!r}; it is one of {allowed}.")
                return False
        with self._hold():
            for name, widget in fields.items():
                widget.value = texts.get(name, "")
        self._update()
        return True

    # What changes lead to ---------------------------------------------------------------------------------------------

    def _update(self) -> None:
        """Answer a change of the fields: new networks, or what is wrong with them."""
        if self._held:
            return
        self._fault, self._compared, lost = "", "", self.selected
        try:
            self.summary = views.find_network(_read([self.network]))
        except Exception as error:
            self._fault = _still(error, "shown", self.summary)
        self.selected = views.nearest_layer(self.summary, lost)
        self._offer_layers()
        self._draw()
        if lost != self.selected and self.view.value == "layer":
            self._tell(f"{self.summary.config.name} has no {lost}; {self.selected} is shown.")

    def _find_other(self) -> None:
        """Read the second network; where the first has a fault, the second, which follows it, waits for its cure."""
        self._other_fault = ""
        try:
            if not self._fault:
                self._other = views.find_network(_read([self.versus, self.network]))
        except Exception as error:
            self._other_fault = _still(error, "compared with", self._other)

    def _tell(self, text: str = "") -> None:
        """Say what is wrong with the fields for as long as it is so, and what is wrong with the latest wish."""
        other = self._other_fault if self.view.value == "comparison" else ""
        self._say("<br>".join(f"✗ {html.escape(line)}" for line in (self._fault, other, text) if line))

    def _offer_layers(self) -> None:
        parts = views.parts(self.summary)
        part = next(name for name, group in parts.items() if self.selected in {layer.name for layer in group})
        stage, _, block = part.partition(".")
        blocks = [name.partition(".")[2] for name in parts if name.startswith(f"{stage}.")]
        layers = [(layer.name.removeprefix(f"{part}."), layer.name) for layer in parts[part]]
        stages = list(dict.fromkeys(name.partition(".")[0] for name in parts))
        with self._hold():
            _offer(self.selection["stage"], [(name, name) for name in stages], stage)
            _offer(self.selection["block"], [(name, name) for name in blocks] or [("–", "")], block)
            self.selection["block"].disabled = not blocks
            _offer(self.selection["layer"], layers, self.selected)

    def _choose_layer(self, change: Any) -> None:
        if self._held:
            return
        chosen = {name: self.selection[name].value for name in ("stage", "block", "layer")}
        if change["owner"] is self.selection["stage"]:
            name = chosen["stage"]
        elif change["owner"] is self.selection["block"]:
            block, layer = f"{chosen['stage']}.{chosen['block']}", chosen["layer"].split(".", 2)[2]
            name = views.nearest_layer(self.summary, f"{block}.{layer}")
        else:
            name = chosen["layer"]
        self.select(name)

    def _choose_block(self, change: Any) -> None:
        if not self._held:
            self._compared = change["new"]
            self._draw()

    def _draw(self) -> None:
        """Draw the view that is chosen, and hide the others."""
        if self._held:
            return
        shown = self.view.value
        for name, panel in self._panels.items():
            panel.layout.display = "" if name == shown else "none"
        try:
            self._say_status(views.totals_html(self.summary))
            {"map": self._draw_map, "layer": self._draw_layer, "comparison": self._draw_comparison}[shown]()
            self._tell()
        except Exception as error:  # a tool must not end a lesson
            self._tell(f"This could not be drawn: {str(error) or type(error).__name__}")

    def _draw_map(self) -> None:
        chosen = self.selected if "." in self.selected else None  # the first layer is chosen before anybody chose
        self._map.value = views.draw_map(self.summary, chosen).html

    def _draw_layer(self) -> None:
        facts = views.facts_html(views.layer_facts(self.summary, self.selected))
        field = views.draw_fields(self.summary, self.selected).html
        block = f"<div>{self.block.html}</div>" if self.block else ""
        tables = f"<div>{facts}{views.part_html(self.summary, self.selected)}</div>"
        self._facts.value = f'<div class="rl-beside">{tables}{block}<div>{field}</div></div>'

    def _draw_comparison(self) -> None:
        other = self.other
        block = views.choose_block(self.summary, other, self._compared, self.selected)
        choices = [(label, name) for name, label in views.block_choices(self.summary, other).items()]
        with self._hold():
            _offer(self.selection["compared"], choices, block)
        self._words.value = views.difference_html(self.summary, other)
        self._layers.value = views.layers_html(self.summary, other)
        self._pictures.value = views.draw_blocks(self.summary, other, block).html

    def _snapshot(self) -> str:
        summary = views.find_network({})
        return f"<p>{views.totals_html(summary)}</p>{views.draw_map(summary, None).html}"


def explorer(
    depth: int | str | None = None, version: str | None = None, *, chapter: str = "explorer", **settings: Any
) -> Explorer:
    """Look at any network of the course: its map, its layers, and what sets it apart from another one.

    Parameters
    ----------
    depth, version, **settings
        What to begin with; see `Explorer.left`. Default: ResNet-50 v1, beside v1.5.
    chapter
        Where an answer to the small task is kept.

    Returns
    -------
    Explorer
        The widget. ``.left(…)``, ``.right(…)``, ``.select(layer)`` and ``.show(view)`` do what its fields do; ``.overview``,
        ``.details`` and ``.difference`` are its content as text, ``.map``, ``.block``, ``.blocks`` and ``.fields`` its
        pictures. It raises nothing: a network that does not exist is answered in its place.
    """
    given = {"depth": depth, "version": version, **settings}
    return Explorer({name: value for name, value in given.items() if value is not None}, chapter=chapter)


def _fields(values: dict[str, str], blank: str) -> dict[str, Any]:
    """The seven fields of a network; `blank` says what an empty one means.

    A placeholder that followed the network would say more, but a browser that hears of it forgets what is half typed.
    """
    choices = {"version": _VERSIONS, "family": _FAMILIES, "shortcut": _SHORTCUTS}
    empty = {"version": [], "family": [("by depth", "")], "shortcut": [(blank, "")]}
    if blank == "as above":
        empty = {name: [(blank, "")] for name in choices}
    fields: dict[str, Any] = {}
    for name, (label, tooltip, width) in _LABELS.items():
        if name in choices:
            fields[name] = _dropdown(label, empty[name] + choices[name], width, tooltip)
        else:
            fields[name] = widgets.Text(
                description=label,
                tooltip=tooltip,
                placeholder="same" if blank == "as above" else blank,
                continuous_update=False,
                layout=widgets.Layout(width=width),
                style={"description_width": "initial"},
            )
        fields[name].value = values.get(name, "")
    return fields


def _dropdown(label: str, options: list[tuple[str, str]], width: str, tooltip: str = "") -> Any:
    return widgets.Dropdown(
        options=options,
        description=label,
        tooltip=tooltip or label,
        layout=widgets.Layout(width=width),
        style={"description_width": "initial"},
    )


def _controls(*parts: Any) -> Any:
    box = row(*parts)
    box.add_class("rl-controls")
    return box


def _offer(dropdown: Any, options: list[tuple[str, str]], value: str) -> None:
    if list(dropdown.options) != options:
        dropdown.options = options
    dropdown.value = value


def _still(error: Exception, what: str, summary: Summary) -> str:
    return f"{str(error) or type(error).__name__} The network {what} is still {summary.config.name}."


def _text(value: Any) -> str:
    """A setting as it stands in a field."""
    if value is None:
        return ""
    return "x".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def _read(fields: list[dict[str, Any]]) -> dict[str, Any]:
    """The settings that stand in fields; what is blank in the first is taken from the next."""
    settings = {}
    for name in views.FIELDS:
        texts = (str(each[name].value).strip() for each in fields)
        settings[name] = views.parse(name, next((text for text in texts if text), ""))
    return settings
