"""What the lab "Identity surgery" shows: pure functions from a surgery and a training to HTML and pictures."""

from __future__ import annotations

import html
from collections.abc import Iterable

from .. import training
from ..figures.picture import Figure
from ..figures.svg import CARD, INK, QUIET, STYLES, WARM, Drawing, text_width
from . import surgery
from .blockwise import Blockwise
from .surgery import CONSTRUCTIONS, PLACES, Grown, Outcome, Plan
from .train_on import Progress

OUTCOMES = {
    "outputs": "exactly the same outputs",
    "answers": "other outputs, but the same answer to every test image",
    "neither": "other answers",
}
NEAR, LOW = 0.03, 0.60
BANDS = {
    "near": "at most 3 points lower than before the surgery",
    "between": "lower than that, but above 60 %",
    "low": "60 % or lower",
}
GOALS = {
    "plain": "a plain network whose outputs stay the same",
    "residual": "a residual network whose outputs stay the same",
    "training": "one epoch of training on, with 18 blocks inserted",
}

# What the lab shows: pure functions --------------------------------------------------------------------------------------


def reached_band(outcome: Outcome, accuracy: float) -> str:
    """Return the key of `BANDS` in which an accuracy lies, beside that before the surgery."""
    if accuracy >= outcome.right_before / outcome.images - NEAR:
        return "near"
    return "between" if accuracy > LOW else "low"


def status_html(score: tuple[int, int], reached: Iterable[str]) -> str:
    """Return the line that says how far the learner is."""
    done = set(reached)
    text = f"Predicted right: {score[0]} of {score[1]}. "
    text += " · ".join(f"{'✓' if goal in done else '○'} {words}" for goal, words in GOALS.items()) + "."
    return text + (" <b>✓ Solved.</b>" if done == set(GOALS) else "")


def plan_html(network: str, plan: Plan, grown: Grown) -> str:
    """Return what the plan says, in words."""
    made = CONSTRUCTIONS[plan.construction]
    kind = "with a shortcut, like its own" if network.startswith("residual") else "without a shortcut, like its own"
    return (
        f"<p>{network} gets {plan.number} more blocks ({kind}), {PLACES[plan.place]}: {grown.layers} layers. "
        f"<b>{made.title}</b>: {made.how}.</p>"
    )


def outcome_html(outcome: Outcome, predicted: str) -> str:
    """Return the answer to the first prediction: what was measured, and why it is so."""
    found, images = OUTCOMES[outcome.kind], outcome.images
    answer = f"✓ <b>Right:</b> {found}." if predicted == outcome.kind else f"✗ <b>Not so:</b> it gives {found}."
    percent = [f"{100 * right / images:.1f} %" for right in (outcome.right_before, outcome.right)]
    rows = {
        "largest difference of a logit": f"{_scientific(outcome.difference)}, where logits go up to {outcome.largest_logit:.1f}",
        "the same answer": f"{outcome.same_answers} of {images} test images",
        "test accuracy before → after": f"{percent[0]} → {percent[1]}",
    }
    body = "".join(f'<tr><th scope="row">{name}</th><td>{value}</td></tr>' for name, value in rows.items())
    differ = (
        "The outputs are the same"
        if outcome.exact
        else f"The outputs differ by up to {_scientific(outcome.difference)}"
    )
    reason = surgery.because(outcome)
    return f'<p role="status">{answer} {differ}, because {reason}</p><table><tbody>{body}</tbody></table>'


def training_question_html(outcome: Outcome | None) -> str:
    """Return the heading of the third step."""
    before = (
        "" if outcome is None else f" (before the surgery it was {100 * outcome.right_before / outcome.images:.1f} %)"
    )
    return (
        '<p class="rl-step"><b>3. Predict: after one epoch of training on, the test accuracy is'
        f"</b>{before}. Batches of 64, a constant rate of 0.01.</p>"
    )


def training_html(
    progress: Progress, outcome: Outcome | None, predicted: str | None, framework: str | None, stopped: bool = False
) -> str:
    """Return how far the training is, and, once an epoch is done, the answer to the second prediction."""
    if progress.error:
        name = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
        missing = next((label for module, label in name.items() if f"No module named '{module}'" in progress.error), "")
        text = f"{missing} is not installed here." if missing else html.escape(progress.error)
        return f'<p role="status">✗ <b>Cannot train on:</b> {text}</p>'
    text = ""
    if progress.test and outcome is not None:
        band = reached_band(outcome, progress.test[0])
        answer = "✓ <b>Right:</b>" if band == predicted else "✗ <b>Not so:</b> it is"
        before = f"{100 * outcome.right_before / outcome.images:.1f} %"
        text += f'<p role="status">{answer} {BANDS[band]} ({100 * progress.test[0]:.1f} % against {before}).</p>'
        body = "".join(
            f'<tr><th scope="row">{epoch}</th><td class="rl-number">{100 * train:.1f} %</td>'
            f'<td class="rl-number">{100 * test:.1f} %</td></tr>'
            for epoch, (train, test) in enumerate(zip(progress.training, progress.test, strict=True), 1)
        )
        text += (
            '<table><thead><tr><th scope="col">epoch</th><th scope="col" class="rl-number">training accuracy</th>'
            f'<th scope="col" class="rl-number">test accuracy</th></tr></thead><tbody>{body}</tbody></table>'
        )
    if progress.first_batch is not None and progress.test:
        text += (
            f"<p>In training mode, before any update, the first batch of 64 was right at {100 * progress.first_batch:.0f} %."
            "</p>"
        )
    if stopped and progress.step < progress.steps:
        where = f"Stopped after step {progress.step} of {progress.steps}."
        return text + f"<p>{where} “One more epoch” starts over, right after the surgery.</p>"
    if not progress.test and not progress.step:
        loading = "; loading TensorFlow takes some seconds the first time" if framework == "tensorflow" else ""
        return text + f"<p>Building the network{loading} …</p>"
    if progress.step < progress.steps:
        return text + f"<p>Epoch {len(progress.test) + 1}: step {progress.step} of {progress.steps}.</p>"
    return text


def why_html(plan: Plan, base: Blockwise) -> str:
    """Return what training mode makes of a construction."""
    residual, made = base.config.shortcut != "none", CONSTRUCTIONS[plan.construction]
    if made.last_gamma == 0:
        text = (
            "With γ = 0 the branch adds nothing in training mode either: the network goes on from where it was."
            if residual
            else "Behind a block that hands on zeros nothing can be told apart; and since its γ = 0 multiplies the gradient, "
            "nothing in front of it learns either."
        )
    elif made.kernels == "random":
        text = (
            "What is behind the new blocks gets another signal than it has learned from. The shortcut still carries the old one."
            if residual
            else "What is behind the new blocks gets another signal than it has learned from, and nothing of the old one."
        )
    elif made.bn == "fitted":
        text = (
            "In training mode BN uses each batch's own mean and variance, and the fitted γ and β put back what it takes away: "
            "the branch stays the identity, nearly."
        )
    else:
        text = (
            "In training mode BN uses each batch's own mean and variance. With γ = 1 and β = 0 its output has mean 0 in every "
            "channel, so the ReLU behind it cuts a good part of the values off: only in evaluation mode was the block's branch "
            "the identity."
        )
    return f"<p>{text}</p>"


def recorded_html(network: str, plan: Plan) -> str:
    """Return what other runs of the same surgery gave; "" where none were recorded."""
    runs = [
        run["test_accuracy"]
        for run in training.recorded("surgery")["runs"]
        if (run["network"], run["number"], run["construction"]) == (network, plan.number, plan.construction)
    ]
    if plan.place != "spread" or not runs:
        return ""
    spans = ", ".join(
        f"{100 * min(values):.1f}–{100 * max(values):.1f} % after epoch {epoch}"
        for epoch, values in enumerate(zip(*runs, strict=True), 1)
    )
    return f"<p>{len(runs)} recorded runs of this surgery, with other orders of the images: {spans}.</p>"


def strip(network: str, grown: Grown, outcome: Outcome | None = None) -> Figure:
    """Draw the grown network as a row of blocks: trained ones filled, inserted ones dashed."""
    blocks = [*(block.name for block in grown.front), "stem", *grown.net.blocks, "head"]
    drawing, x, height = Drawing(), 18.0, 96.0
    gap = 14
    groups = len({name.split(".")[0] for name in blocks})
    pitch = min(46.0, (720 - 36 - gap * (groups - 1)) / len(blocks))
    fill, rim, _ = STYLES["conv"]
    stage = ""
    for name in blocks:
        new, here = name in grown.inserted, name.split(".")[0]
        if stage and here != stage:
            x += gap
        if here != stage:
            drawing.text(x, 20, "image" if here == "front" else here, 11, colour=QUIET)
            stage = here
        drawing.box(x, 34, pitch - 5, 30, fill=CARD if new else fill, rim=WARM if new else rim, radius=3, block=name)
        if new:  # a plus, so that it shows without colour
            middle = x + (pitch - 5) / 2
            drawing.path(f"M{middle - 4:.1f},49H{middle + 4:.1f}M{middle:.1f},45V53", colour=WARM, width=2)
        if outcome is not None and name == outcome.at:
            words = "differs from here on"
            start = min(x, 720 - 18 - text_width(words, 11))
            drawing.path(f"M{x + 2:.1f},68V74H{x + pitch - 7:.1f}V68", colour=INK, width=1.5)
            drawing.text(start, 84, words, 11, bold=True)
        x += pitch
    if outcome is not None and outcome.exact:
        drawing.text(18, 84, "no inserted block changes anything", 11, bold=True)
    elif outcome is None:
        drawing.text(18, 84, "+ inserted block", 11, colour=QUIET)
    count = len(grown.inserted)
    alt = f"{network} as a row of {len(grown.net.blocks) - count + len(grown.front)} trained blocks with {count} inserted ones: "
    alt += ", ".join(_runs(name in grown.inserted for name in blocks if name not in ("stem", "head"))) + "."
    if outcome is not None:
        alt += f" The signal differs from {outcome.at} on." if outcome.at else " No inserted block changes anything."
    svg = drawing.render(720, height, f"{network} with {count} inserted blocks", alt)
    return Figure(f"{network} with {count} inserted blocks", alt, svg=svg, width=720, height=int(height))


def _runs(flags: Iterable[bool]) -> list[str]:
    """Say a row of flags in words: "3 trained", "6 inserted", ….

    >>> _runs([False, False, True])
    ['2 trained', '1 inserted']
    """
    counted: list[tuple[bool, int]] = []
    for flag in flags:
        if counted and counted[-1][0] == flag:
            counted[-1] = (flag, counted[-1][1] + 1)
        else:
            counted.append((flag, 1))
    return [f"{number} {'inserted' if flag else 'trained'}" for flag, number in counted]


def _scientific(value: float) -> str:
    """A difference as text: 0, or two digits and a power of ten.

    >>> _scientific(0.0), _scientific(3.6e-4), _scientific(11.1)
    ('0', '3.6·10⁻⁴', '11.1')
    """
    if value == 0:
        return "0"
    if 0.01 <= value < 10_000:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    digits_up = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
    return f"{mantissa}·10{str(int(exponent)).translate(digits_up)}"
