"""Write the ledger of claims, docs/claims.md, from resnet_lessons/claims.py and the records.

    .venv/bin/python tools/ledger.py

A claim whose verdict does not follow from what is ours stops it. One whose record is not there yet is left out, and named.
The same claims and records give the same bytes; a test writes the page again and compares.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from resnet_lessons import claims, training
from resnet_lessons.claims import CLAIMS, Claim, Source
from resnet_lessons.findings import VERDICTS, Group
from resnet_lessons.training import records

PATH = Path(__file__).resolve().parent.parent / "docs" / "claims.md"
HEAD = """\
# What the papers found, and what we found

What this course says that papers found, each claim beside our own counts and runs. This page is written by
[tools/ledger.py](../tools/ledger.py) from [claims.py](../resnet_lessons/claims.py) and the
[records](../resnet_lessons/records); every number in the column *ours* is computed, and a verdict that does not follow from
them stops the program. Papers count errors; ours are accuracies, unless a line says otherwise.

| verdict | means |
|---|---|
| **exact** | A count, or an identity: ours is the printed one, to its last digit |
| **reproduced** | Ours has the paper's sign, and every run of the one lies beyond every run of the other (a single accuracy: \
ours reaches it). The *size* of a difference need not be the paper's: most of our runs are short ones on 8×8 digits |
| **not at this scale** | Our runs overlap, or there are none: the paper's numbers stand alone |
| **contested** | Published evidence, or ours, points another way; the reason says which |

Spreads are lowest … highest, with their number. With five runs of each and no difference between them, all of the one lie \
above all of the other once in 252 times.
"""
TAIL = """\
## What the course's own trainings reach

ResNet-20 v1, by the command that a learner types, once for each seed. Accuracy is on test images, at the end.
"""
COLUMNS = "| the claim | the source says | ours, and the command | verdict |\n|---|---|---|---|\n"


def page() -> str:
    """Return the page's text."""
    tables = [f"## {title}\n\n{COLUMNS}{''.join(map(row, chosen))}" for title, chosen in by_source()]
    return "\n".join([HEAD, counts(), *tables, *recorded_trainings()])


def there() -> list[Claim]:
    """Return the claims that can be shown."""
    return [claim for claim in CLAIMS if claim.recorded]


def by_source() -> Iterator[tuple[str, list[Claim]]]:
    """Yield the two papers' claims, each under its title, then all others together."""
    papers: tuple[Source, ...] = (claims.RESIDUAL, claims.IDENTITY)
    for paper in papers:
        yield f"{paper.title} (arXiv {paper.name})", [claim for claim in there() if claim.source is paper]
    yield "Others", [claim for claim in there() if claim.source not in papers]


def counts() -> str:
    """Return how many claims have each verdict, in a sentence."""
    found = [f"{sum(claim.verdict == verdict for claim in there())} {verdict}" for verdict in VERDICTS]
    return f"{len(there())} claims: {', '.join(found)}.\n"


def row(claim: Claim) -> str:
    """Return a claim's line, once its verdict is checked."""
    ours = [unbroken(line) for line in claims.check(claim).ours]
    chapter = f"[{claim.chapter[:2]}, section\u00a0{claim.section}](../chapters/{claim.chapter}.ipynb)"
    source = f"[{claim.place}]({claim.source.address})"
    if claim.source not in (claims.RESIDUAL, claims.IDENTITY):
        source = f"{claim.source.title}, {source}"
    against = f" Against it: {claim.disputed_by}" if claim.disputed_by else ""
    cells = (
        f"{claim.text} ({chapter})",
        f"{source}: {unbroken(claim.paper)}",
        "<br>".join([*ours, *(f"`{command}`" for command in commands_of(claim))]),
        f"**{claim.verdict}**. {claim.because}{against}",
    )
    return f"| {' | '.join(cells)} |\n"


def unbroken(text: str) -> str:
    """Keep a number together with its unit, and the two ends of a spread with each other."""
    return re.sub(r" (?=[%…±])|(?<=[…±]) ", "\u00a0", text)


def commands_of(claim: Claim) -> list[str]:
    """Return the commands that make a claim's records, as the records state them, and the others."""
    made = [training.recorded(name)["made_by"]["command"] for name in claim.records]
    return list(dict.fromkeys([*made, *claim.commands]))


def recorded_trainings() -> Iterator[str]:
    """Yield the table of the records that `benchmarks/runs.py` wrote."""
    lines = []
    for path in sorted(records.RECORDS.glob("*.json")):
        record = training.recorded(path.stem)
        made_by = record["made_by"]
        if "each_run" not in made_by:  # of another experiment
            continue
        framework = claims.FRAMEWORKS[made_by["framework"]]
        right = [100 * run["history"]["test_accuracy"][-1] for run in record["runs"]]
        minutes = [run["history"]["seconds"][-1] / 60 for run in record["runs"]]
        accuracy, time = Group("", {}, form=".2f"), Group("", {}, form=".1f", unit="")
        cells = (
            made_by["data"]["name"],
            framework,
            str(made_by["recipe"]["epochs"]),
            unbroken(f"{accuracy.span(right)} ({accuracy.number(right)})"),
            unbroken(time.span(minutes)),
            f"{made_by['environment']['cores']} cores of {made_by['environment']['processor']}",
            f"`{made_by['each_run']}`",
        )
        lines.append(f"| {' | '.join(cells)} |\n")
    if lines:
        head = "| images | framework | epochs | test accuracy | minutes a run | on | command |\n|---|---|---|---|---|---|---|\n"
        yield f"{TAIL}\n{head}{''.join(lines)}"


def main() -> None:
    """Write the page; print how many claims have which verdict, and which wait for a record."""
    PATH.write_text(page(), encoding="utf-8", newline="\n")
    print(f"{PATH.name}: {counts()}", end="")
    for claim in CLAIMS:
        if not claim.recorded:
            print(f"left out, since {', '.join(claim.records)} is not recorded: {claim.text}")


if __name__ == "__main__":
    main()
