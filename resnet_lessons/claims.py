"""What the course says that papers found, and what our counts and runs say of it: the ledger of claims.

`CLAIMS` is the list; `tools/ledger.py` writes docs/claims.md from it. A claim's numbers of ours are computed: from a record
(`training.recorded`), from an architecture, or by a measurement that is the same on every machine. Its verdict is stated
beside the reason for it, and `check` compares it with what follows by rule (`findings`), so that neither can go stale.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from resnet_lessons import datasets, training
from resnet_lessons.architecture import ResNetConfig, resnet_config, trace
from resnet_lessons.findings import (
    CONTESTED,
    EXACT,
    REPRODUCED,
    SCALE,
    Count,
    Finding,
    Group,
    alike,
    counted,
    not_run,
    ordered,
    reached,
)
from resnet_lessons.labs import placements, signals, surgery
from resnet_lessons.labs.blockwise import load_trained
from resnet_lessons.training import records

FRAMEWORKS = {"pytorch": "PyTorch", "tensorflow": "TensorFlow"}


@dataclass(frozen=True)
class Source:
    """Where a claim is from; `name` is how the chapters name it."""

    title: str
    name: str
    address: str


@dataclass(frozen=True)
class Claim:
    """One thing that the course says a paper, or another source, found.

    Attributes
    ----------
    text
        The claim in one sentence.
    source, place
        Whose it is, and where it stands there: tables, figures, sections.
    paper
        The source's own numbers or words.
    chapter, section
        Where the course says it: "02_shortcut_projection", 6.
    find
        Computes what is ours.
    verdict, because
        One of `findings.VERDICTS`, and the reason in a sentence or two.
    records, commands
        The records that `find` reads, whose commands are in them; and other commands that show ours, or would.
    disputed_by
        Published evidence to the contrary. It makes a claim contested whatever our runs say.
    """

    text: str
    source: Source
    place: str
    paper: str
    chapter: str
    section: int
    find: Callable[[], Finding]
    verdict: str
    because: str
    records: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    disputed_by: str = ""

    @property
    def recorded(self) -> bool:
        """Whether its records are there: a claim may be written before they are, and waits for them."""
        return all((records.RECORDS / f"{name}.json").is_file() for name in self.records)


def check(claim: Claim) -> Finding:
    """Return what is ours, once the stated verdict is the one that follows from it.

    Raises
    ------
    ValueError
        If the verdict is another one, or nothing decides it.
    """
    finding = claim.find()
    by_rule = CONTESTED if claim.disputed_by else finding.verdict
    if by_rule is None:
        raise ValueError(f"No rule decides “{claim.text}”, and nothing published disputes it: leave it out.")
    if claim.verdict != by_rule:
        raise ValueError(
            f"“{claim.text}” is called {claim.verdict}; ours make it {by_rule}: {'; '.join(finding.ours)}."
        )
    return finding


# What is ours ---------------------------------------------------------------------------------------------------------


def percentages(record: str, curve: str = "test_accuracy", **wanted: Any) -> list[float]:
    """Return the last value of a curve, in percent, of every recorded run that has what is wanted."""
    runs = training.recorded(record)["runs"]
    chosen = [run for run in runs if all(run[key] == value for key, value in wanted.items())]
    return [100 * run["history"][curve][-1] for run in chosen]


def networks(first: str, second: str) -> Finding:
    """Chapter 00's record: training accuracy of one network above another's, in each framework."""
    return ordered(
        *(
            Group(
                title,
                {n: percentages("degradation", "train_accuracy", network=n, framework=f) for n in (first, second)},
            )
            for f, title in FRAMEWORKS.items()
        )
    )


def constructed() -> Finding:
    """18 identity blocks in the trained plain-20: are the answers to the test images the same?"""
    base = load_trained("plain-20")
    outcome = surgery.examine(base, surgery.operate(base, surgery.Plan(18, "spread", "neutral")))
    return counted(
        Count("right, plain-20:", str(outcome.right_before), outcome.right_before),
        Count("right, with 18 blocks more:", str(outcome.right_before), outcome.right),
        Count(f"same answer, of {outcome.images}:", str(outcome.images), outcome.same_answers),
    )


def searched() -> Finding:
    """Test accuracy of the constructed plain-56, trained on, above that of plain-56 trained from new weights."""
    grown = {"network": "plain-20", "construction": "neutral", "number": 18}
    runs = [run for run in training.recorded("surgery")["runs"] if grown.items() <= run.items()]
    series = {
        "constructed, then 3 epochs": [100 * run["test_accuracy"][-1] for run in runs],
        "from new weights, 40 epochs": percentages("patience"),
    }
    return ordered(Group("plain-56, test images", series))


def gradients() -> Finding:
    """How many times the last convolution's gradient is the first one's, before training; no rule."""
    digits = datasets.load_dataset("digits")
    batch, labels = digits.normalized(digits.train)[:64].astype("float64"), digits.train.labels[:64]
    lines = []
    for name, shortcut in (("plain-56", "none"), ("residual-56", "A")):
        config = resnet_config(56, family="cifar", shortcut=shortcut, width=8, in_channels=1)
        net, ratios = training.new_network("pytorch", config, dtype="float64"), []
        for seed in range(3):
            norms = list(training.gradient_norms(placements.draw_weights(net, seed), batch, labels).values())
            ratios.append(norms[0] / norms[-1])
        low, high = (f"{float(f'{edge:.1e}'):,.0f}" for edge in (min(ratios), max(ratios)))
        lines.append(f"{name}: first gradient {low} … {high} times the last (3 draws)")
    return Finding(tuple(lines), None)


def sums() -> Finding:
    """By how much the sum of all branches misses the signal behind 27 blocks."""
    missed = {key: signals.measure(placements.PLACEMENTS[key].order).left_over for key in ("full", "original")}
    text = f"share missed behind 27 blocks: v2 below 10⁻¹²; v1 {missed['original']:.1f}"
    return Finding((text,), EXACT if missed["full"] < 1e-12 < missed["original"] else CONTESTED)


def growth() -> Finding:
    """How strong the signal is behind block 27 and behind block 9, v1 and v2."""
    return ordered(
        *(
            Group(
                f"{version}, strength of the signal",
                {
                    f"block {b}": [row[b] for row in signals.measure(placements.PLACEMENTS[key].order).strength]
                    for b in (27, 9)
                },
                unit="",
                of="draws",
            )
            for version, key in (("v1", "original"), ("v2", "full"))
        )
    )


def placed(*keys: str, rule: Callable[..., Finding] = ordered) -> Finding:
    """Chapter 05's records, judged at the paper's depth of 110; 56 layers beside it."""
    titles = {key: placements.PLACEMENTS[key].title for key in keys}
    return rule(
        *(
            Group(
                f"{depth} layers, {FRAMEWORKS[framework]}",
                {titles[key]: percentages(f"placements_{depth}_{framework}", placement=key) for key in keys},
                judged=depth == 110,
            )
            for depth, framework in ((110, "pytorch"), (56, "pytorch"), (56, "tensorflow"))
        )
    )


def losses() -> Finding:
    """Training loss of v2 above v1's, at 56 layers, where both have learned their training images; 110 beside it."""
    series = {"v2": "full", "v1": "original"}
    return ordered(
        *(
            Group(
                f"{depth} layers, {FRAMEWORKS[f]}, training loss",
                {
                    name: [v / 100 for v in percentages(f"placements_{depth}_{f}", "train_loss", placement=key)]
                    for name, key in series.items()
                },
                judged=depth == 56,
                form=".4f",
                unit="",
            )
            for depth, f in ((56, "pytorch"), (56, "tensorflow"), (110, "pytorch"))
        )
    )


def lesions() -> Finding:
    """Share of test digits right without one block that is not the first of its stage: residual above plain."""
    images = len(datasets.load_dataset("digits").test)
    left: dict[str, list[float]] = {}
    for run in training.recorded("lesion")["runs"]:
        later = [right for block, right in run["single"].items() if not block.endswith(".0")]
        left.setdefault(run["network"], []).extend(100 * right / images for right in later)
    return ordered(
        *(
            Group(name, {title: left[key], "plain-20": left["plain-20"]}, form=".0f", of="cases")
            for name, title, key in (("v1", "ResNet-20", "residual-20"), ("v2", "ResNet-20", "residual-20 v2"))
        )
    )


def published() -> Finding:
    """Akamaster's weights in the course's networks, beside the paper's accuracies."""
    scores: dict[str, list[float]] = {}
    for run in training.recorded("published_weights")["runs"]:
        scores.setdefault(run["network"].split()[0], []).append(100 * run["right"] / run["images"])
    return reached(
        *(
            (Group("akamaster's", {name: scores[name]}, form=".2f", of="frameworks"), 100 - error)
            for name, error in (("ResNet-20", 8.75), ("ResNet-32", 7.51))
        )
    )


def trained(framework: str) -> Finding:
    """Our own ResNet-20 on CIFAR-10, beside the paper's accuracy."""
    series = {"ResNet-20": percentages(f"cifar10_{framework}")}
    return reached((Group(FRAMEWORKS[framework], series, form=".2f"), 100 - 8.75))


def options() -> Finding:
    """Chapter 02's record: options C, B and A, in each framework."""
    return ordered(
        *(
            Group(title, {o: percentages("shortcut_options", option=o, framework=f) for o in "CBA"})
            for f, title in FRAMEWORKS.items()
        )
    )


def parameters() -> Finding:
    """The CIFAR family's parameters, beside table 6."""
    printed = {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7"}
    return counted(*(Count(f"ResNet-{d}:", p, cifar(d, "A").parameters, 10**6) for d, p in printed.items()))


def equal_parameters() -> Finding:
    """The CIFAR family's parameters with option A, beside those of the plain networks."""
    depths = (20, 32, 44, 56, 110)
    return counted(*(Count(f"{d} layers:", str(cifar(d, "none").parameters), cifar(d, "A").parameters) for d in depths))


def costs() -> Finding:
    """The ImageNet family's multiply-adds, beside the last line of table 1."""
    printed = {18: "1.8", 34: "3.6", 50: "3.8", 101: "7.6", 152: "11.3"}
    return counted(*(Count(f"ResNet-{d}:", p, macs(resnet_config(d)), 10**9) for d, p in printed.items()))


def layer_costs() -> Finding:
    """Multiply-adds of a 3×3 convolution in each stage of ResNet-34."""
    each = {layer.name: layer.macs for layer in trace(resnet_config(34))}
    inside = [each[f"layer{stage}.1.conv2"] for stage in (1, 2, 3, 4)]
    return counted(*(Count(f"stage {n}:", str(inside[0]), cost) for n, cost in enumerate(inside, start=1)))


def stride_costs() -> Finding:
    """What ResNet-50 v1.5 has more than v1."""
    v1, moved = resnet_config(50), resnet_config(50, "v1.5")
    return counted(
        Count("more parameters:", "0", moved.parameters - v1.parameters),
        Count("more multiply-adds:", "0", macs(moved) - macs(v1)),
    )


def cifar(depth: int, shortcut: str) -> ResNetConfig:
    """Return a network of the paper's CIFAR family."""
    return resnet_config(depth, family="cifar", shortcut=shortcut)


def macs(config: ResNetConfig) -> int:
    """Return a network's multiply-adds for one image."""
    return sum(layer.macs for layer in trace(config))


def table_2(*keys: str) -> str:
    """Return lines of the second paper's table 2, as chapter 05 has them."""
    lines = [placements.PLACEMENTS[key] for key in keys]
    return "CIFAR-10 error, 110 / 164 layers: " + ", ".join(
        f"{p.title} {p.errors[0]:.2f} / {p.errors[1]:.2f} %" for p in lines
    )


# The claims -----------------------------------------------------------------------------------------------------------

RESIDUAL = Source(
    "He et al. 2015, Deep Residual Learning for Image Recognition", "1512.03385", "https://arxiv.org/abs/1512.03385"
)
IDENTITY = Source(
    "He et al. 2016, Identity Mappings in Deep Residual Networks", "1603.05027", "https://arxiv.org/abs/1603.05027"
)
ENSEMBLES = Source("Veit et al. 2016", "1605.06431", "https://arxiv.org/abs/1605.06431")
LARGE_BATCH = Source("Goyal et al. 2017", "1706.02677", "https://arxiv.org/abs/1706.02677")
BIASES = Source("De and Smith 2020", "2002.10444", "https://arxiv.org/abs/2002.10444")
NVIDIA = Source("NVIDIA", "NVIDIA/DeepLearningExamples", "https://github.com/NVIDIA/DeepLearningExamples")
MODEL_CARD = Source(
    "A model card",
    "TexasInstruments-EdgeAI/ResNet-Classification",
    "https://huggingface.co/TexasInstruments-EdgeAI/ResNet-Classification",
)

PLACEMENT_RECORDS = ("placements_110_pytorch", "placements_56_pytorch", "placements_56_tensorflow")
HOW_FAST = "Ours is how fast they learn, ten epochs on digits; the paper's, where they end."

CLAIMS: Sequence[Claim] = (
    Claim(
        "Of two plain networks, the deeper has the higher training error: degradation.",
        RESIDUAL,
        "figure 6, section 4.2",
        "on CIFAR-10 plain-20, -32, -44, -56 get worse in this order; plain-110 stays above 60 % error",
        "00_start_here",
        3,
        partial(networks, "plain-20", "plain-56"),
        REPRODUCED,
        "Training accuracy on digits after ten epochs. The gap is far larger than the paper's after a long training.",
        records=("degradation",),
    ),
    Claim(
        "Additions around every two layers remove it.",
        RESIDUAL,
        "Table 2",
        "ImageNet top-1 error: plain-34 28.54 %, ResNet-34 25.03 %",
        "01_basic_block",
        4,
        partial(networks, "residual-56", "plain-56"),
        REPRODUCED,
        "Training accuracy on digits; in the paper the same at 34 layers on ImageNet.",
        records=("degradation",),
    ),
    Claim(
        "With option A the residual network has as many parameters as the plain one.",
        RESIDUAL,
        "section 4.2",
        "“exactly the same depth, width, and number of parameters”",
        "02_shortcut_projection",
        11,
        equal_parameters,
        EXACT,
        "Option A has nothing to learn.",
        commands=(
            "resnet-lessons summary 56 --shortcut A",
            "resnet-lessons summary 56 --shortcut none",
        ),
    ),
    Claim(
        "A deeper network can compute what a shallower one computes: added layers as identities.",
        RESIDUAL,
        "section 1",
        "a solution exists by construction",
        "00_start_here",
        5,
        constructed,
        EXACT,
        "18 identity blocks in a trained plain-20 make a plain-56 with the same answers to the test digits.",
        commands=("python tools/ledger.py",),
    ),
    Claim(
        "Training does not find a solution as good as the constructed one.",
        RESIDUAL,
        "section 1",
        "solvers “are unable to find solutions that are comparably good or better”",
        "00_start_here",
        5,
        searched,
        REPRODUCED,
        "On digits; the constructed network stays good when it is trained on.",
        records=("surgery", "patience"),
    ),
    Claim(
        "The degradation is unlikely to be caused by vanishing gradients.",
        RESIDUAL,
        "section 4.1",
        "with BN, gradients have “healthy norms” (plain-18 and plain-34)",
        "00_start_here",
        7,
        gradients,
        CONTESTED,
        "Ours do not vanish, but healthy they are not: untrained, they explode. What causes degradation is open.",
        commands=("python tools/ledger.py",),
        disputed_by="Veit et al. 2016 (abstract), for whom residual networks avoid a vanishing-gradient problem.",
    ),
    Claim(
        "Halving the map and doubling the channels keeps the cost of a layer.",
        RESIDUAL,
        "section 3.3",
        "“so as to preserve the time complexity per layer”",
        "02_shortcut_projection",
        5,
        layer_costs,
        EXACT,
        "Multiply-adds of a 3×3 convolution in ResNet-34.",
        commands=("resnet-lessons summary 34 --layers",),
    ),
    Claim(
        "Projections on the shortcut help a little: option C before B before A.",
        RESIDUAL,
        "Table 3",
        "ResNet-34, ImageNet top-1 error: A 25.03, B 24.52, C 24.19 %",
        "02_shortcut_projection",
        6,
        options,
        SCALE,
        "ResNet-20 on digits: the spread over five seeds covers every difference, and the order of the means is not the same.",
        records=("shortcut_options",),
    ),
    Claim(
        "ResNet-50 costs hardly more than ResNet-34, and ResNet-152 three times as much.",
        RESIDUAL,
        "Table 1",
        "multiply-adds of 18, 34, 50, 101, 152 layers: 1.8, 3.6, 3.8, 7.6, 11.3 · 10⁹",
        "03_bottleneck",
        7,
        costs,
        EXACT,
        "Each within the last digit printed, of which some are rounded and some cut off.",
        commands=("resnet-lessons summary 50", "resnet-lessons summary 34"),
    ),
    Claim(
        "With bottlenecks, deeper is better up to 152 layers.",
        RESIDUAL,
        "Table 3",
        "ImageNet top-1 error of 34 (B), 50, 101, 152 layers: 24.52, 22.85, 21.75, 21.43 %",
        "03_bottleneck",
        7,
        partial(not_run, "needs ImageNet and GPUs"),
        SCALE,
        "The command trains one of them.",
        commands=("resnet-lessons train --data imagenet --depth 50 --recipe imagenet",),
    ),
    Claim(
        "ResNet-20 to ResNet-110 for CIFAR have 0.27 to 1.7 million parameters.",
        RESIDUAL,
        "Table 6",
        "0.27 M … 1.7 M",
        "05_pre_activation",
        9,
        parameters,
        EXACT,
        "Each within the last digit printed.",
        commands=("resnet-lessons summary 20", "resnet-lessons summary 110"),
    ),
    *(
        Claim(
            "ResNet-20 has 8.75 % error on CIFAR-10.",
            RESIDUAL,
            "Table 6",
            "8.75 % error, which is 91.25 % right; no spread given",
            "06_full_training",
            7,
            partial(trained, framework),
            REPRODUCED,
            f"With option B where the paper has A, by a recipe that shows it a third of the paper's images or fewer; {title}.",
            records=(f"cifar10_{framework}",),
        )
        for framework, title in FRAMEWORKS.items()
    ),
    Claim(
        "ResNet-20 has 8.75 % and ResNet-32 7.51 % error on CIFAR-10.",
        RESIDUAL,
        "Table 6",
        "8.75 and 7.51 % error, which is 91.25 and 92.49 % right; no spread given",
        "02_shortcut_projection",
        11,
        published,
        REPRODUCED,
        "By others: weights that akamaster trained and published, evaluated in the course's networks in both frameworks.",
        records=("published_weights",),
    ),
    Claim(
        "On CIFAR-10, deeper is better up to 110 layers.",
        RESIDUAL,
        "Table 6",
        "error of 20, 32, 44, 56 layers: 8.75, 7.51, 7.17, 6.97 %; of 110: 6.61 ± 0.16 % over five runs",
        "02_shortcut_projection",
        11,
        partial(not_run, "64,000 steps each are beyond a laptop's processor"),
        SCALE,
        "The commands are the paper's recipe.",
        commands=(
            "resnet-lessons train --data cifar10 --depth 56 --recipe paper-cifar",
            "resnet-lessons train --data cifar10 --depth 110 --recipe paper-cifar-110",
        ),
    ),
    Claim(
        "With nothing behind the additions, what leaves a stage is what entered it plus all that was added.",
        IDENTITY,
        "equation 4",
        "an identity",
        "05_pre_activation",
        1,
        sums,
        EXACT,
        "In v1 a ReLU stands behind every addition, and the sum misses.",
        commands=("python tools/ledger.py",),
    ),
    Claim(
        "What stands on the shortcut's way does harm: a factor, a 1×1 convolution, dropout.",
        IDENTITY,
        "Table 1",
        "ResNet-110, CIFAR-10 error: identity 6.61 %; halved 12.35 %; 1×1 convolution 12.22 %; dropout over 20 %",
        "05_pre_activation",
        1,
        partial(not_run, "these shortcuts are not among the course's"),
        SCALE,
        "The paper's experiment stands alone here.",
    ),
    Claim(
        "BN behind the addition is worse than the original order.",
        IDENTITY,
        "Table 2",
        table_2("original", "bn_after"),
        "05_pre_activation",
        4,
        partial(placed, "original", "bn_after"),
        REPRODUCED,
        HOW_FAST,
        records=PLACEMENT_RECORDS,
    ),
    Claim(
        "ReLU before the addition is worse than the original order.",
        IDENTITY,
        "Table 2",
        table_2("original", "relu_before"),
        "05_pre_activation",
        4,
        partial(placed, "original", "relu_before"),
        SCALE,
        "At 110 layers the ranges overlap; at 56 it is behind in every run of one framework alone.",
        records=PLACEMENT_RECORDS,
    ),
    Claim(
        "ReLU-only pre-activation is about as good as the original order.",
        IDENTITY,
        "Table 2",
        table_2("original", "relu_only"),
        "05_pre_activation",
        4,
        partial(placed, "original", "relu_only", rule=alike),
        CONTESTED,
        "By our own runs: at 110 layers it learns faster in every one. The paper speaks of where long trainings end.",
        records=PLACEMENT_RECORDS,
    ),
    Claim(
        "Full pre-activation (v2) is better than the original order.",
        IDENTITY,
        "Table 2",
        table_2("full", "original"),
        "05_pre_activation",
        4,
        partial(placed, "full", "original"),
        REPRODUCED,
        f"At 110 layers; at 56 we cannot tell. {HOW_FAST}",
        records=PLACEMENT_RECORDS,
    ),
    Claim(
        "v2 ends with a slightly higher training loss than v1.",
        IDENTITY,
        "section 4.2",
        "seen at 110 and at 164 layers, together with a lower test error",
        "05_pre_activation",
        4,
        losses,
        REPRODUCED,
        "At 56 layers on digits, where both have learned their training images; at 110 v1 has not yet. A lower test error at 56 "
        "we do not see.",
        records=("placements_56_pytorch", "placements_56_tensorflow", "placements_110_pytorch"),
    ),
    Claim(
        "v2's gain grows with the number of additions.",
        IDENTITY,
        "Table 3",
        "CIFAR-10 error, v1 and v2: 110 layers 6.61 and 6.37 %; 164 layers 5.93 and 5.46 %; 1001 layers 7.61 and 4.92 %",
        "05_pre_activation",
        6,
        partial(not_run, "1001 layers took about 27 hours on two GPUs (section 5)"),
        SCALE,
        "Ours end at 110 layers: no difference at 56, one at 110 (above).",
        commands=("resnet-lessons train --data cifar10 --depth 1001 --version v2 --recipe paper-cifar-110",),
    ),
    Claim(
        "On ImageNet v2 gains little at 152 layers and a point at 200.",
        IDENTITY,
        "Table 5",
        "top-1 error, v1 and v2: ResNet-152 21.3 and 21.1 %; ResNet-200 21.8 and 20.7 %",
        "05_pre_activation",
        6,
        partial(not_run, "needs ImageNet and GPUs"),
        SCALE,
        "The paper gives one number each, on crops of 320×320.",
        commands=("resnet-lessons train --data imagenet --depth 152 --version v2 --recipe imagenet",),
    ),
    Claim(
        "Delete one block: a plain network falls to about chance, a residual one hardly notices.",
        ENSEMBLES,
        "section 4.1",
        "CIFAR-10: VGG and ResNet-110; blocks that halve the map excepted",
        "05_pre_activation",
        8,
        lesions,
        REPRODUCED,
        "Test digits right without one block that is not the first of its stage: six such blocks in each of six trainings.",
        records=("lesion",),
    ),
    Claim(
        "A residual network is an ensemble of many paths, of which the short ones carry the gradient.",
        ENSEMBLES,
        "abstract",
        "a reading of the lesions and of gradients",
        "00_start_here",
        7,
        lambda: Finding(("nothing of ours decides between readings",), None),
        CONTESTED,
        "The lesions are solid; what they mean is debated.",
        disputed_by="Greff et al. 2017 (arXiv 1612.07771): the blocks of a stage refine one estimate step by step.",
    ),
    Claim(
        "At the start, BN keeps every branch small beside its shortcut, the more the deeper it stands.",
        BIASES,
        "abstract",
        "the branch is scaled down by about √depth",
        "05_pre_activation",
        6,
        growth,
        REPRODUCED,
        "Untrained: the signal grows from block to block while what a branch adds stays about the same. Whether that is why deep "
        "networks train, it does not say.",
        commands=("python tools/ledger.py",),
    ),
    Claim(
        "To start the last γ of every branch at zero lowers the error.",
        LARGE_BATCH,
        "table 2b",
        "ResNet-50, ImageNet top-1 error: 23.84 ± 0.18 without, 23.60 ± 0.12 % with (five runs each)",
        "04_stride_move",
        4,
        partial(not_run, "needs ImageNet and GPUs"),
        SCALE,
        "The paper's own spreads overlap. (The option of the course's networks is `zero_init_residual`.)",
    ),
    Claim(
        "With 32 times the batch and the rate, a gradual warm-up keeps the error; without one it is lost.",
        LARGE_BATCH,
        "table 1",
        "ResNet-50, ImageNet top-1 error: batch 256 23.60 ± 0.12 %; 8,192 without warm-up 24.84 ± 0.37, constant 25.88 ± 0.56, "
        "gradual 23.74 ± 0.09 % (five runs each)",
        "07_further",
        4,
        partial(not_run, "needs ImageNet and 256 GPUs"),
        SCALE,
        "The differences without it are larger than the paper's own spreads.",
    ),
    Claim(
        "v1.5 is about 0.5 % more accurate than v1.",
        NVIDIA,
        "README of ResNet-50 v1.5",
        "about 0.5 % top-1",
        "04_stride_move",
        4,
        partial(not_run, "needs ImageNet and GPUs"),
        CONTESTED,
        "We know of no repeated trainings that differ in the stride alone.",
        disputed_by="GluonCV's table: 0.31 at 50 layers, and 0.28 between two trainings of one and the same ResNet-34.",
    ),
    Claim(
        "The move from v1 to v1.5 costs nothing.",
        MODEL_CARD,
        "text",
        "“zero extra cost in parameters or FLOPs”",
        "04_stride_move",
        4,
        stride_costs,
        CONTESTED,
        "By counting ResNet-50: no parameter more, but multiply-adds: three layers run on larger maps.",
        commands=("resnet-lessons summary 50 --version v1.5 --versus v1",),
    ),
)
