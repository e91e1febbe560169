"""What the lab "Lesion" measures and shows: pure functions from a network's name and an operation to numbers, HTML, charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from .. import training
from ..figures.picture import Figure
from ..figures.svg import CARD, INK, LINE, QUIET, RIM, SHORTCUT, STYLES, WARM, Drawing, text_width
from .blockwise import NETWORKS, deletable, digits, keeps_shape, load_trained, network_config, swappable

BANDS = {"95 % or more": 0.95, "90 to 95 %": 0.90, "50 to 90 %": 0.50, "below 50 %": 0.0}
FLOOR = 0.90  # of the question how many blocks can go


# What is measured --------------------------------------------------------------------------------------------------------


@cache
def right_answers(network: str, operation: str = "", blocks: tuple[str, ...] = ()) -> int:
    """Return how many test images a trained network gets right, after ``"delete"`` or ``"swap"``, or without either."""
    images = digits().normalized(digits().test)
    options: dict[str, Any] = {}
    if operation == "delete":
        options["deleted"] = blocks
    elif operation == "swap":
        a, b = blocks
        options["swapped"] = {a: b, b: a}
    return int((load_trained(network).run(images, **options).argmax(axis=1) == digits().test.labels).sum())


@cache
def recorded_runs(network: str) -> list[dict[str, Any]]:
    """Return the recorded runs of a network; the first is that of the network in the lab."""
    runs = [run for run in training.recorded("lesion")["runs"] if run["network"] == network]
    return sorted(runs, key=lambda run: (run["framework"] != "pytorch", run["seed"]))


def worst(network: str) -> list[str]:
    """Return the block whose loss hurts most; several, if they tie."""
    single = recorded_runs(network)[0]["single"]
    return [block for block, right in single.items() if right == min(single.values())]


def mean_accuracy(run: Mapping[str, Any], number: int) -> float:
    """Return the mean accuracy, a share of 1, over the recorded choices of so many blocks."""
    right = run["deleted"][str(number)] if number else [run["intact"]]
    return sum(right) / len(right) / len(digits().test)


def can_go(run: Mapping[str, Any]) -> int:
    """Return how many blocks can be deleted before the mean accuracy falls below 90 %."""
    number = 0
    while str(number + 1) in run["deleted"] and mean_accuracy(run, number + 1) >= FLOOR:
        number += 1
    return number


def tolerance(network: str) -> int:
    """Return by how much a guess of that number may be off: a tenth of the blocks, rounded down."""
    return len(deletable(network_config(network))) // 10


def number_is_right(network: str, number: int) -> bool:
    """Whether a guess of how many blocks can go is close enough."""
    return abs(number - can_go(recorded_runs(network)[0])) <= tolerance(network)


def band_of(accuracy: float) -> str:
    """Return the band in which an accuracy lies.

    >>> band_of(0.95), band_of(0.9499), band_of(0.1)
    ('95 % or more', '90 to 95 %', 'below 50 %')
    """
    return next(band for band, low in BANDS.items() if accuracy >= low)


def cannot(network: str, operation: str, blocks: Sequence[str]) -> str:
    """Return why an operation cannot be done, in simple HTML; "" if it can."""
    config = network_config(network)
    if not blocks:
        return "Choose a block first."
    if operation == "delete":
        return next((cannot_delete(network, name) for name in blocks if name not in deletable(config)), "")
    if len(set(blocks)) != 2:
        return f"Exactly two blocks can be exchanged; {len(set(blocks))} chosen."
    if not any(set(blocks) <= set(group) for group in swappable(config)):
        by_name = {block.name: block for block in config.blocks}
        shapes = " and ".join(
            f"{name} makes {by_name[name].width} channels of {by_name[name].in_channels}" for name in blocks
        )
        return f"These two cannot stand for each other: {shapes}. Exchange two blocks of one stage that keep their map's shape."
    return ""


def cannot_delete(network: str, name: str) -> str:
    """Return why a block of a plain network cannot be deleted."""
    block = next(block for block in network_config(network).blocks if block.name == name)
    return (
        f"{name} of {network} makes {block.width} channels of {block.in_channels} and halves the map: without it nothing fits "
        "together, since there is no shortcut that changes the shape as well."
    )


# What the lab shows: pure functions --------------------------------------------------------------------------------------


def status_html(score: tuple[int, int], networks: Iterable[str], solved: bool) -> str:
    """Return the line that says how far the learner is."""
    where = f", in {len(set(networks))} of {len(NETWORKS)} networks" if score[0] else ""
    return f"Predicted right: {score[0]} of {score[1]}{where}." + (" <b>✓ Solved.</b>" if solved else "")


def patient_html(network: str) -> str:
    """Return what is on the table, in words."""
    config, right, images = network_config(network), right_answers(network), len(digits().test)
    kind = (
        "no shortcuts"
        if config.shortcut == "none"
        else "shortcut A: where the shape changes, zeros fill the new channels"
    )
    return (
        f"<p><b>{network}</b>: {len(config.blocks)} blocks, {kind}; {right} of {images} test images right, "
        f"{100 * right / images:.1f} %.</p>"
    )


def operation_html(network: str, operation: str, blocks: Sequence[str], predicted: str, right: int) -> str:
    """Return the answer to a prediction: what is left, and what the operation did to the network."""
    images, before = len(digits().test), right_answers(network)
    found = band_of(right / images)
    answer = f"✓ <b>Right:</b> {found}." if found == predicted else f"✗ <b>Not so:</b> {found}."
    names = ", ".join(blocks)
    done = f"Without {names}" if operation == "delete" else f"With {names} exchanged"
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td><span class="rl-bar" aria-hidden="true">'
        f'<span style="width: {100 * value / images:.0f}%"></span></span></td>'
        f'<td class="rl-number">{100 * value / images:.1f} %</td><td>{value} of {images}</td></tr>'
        for name, value in (("intact", before), (done.lower(), right))
    )
    return (
        f'<p role="status">{answer} {done}, {network} gets {right} of {images} test images right (before: {before}). '
        f"{what_it_does(network, operation, blocks)}</p><table><tbody>{rows}</tbody></table>"
    )


def what_it_does(network: str, operation: str, blocks: Sequence[str]) -> str:
    """Return what an operation does to the signal, without interpretation."""
    config = network_config(network)
    if operation == "swap":
        return "Each of the two now gets an input that it has not been trained on."
    if config.shortcut == "none":
        return "A plain network has one way through, and what comes behind now gets an input that it has not been trained on."
    by_name = {block.name: block for block in config.blocks}
    halving = [name for name in blocks if not keeps_shape(by_name[name])]
    text = (
        "The shortcut carries the input past the missing branch: the sum has one summand less, and what comes behind sees "
        "that."
    )
    if halving:
        wide = by_name[halving[0]]
        text += (
            f" At {halving[0]} the shortcut fills {wide.width - wide.in_channels} of {wide.width} channels with zeros, and "
            "without the branch they stay zero there."
        )
    return text


def singles_html(network: str, guess: str) -> str:
    """Return the answer to “which block hurts most?”, and what every single deletion leaves."""
    single, images = recorded_runs(network)[0]["single"], len(digits().test)
    names = worst(network)
    left = f"{100 * single[names[0]] / images:.1f} %"
    if guess in names:
        answer = f"✓ <b>Right:</b> without {guess}, {left} is left."
    else:
        answer = f"✗ <b>Not so:</b> without {guess}, {100 * single[guess] / images:.1f} % is left"
        answer += f"; without {' or '.join(names)} only {left}."
    others = [min(run["single"], key=lambda name: run["single"][name]) for run in recorded_runs(network)[1:]]
    counted = ", ".join(f"{name} {others.count(name)}×" for name in sorted(set(others)))
    other = f"In {len(others)} other runs (seeds and frameworks) it was: {counted}."
    return f'<p role="status">{answer} {other}</p>{single_chart(network).html}'


def numbers_html(network: str, guess: int) -> str:
    """Return the answer to “how many can go?”, and the curve."""
    runs = recorded_runs(network)
    number, off = can_go(runs[0]), tolerance(network)
    after = f"{100 * mean_accuracy(runs[0], number):.1f} % with {number} deleted"
    if str(number + 1) in runs[0]["deleted"]:
        after += f", {100 * mean_accuracy(runs[0], number + 1):.1f} % with {number + 1}"
    allowed = f" (a guess that is off by {off} counts)" if off else ""
    answer = f"✓ <b>Right:</b> {number}" if number_is_right(network, guess) else f"✗ <b>Not so:</b> {number}"
    others = sorted(can_go(run) for run in runs[1:])
    return (
        f'<p role="status">{answer}{allowed}. On average it gets {after}. In {len(others)} other runs: '
        f"{', '.join(map(str, others))}.</p>{number_chart(network).html}"
    )


def single_chart(network: str) -> Figure:
    """Draw what is left after each single deletion, as bars."""
    config, run, images = network_config(network), recorded_runs(network)[0], len(digits().test)
    drawing, width, top, bottom = Drawing(), 720.0, 44.0, 190.0
    left, right = 62.0, width - 18
    pitch = (right - left - 16) / len(config.blocks)

    def y(share: float) -> float:
        return bottom - (bottom - top) * share

    title = f"{network}: test accuracy without one block (dashed: intact, {100 * run['intact'] / images:.1f} %)"
    drawing.text(18, 20, title, 12.5, bold=True)
    _axis(drawing, y, left, right)
    drawing.path(f"M{left:.1f},{y(run['intact'] / images):.1f}H{right:.1f}", colour=INK, dash="5 3")
    fill, rim, _ = STYLES["conv"]
    x, said = left, []
    for stage, blocks in config.stages.items():
        start = x
        for block in blocks:
            halves = not keeps_shape(block)
            centre = x + pitch / 2
            if block.name in run["single"]:
                share = run["single"][block.name] / images
                said.append(f"{block.name} {100 * share:.0f} %")
                drawing.box(
                    x + pitch * 0.15, y(share), pitch * 0.7, bottom - y(share), fill=CARD if halves else fill,
                    rim=WARM if halves else rim, radius=1, stroke=2 if halves else 1.2, block=block.name,
                )  # fmt: skip
                if pitch > 30:
                    inside = y(share) + 10 if share > 0.2 else y(share) - 8
                    drawing.text(centre, inside, f"{100 * share:.0f} %", 10.5, anchor="middle")
            else:
                drawing.text(centre, bottom - 10, "–", 12, anchor="middle", colour=QUIET)
            drawing.text(
                centre,
                bottom + 12,
                f".{block.name.split('.')[1]}",
                10.5,
                anchor="middle",
                bold=halves,
                colour=WARM if halves else INK,
            )
            x += pitch
        drawing.text((start + x) / 2, bottom + 30, stage, 11, anchor="middle", colour=QUIET)
        x += 8
    note = "open: halves the map" if config.shortcut != "none" else "–: cannot go"
    drawing.text(right, 20, note, 10.5, anchor="end", colour=WARM)
    alt = f"{network}: test accuracy after the deletion of each single block: {', '.join(said)}; "
    alt += f"intact {100 * run['intact'] / images:.0f} %."
    svg = drawing.render(width, 236, f"{network} without one block", alt)
    return Figure(f"{network} without one block", alt, svg=svg, width=720, height=236)


def number_chart(network: str) -> Figure:
    """Draw the accuracy by the number of deleted blocks: mean and spread over choices, and the means of the other runs."""
    runs, images = recorded_runs(network), len(digits().test)
    most = max(map(int, runs[0]["deleted"]))
    drawing, width, top, bottom = Drawing(), 720.0, 44.0, 214.0
    left, right = 62.0, width - 150

    def x(number: int) -> float:
        return left + (right - left) * number / most

    def y(share: float) -> float:
        return bottom - (bottom - top) * share

    def line(points: list[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{a:.1f},{b:.1f}" for a, b in points)

    numbers = range(most + 1)
    drawing.text(18, 20, f"{network}: test accuracy by the number of deleted blocks", 12.5, bold=True)
    _axis(drawing, y, left, right)
    counts = {0: [runs[0]["intact"]], **{int(number): values for number, values in runs[0]["deleted"].items()}}
    low = [(x(n), y(min(counts[n]) / images)) for n in numbers]
    high = [(x(n), y(max(counts[n]) / images)) for n in numbers]
    drawing.path(line(high + low[::-1]) + "Z", colour=RIM, width=1, fill="#dceafa")
    for run in runs[1:]:
        drawing.path(line([(x(n), y(mean_accuracy(run, n))) for n in numbers]), colour=LINE, width=1, dash="2 3")
    means = [(x(n), y(mean_accuracy(runs[0], n))) for n in numbers]
    drawing.path(line(means), colour=SHORTCUT, width=2.4)
    for a, b in means:
        drawing.circle(a, b, 3, fill=CARD, rim=SHORTCUT)
    drawing.path(f"M{left:.1f},{y(FLOOR):.1f}H{right:.1f}", colour=WARM, dash="6 3")
    drawing.text(right + 6, y(FLOOR), "90 %", 10.5, colour=WARM, bold=True)
    tick = max(1, -(-most // 14))
    for number in range(0, most + 1, tick):
        drawing.text(x(number), bottom + 13, str(number), 10.5, anchor="middle")
    drawing.text((left + right) / 2, bottom + 30, "deleted blocks", 11, anchor="middle", colour=QUIET)
    for index, (text, colour) in enumerate(
        [
            ("mean", SHORTCUT),
            ("band: worst to", QUIET),
            ("best choice", QUIET),
            ("dotted: means of", QUIET),
            ("other runs", QUIET),
        ]
    ):
        drawing.text(
            width - 18 - text_width("dotted: means of", 10.5),
            84 + 15 * index,
            text,
            10.5,
            colour=colour,
            bold=not index,
        )
    said = ", ".join(f"{n}: {100 * mean_accuracy(runs[0], n):.0f} %" for n in range(0, most + 1, tick))
    alt = f"{network}: mean test accuracy by the number of deleted blocks. {said}."
    svg = drawing.render(width, 260, f"{network} by the number of deleted blocks", alt)
    return Figure(f"{network} by the number of deleted blocks", alt, svg=svg, width=720, height=260)


def _axis(drawing: Drawing, y: Any, left: float, right: float) -> None:
    for percent in (0, 25, 50, 75, 100):
        drawing.path(f"M{left:.1f},{y(percent / 100):.1f}H{right:.1f}", colour=RIM, width=1)
        drawing.text(left - 8, y(percent / 100), f"{percent} %", 10.5, anchor="end", colour=QUIET)
