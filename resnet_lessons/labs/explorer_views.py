"""What the architecture explorer shows: pure functions from settings to a network's summary, to HTML, text and pictures.

Counts come from `resnet_lessons.summary`, pictures from `resnet_lessons.figures`; nothing here knows of widgets.
"""

from __future__ import annotations

import difflib
import functools
import html
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from ..architecture import Layer
from ..figures import Figure, architecture_map, block_diagram, block_diagrams, receptive_fields
from ..figures.network import short_count
from ..summary import (
    DIFFERS,
    FAMILY_NAMES,
    Stage,
    Summary,
    _differ,
    _pairs,
    _percent,
    _shape,
    _signed,
    _window,
    choose_config,
    differences,
    family_note,
    parse_image_size,
    summarize,
)

FIELDS = ("depth", "version", "family", "shortcut", "image_size", "num_classes", "width")
LIMITS = {"depth": 1202, "image_size": 1024, "num_classes": 100_000, "width": 128}
DEPTHS = {"imagenet": (18, 34, 50, 101, 152), "cifar": (8, 14, 20, 32, 44, 56, 110, 164, 1001, 1202)}
KINDS = {
    "conv": "convolution",
    "bn": "batch normalisation",
    "relu": "ReLU",
    "maxpool": "max-pool",
    "pad": "subsampling, then channels of zeros",
    "add": "addition of branch and shortcut",
    "avgpool": "average pool over the whole map",
    "dense": "dense layer",
}
ROWS = 40  # of differing layers; where there are more, their number is told
TASK_MACS = 4_000_000_000


# From settings to a network -------------------------------------------------------------------------------------------


def parse(field: str, text: str) -> Any:
    """Read what stands in a field; None where it is blank.

    What is no number is handed on as it is, for the network's description to say what is wrong with it.

    >>> parse("depth", " 50 "), parse("image_size", "240x320"), parse("width", ""), parse("depth", "fifty")
    (50, (240, 320), None, 'fifty')
    """
    text = " ".join(str(text).split())
    if len(text) > 20:
        text = text[:19] + "…"
    if not text:
        return None
    if field == "image_size":
        try:
            return parse_image_size(text)
        except ValueError as error:
            raise ValueError(str(error).replace("--image-size", "The image size")) from None
    if field in ("depth", "num_classes", "width") and re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    return text


def find_network(settings: Mapping[str, Any]) -> Summary:
    """Return the network that settings describe, counted; a setting that is left out or None is the papers' own.

    Raises
    ------
    ValueError
        If there is no such network, or if it is larger than this tool draws.
    """
    given = {field: settings.get(field) for field in FIELDS}
    for field, value in given.items():
        _check_limit(field, value)
    return _network(**given)


@functools.lru_cache(maxsize=256)
def _network(depth: Any, version: Any, family: Any, image_size: Any, **fields: Any) -> Summary:
    options = {field: value for field, value in fields.items() if value is not None}
    config, guessed = choose_config(50 if depth is None else depth, version or "v1", family, **options)
    note = family_note(config)
    if guessed:
        note = f"ResNet-{config.depth} exists in the CIFAR family alone, so this is the CIFAR network."
    return summarize(config, image_size, note)


def _check_limit(field: str, value: Any) -> None:
    limit = LIMITS.get(field)
    sides = value if isinstance(value, tuple) else (value,)
    if limit is None or not all(isinstance(side, int) for side in sides) or max(sides) <= limit:
        return
    what = {
        "depth": "networks of up to {} layers, the deepest of the paper (1512.03385, section 4.2)",
        "image_size": "images of up to {} pixels a side",
        "num_classes": "up to {} classes",
        "width": "a first stage of up to {} channels",
    }[field]
    raise ValueError(f"The explorer draws {what.format(f'{limit:,}')}; {max(sides):,} is more than that.")


def parts(summary: Summary) -> dict[str, list[Layer]]:
    """A network's layers by part: "stem", "layer1.0", "layer1.1", …, "head"."""
    found: dict[str, list[Layer]] = {"stem": []}
    part = "stem"
    for layer in summary.layers:
        if "." in layer.name:
            part = ".".join(layer.name.split(".")[:2])
        elif part != "stem":
            part = "head"
        found.setdefault(part, []).append(layer)
    return found


def find_layer(summary: Summary, name: str) -> str:
    """Return the layer that a name means: its own, or the first of a block ("layer2.0"), of a stage, of stem or head.

    Raises
    ------
    ValueError
        If the network has nothing of this name; the message says what comes near.
    """
    name = " ".join(str(name).split())
    names = [layer.name for layer in summary.layers]
    if name in names:
        return name
    by_part = parts(summary)
    for part, layers in by_part.items():
        if part == name or part.partition(".")[0] == name:
            return layers[0].name
    near = difflib.get_close_matches(name, [*names, *by_part], 3, 0.6)
    shown = name if len(name) <= 30 else name[:29] + "…"
    stages = ", ".join(stage.name for stage in summary.stages)
    hint = f"near it: {', '.join(near)}" if near else f"its parts are {stages}"
    raise ValueError(f"{summary.config.name} has no layer {shown!r}; {hint}.")


def nearest_layer(summary: Summary, name: str) -> str:
    """Return the layer that takes the place of one that another network had: its block's, its stage's, or the first."""
    block = ".".join(name.split(".")[:2])
    for candidate in (name, block, block.partition(".")[0]):
        try:
            return find_layer(summary, candidate)
        except ValueError:
            continue
    return summary.layers[0].name


# One network ----------------------------------------------------------------------------------------------------------


def totals_html(summary: Summary) -> str:
    """Return the line about the whole network, and its notes."""
    field = summary.stages[-2].receptive_field
    notes = "".join(f"<br>Note: {html.escape(note)}" for note in summary.notes)
    return (
        f"<b>{html.escape(summary.headline)}</b><br>{summary.parameters:,} parameters · {summary.macs:,} MACs "
        f"({short_count(summary.macs)}) · receptive field of the last stage {field:,} × {field:,}{notes}"
    )


def overview_text(summary: Summary) -> str:
    """Return a table of the parts, as plain text."""
    rows = [("", "output", "parameters", "share", "MACs", "share", "sees")]
    for stage in summary.stages:
        shares = f"{100 * stage.parameters_share:.1f} %", f"{100 * stage.macs_share:.1f} %"
        field = f"{stage.receptive_field} px"
        counts = f"{stage.parameters:,}", shares[0], short_count(stage.macs), shares[1]
        rows.append((stage.name, _shape(stage.out_shape), *counts, field))
    rows.append(("total", "", f"{summary.parameters:,}", "", short_count(summary.macs), "", ""))
    return "\n".join([summary.headline, *aligned(rows, left=2)])


def aligned(rows: Sequence[Sequence[str]], left: int) -> list[str]:
    """Return rows as lines of text: the first columns set left, the others right.

    >>> aligned([("a", "1"), ("bcd", "10")], left=1)
    ['a     1', 'bcd  10']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = zip(row, widths, strict=True)
        lines.append("  ".join(f"{cell:{'<' if i < left else '>'}{width}}" for i, (cell, width) in enumerate(cells)))
    return [line.rstrip() for line in lines]


def layer_facts(summary: Summary, name: str) -> dict[str, str]:
    """Return what there is to say about one layer: fact → value, in words."""
    layer = next(layer for layer in summary.layers if layer.name == name)
    part, group = next((part, group) for part, group in parts(summary).items() if layer in group)
    where = f"block {part}" if "." in part else f"the {part}"
    facts = {"layer": name, "in Keras": name.replace(".", "_"), "kind": KINDS[layer.kind]}
    if layer.kernel is not None:
        facts["kernel"] = _shape(layer.kernel)
        facts["stride"] = str(layer.stride or "none")
    facts["input"], facts["output"] = _shape(layer.in_shape), _shape(layer.out_shape)
    for fact, field, total in (("parameters", "parameters", summary.parameters), ("MACs", "macs", summary.macs)):
        count = getattr(layer, field)
        inside = sum(getattr(other, field) for other in group)
        facts[fact] = f"{count:,}"
        if count:
            facts[fact] += f" ({share(count, total)} of the network, {share(count, inside)} of {where})"
    sees = f"{layer.receptive_field:,} × {layer.receptive_field:,} input pixels"
    facts["receptive field"] = f"{sees}{_against_image(layer.receptive_field, summary.image_size)}"
    return facts


def _against_image(field: int, image: tuple[int, int]) -> str:
    size = _shape(image)
    if field >= max(image):
        return f": the whole image of {size}" + (" and beyond its borders" if field > min(image) else "")
    if field >= min(image):
        return f": the shorter side of the image of {size}"
    return f": {share(field * field, image[0] * image[1])} of the image of {size}"


def share(part: int, whole: int) -> str:
    """Return a share in percent.

    >>> share(1, 3), share(1, 100_000), share(0, 7)
    ('33.3 %', 'below 0.1 %', '0 %')
    """
    if not part:
        return "0 %"
    return f"{100 * part / whole:.1f} %" if part / whole >= 0.0005 else "below 0.1 %"


def facts_text(facts: Mapping[str, str]) -> str:
    """Return a layer's facts as lines of text."""
    return "\n".join(aligned(list(facts.items()), left=2))


def facts_html(facts: Mapping[str, str]) -> str:
    """Return a layer's facts as a table."""
    body = "".join(
        f'<tr><th scope="row">{fact}</th><td>{html.escape(value)}</td></tr>' for fact, value in facts.items()
    )
    return _wide(f"<table><caption>The layer</caption><tbody>{body}</tbody></table>")


def part_html(summary: Summary, name: str) -> str:
    """Return a table of all layers of the block that a layer stands in, or of the stem or the head."""
    part, group = next((part, group) for part, group in parts(summary).items() if name in {x.name for x in group})
    body = ""
    for layer in group:
        here = layer.name == name
        name_shown = f"{'▸ ' if here else ''}{layer.name.removeprefix(part + '.')}"
        body += (
            f'<tr class="{"rl-first" if here else ""}"><th scope="row">{name_shown}</th>'
            f"<td>{_window(layer)}</td><td>{_shape(layer.out_shape)}</td>{_numbers(layer)}</tr>"
        )
    total = sum(layer.parameters for layer in group), sum(layer.macs for layer in group)
    body += (
        f'<tr><th scope="row">sum</th><td></td><td></td><td class="rl-number">{total[0]:,}</td>'
        f'<td class="rl-number">{short_count(total[1])}</td><td></td></tr>'
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("layer", "kernel/stride", "output"))
    heads += "".join(f'<th scope="col" class="rl-number">{head}</th>' for head in ("parameters", "MACs", "sees (px)"))
    where = f"Block {part}" if "." in part else f"The {part}"
    head = f"<caption>{where}, layer by layer</caption><thead><tr>{heads}</tr></thead>"
    return _wide(f"<table>{head}<tbody>{body}</tbody></table>")


def _wide(table: str) -> str:
    """A table that scrolls by itself where the page is narrow."""
    return f'<div class="rl-wide">{table}</div>'


def _numbers(layer: Layer) -> str:
    values = f"{layer.parameters:,}", short_count(layer.macs), f"{layer.receptive_field:,}"
    return "".join(f'<td class="rl-number">{value}</td>' for value in values)


@functools.lru_cache(maxsize=32)
def draw_map(summary: Summary, name: str | None) -> Figure:
    """Draw the map of a network, one of its layers pointed out."""
    return architecture_map(summary.config, summary.image_size, selected=name)


@functools.lru_cache(maxsize=32)
def draw_block(summary: Summary, name: str) -> Figure | None:
    """Draw the block that a layer stands in; None for the stem and the head."""
    if "." not in name:
        return None
    return block_diagram(summary.config, ".".join(name.split(".")[:2]), image_size=summary.image_size)


@functools.lru_cache(maxsize=32)
def draw_fields(summary: Summary, name: str = "") -> Figure:
    """Draw what one output of a layer sees of the image; without a layer, of each stage's end."""
    return receptive_fields(summary.config, summary.image_size, layers=[name] if name else [])


# Two networks ---------------------------------------------------------------------------------------------------------


def title_of(before: Summary, after: Summary) -> str:
    """Return the names of both, with what tells them apart where their names do not."""
    names = [before.config.name, after.config.name]
    if names[0] == names[1]:
        for field in ("shortcut", "family", "width", "num_classes"):
            values = [getattr(summary.config, field) for summary in (before, after)]
            if values[0] != values[1]:
                what = {"shortcut": "option", "num_classes": "classes"}.get(field, field)
                names = [f"{name} ({what} {value})" for name, value in zip(names, values, strict=True)]
                break
        else:
            if before.image_size != after.image_size:
                sizes = [_shape(summary.image_size) for summary in (before, after)]
                names = [f"{name} ({size})" for name, size in zip(names, sizes, strict=True)]
    return f"{names[0]} → {names[1]}"


@functools.lru_cache(maxsize=64)
def difference_words(before: Summary, after: Summary) -> tuple[str, ...]:
    """Put into words what changes from the first network to the second; nothing where they are the same."""
    old, new = before.config, after.config
    words = []
    if old.family != new.family:
        stages = [len(config.stage_blocks) for config in (old, new)]
        words.append(
            f"another family: {FAMILY_NAMES[old.family]}, {stages[0]} stages, becomes {FAMILY_NAMES[new.family]}, {stages[1]} "
            "stages; stem, widths and stages differ, so layers of one name are not the same thing"
        )
    for field, name in (("width", "width of the first stage"), ("num_classes", "classes")):
        a, b = getattr(old, field), getattr(new, field)
        if a != b and old.family == new.family:
            words.append(f"{name}: {a:,} becomes {b:,}")
    if before.image_size != after.image_size:
        words.append(f"images: {_shape(before.image_size)} becomes {_shape(after.image_size)}")
    if old.family == new.family:
        words += differences(before, after)
    for name, a, b in (
        ("parameters", before.parameters, after.parameters),
        ("MACs", before.macs, after.macs),
    ):
        if a != b:
            words.append(f"{name} of the whole network: {a:,} → {b:,} ({_signed(b - a)}, {_percent(b - a, a)})")
    fields = [summary.stages[-2].receptive_field for summary in (before, after)]
    if fields[0] != fields[1]:
        words.append(f"receptive field of the last stage: {fields[0]:,} → {fields[1]:,} pixels")
    return tuple(words)


@functools.lru_cache(maxsize=64)
def changed_layers(before: Summary, after: Summary) -> tuple[tuple[str, Layer | None, Layer | None], ...]:
    """Return the layers that differ, by name: (name, in the first network, in the second); None where one lacks it."""
    return tuple((name, a, b) for name, a, b in _pairs(before, after) if _differ(a, b))


def shared_blocks(before: Summary, after: Summary) -> list[str]:
    """Names of the blocks that both networks have."""
    names = {block.name for block in after.config.blocks}
    return [block.name for block in before.config.blocks if block.name in names]


@functools.lru_cache(maxsize=64)
def block_choices(before: Summary, after: Summary) -> dict[str, str]:
    """The shared blocks to choose from: name → label, which marks those in which a layer differs, or their order."""
    left, right = parts(before), parts(after)

    def differ(name: str) -> bool:
        pairs = zip_longest(left[name], right[name])
        return any(_differ(a, b) for a, b in pairs)

    return {name: f"{DIFFERS} {name}" if differ(name) else name for name in shared_blocks(before, after)}


def choose_block(before: Summary, after: Summary, wanted: str, selected: str) -> str:
    """Return the block to compare: the one that is wanted, or else one that differs, best the selected layer's own."""
    choices = block_choices(before, after)
    if wanted in choices:
        return wanted
    changed = [name for name, label in choices.items() if label != name]
    own = ".".join(selected.split(".")[:2])
    return own if own in (changed or choices) else next(iter(changed or choices))


def difference_text(before: Summary, after: Summary) -> str:
    """Return the comparison as plain text."""
    words = difference_words(before, after)
    lines = [title_of(before, after)]
    if not words:
        return f"{lines[0]}\nThe two are the same, layer by layer."
    # Longer lines do not fit on a page that is 1280 pixels wide.
    lines += [textwrap.fill(f"- {word}", 88, subsequent_indent="  ", break_on_hyphens=False) for word in words]
    changed, count = len(changed_layers(before, after)), len(_pairs(before, after))
    return "\n".join([*lines, f"- {changed} of {count} layers differ (kernel, stride, shapes or counts)"])


def difference_html(before: Summary, after: Summary) -> str:
    """Return the comparison in words, and stage by stage."""
    words = difference_words(before, after)
    title = f"<p><b>{html.escape(title_of(before, after))}</b></p>"
    if not words:
        return f'{title}<p role="status">The two are the same, layer by layer.</p>'
    listed = "".join(f"<li>{html.escape(word)}</li>" for word in words)
    return f"{title}<ul>{listed}</ul>{_stages_html(before, after)}"


def _stages_html(before: Summary, after: Summary) -> str:
    left, right = ({stage.name: stage for stage in summary.stages} for summary in (before, after))
    longer = left if len(left) >= len(right) else right
    body = ""
    for name in longer:
        pair = left.get(name), right.get(name)
        cells = [
            _change(*(_cell(stage, view) for stage in pair))
            for view in (
                lambda stage: _shape(stage.out_shape),
                lambda stage: f"{stage.parameters:,}",
                lambda stage: short_count(stage.macs),
                lambda stage: f"{stage.receptive_field:,}",
            )
        ]
        body += _row(name, cells, any(changed for _, changed in cells))
    sums = [
        ("", False),
        _change(f"{before.parameters:,}", f"{after.parameters:,}"),
        _change(short_count(before.macs), short_count(after.macs)),
        ("", False),
    ]
    body += _row("total", sums, any(changed for _, changed in sums))
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("", "output", "parameters", "MACs", "sees (px)"))
    head = f"<caption>Stage by stage ({DIFFERS} differs)</caption><thead><tr>{heads}</tr></thead>"
    return _wide(f"<table>{head}<tbody>{body}</tbody></table>")


def _cell(stage: Stage | None, view: Any) -> str:
    return "–" if stage is None else view(stage)


def _change(a: str, b: str) -> tuple[str, bool]:
    return (a, False) if a == b else (f"{a} → {b}", True)


def _row(name: str, cells: Iterable[tuple[str, bool]], changed: bool) -> str:
    shown = "".join(f"<td>{f'<b>{text}</b>' if differs else text}</td>" for text, differs in cells)
    return f'<tr><th scope="row">{f"{DIFFERS} " if changed else ""}{name}</th>{shown}</tr>'


def layers_html(before: Summary, after: Summary) -> str:
    """Return a table of the layers that differ, to be unfolded."""
    changed = changed_layers(before, after)
    if not changed:
        return ""
    body = ""
    for name, a, b in changed[:ROWS]:
        cells = [_change(*("–" if layer is None else view(layer) for layer in (a, b))) for view in (_window, _outputs)]
        counts = [(b.parameters if b else 0) - (a.parameters if a else 0), (b.macs if b else 0) - (a.macs if a else 0)]
        shown = [_signed(counts[0]) if counts[0] else "", _macs(counts[1])]
        numbers = "".join(f'<td class="rl-number">{text}</td>' for text in shown)
        body += f'<tr><th scope="row">{name}</th><td>{cells[0][0]}</td><td>{cells[1][0]}</td>{numbers}</tr>'
    rest = f"<p>… and {len(changed) - ROWS:,} more.</p>" if len(changed) > ROWS else ""
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("layer", "kernel/stride", "output"))
    heads += "".join(f'<th scope="col" class="rl-number">{head}</th>' for head in ("Δ parameters", "Δ MACs"))
    table = _wide(f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>")
    return f"<details><summary>The {len(changed):,} layers that differ</summary>{table}{rest}</details>"


def _outputs(layer: Layer) -> str:
    return _shape(layer.out_shape)


def _macs(change: int) -> str:
    return f"{'−' if change < 0 else '+'}{short_count(abs(change))}" if change else ""


@functools.lru_cache(maxsize=32)
def draw_blocks(before: Summary, after: Summary, block: str) -> Figure:
    """Draw one block of both networks, side by side, each with its own image size."""
    return block_diagrams([(summary.config, block, summary.image_size) for summary in (before, after)])


# The small task -------------------------------------------------------------------------------------------------------


@functools.cache
def candidates() -> tuple[Summary, ...]:
    """All networks that the task chooses from, cheapest first."""
    found = []
    for depth in DEPTHS["imagenet"]:
        for version in ("v1", "v1.5", "v2"):
            for shortcut in ("A", "B", "C", "none"):
                try:
                    found.append(find_network({"depth": depth, "version": version, "shortcut": shortcut}))
                except ValueError:  # ResNet-18 and 34 have no v1.5
                    continue
    return tuple(sorted(found, key=lambda summary: summary.macs))


def judge(summary: Summary) -> tuple[bool, str]:
    """Return whether a network solves the task, and why or why not."""
    config, macs = summary.config, summary.macs
    usual = (config.family, config.width, config.num_classes, summary.image_size)
    if usual != ("imagenet", 64, 1000, (224, 224)):
        return False, (
            "The task is about the ImageNet family with 64 channels, 1,000 classes and images of 224×224: leave family, "
            "image, classes and width blank."
        )
    if macs >= TASK_MACS:
        return False, f"{_named(summary)} costs {short_count(macs)}, which is not below 4 G."
    below = [other for other in candidates() if other.macs < TASK_MACS]
    best = below[-1]
    if macs < best.macs:
        between = len({other.macs for other in below if other.macs > macs})
        more = "another network costs more and stays" if between == 1 else f"networks of {between} higher costs stay"
        return False, f"{_named(summary)} costs {short_count(macs)}. That is below 4 G, but {more} below, too."
    second = next(other for other in reversed(below) if other.macs < best.macs)
    return True, (
        f"{_named(summary)}, {short_count(macs)}. The v1.5 of the same depth is above 4 G: three of its blocks run their first "
        f"1×1 convolution on a map of four times the area. Next below comes ResNet-{second.config.depth} with option "
        f"{second.config.shortcut}, {short_count(second.macs)}."
    )


def _named(summary: Summary) -> str:
    config = summary.config
    return config.name if config.shortcut == "none" else f"{config.name} with option {config.shortcut}"
