"""The command `resnet-lessons`.

A command here is a thin layer: it reads options, calls the package, and prints. Each imports what it needs inside, so
that `resnet-lessons --help` loads no framework and answers at once. Errors that the package raises on purpose
(`ValueError`, `OSError`), and a package that is missing, become one line on stderr and exit status 2; to see where one
comes from, set the environment variable RESNET_LESSONS_DEBUG.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import resnet_lessons
from resnet_lessons import first_cell

try:
    first_cell.check_python()  # up to here an old Python reads, too
    from typing import Annotated

    import typer
except ImportError as error:  # the command cannot even be read
    sys.exit(f"resnet-lessons: {first_cell.what_is_missing(error)}")

if TYPE_CHECKING:
    from resnet_lessons.learner import Report

app = typer.Typer(
    name="resnet-lessons",
    help="A course on residual networks, built twice: in PyTorch and in TensorFlow.",
    # Plain help: rich takes longer to import than everything else here together.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# Typer brings its own copy of click in newer versions and imports click in older ones; in both, this is the ancestor
# of everything that a wrong command line raises.
_ClickException: type[Any] = typer.BadParameter.__mro__[2]

Route = Annotated[
    str | None,
    typer.Option(
        "--route",
        metavar="both|pytorch|tensorflow",
        help="Whose cells the copies hold. Default: what you chose before, at first both.",
    ),
]
Work = Annotated[
    Path | None,
    typer.Option("--work", metavar="FOLDER", help="The folder of your copies. Default: work/ in the course's folder."),
]


def _depth(text: str) -> int:
    """Read a depth in place of typer, whose error does not repeat what was given."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"DEPTH is {text!r}; it is a whole number such as 50") from None


Version = Annotated[str, typer.Option(metavar="v1|v1.5|v2", help="Version of the network.")]
Family = Annotated[
    str | None, typer.Option(metavar="imagenet|cifar", help="Default: imagenet, where it has this depth.")
]
Shortcut = Annotated[
    str | None, typer.Option(metavar="A|B|C|none", help="Default: B; A for CIFAR networks of basic blocks.")
]
Width = Annotated[
    int | None, typer.Option(metavar="N", help="Channels of the first stage. Default: 64 (ImageNet), 16 (CIFAR).")
]
Download = Annotated[
    bool, typer.Option("--download", help="Fetch the images from the hub if they are not on this computer.")
]
ImageSize = Annotated[
    int | None, typer.Option(metavar="N", help="Height and width, in pixels, of photographs. Default: 224.")
]
OnBadImage = Annotated[
    str | None, typer.Option(metavar="raise|skip", help="Stop at an image that cannot be read, or leave it out.")
]
Framework = Annotated[str, typer.Option("--framework", metavar="pytorch|tensorflow", help="Which twin.")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with 0, 2 for anything that was asked wrongly, or 130 for Ctrl-C."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit status."""
    command = typer.main.get_command(app)
    try:
        status = command.main(args=list(arguments), prog_name="resnet-lessons", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except _ClickException as error:
        return _fail(_explain(error, arguments))
    except (ValueError, OSError, FloatingPointError) as error:
        if os.environ.get("RESNET_LESSONS_DEBUG"):
            raise
        return _fail(_sentence(error))
    except ImportError as error:
        if os.environ.get("RESNET_LESSONS_DEBUG") or (error.name or "").startswith("resnet_lessons"):
            raise
        return _fail(first_cell.what_is_missing(error))
    if status == 130:
        print("resnet-lessons: stopped.", file=sys.stderr)
    return status if isinstance(status, int) else 0


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False,
) -> None:
    if version:
        print(f"resnet-lessons {resnet_lessons.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command()
def start(route: Route = None, work: Work = None) -> None:
    """Make your copies of the notebooks.

    Existing ones stay as they are (another --route replaces those you did not edit).
    """
    from resnet_lessons import learner

    report = learner.start(route, work)
    _tell(report)
    _write_start_page(report.work, personal=work is None)


@app.command()
def update(route: Route = None, work: Work = None) -> None:
    """Bring newer versions; edited copies stay.

    A newer version comes beside a copy that you edited, and in place of one that you did not.
    """
    from resnet_lessons import learner

    _tell(learner.update(route, work))


@app.command()
def reset(
    name: Annotated[str, typer.Argument(help="A chapter (00_start_here) or an exercise (its folder's name).")],
    work: Work = None,
) -> None:
    """Restore one notebook; yours is kept.

    Your version gets another name, with the time in it.
    """
    from resnet_lessons import learner

    _tell(learner.reset(name, work))


@app.command()
def lab(
    route: Route = None,
    work: Work = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default 8888; the next free one if it is taken.")
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
    extra: Annotated[
        list[str] | None, typer.Argument(metavar="[-- JUPYTER OPTIONS]", help="Passed on to JupyterLab as they are.")
    ] = None,
) -> None:
    """Make your copies and open JupyterLab on them.

    Existing ones stay as they are (another --route replaces those you did not edit).
    """
    from resnet_lessons import learner, notebook_server, start_page

    report = learner.start(route, work)
    _tell(report)
    _write_start_page(report.work)
    print("Starting JupyterLab ...", flush=True)
    refresh = start_page.Fresh(report.work)
    raise typer.Exit(notebook_server.serve(report.work, port, browser, extra or (), refresh=refresh))


@app.command()
def where(work: Work = None) -> None:
    """Say where you were, and what comes next.

    The next twenty minutes, and how many questions come back. Start.md of your copies says the same, and is written anew.
    """
    from resnet_lessons import learner, start_page
    from resnet_lessons.summary import write

    place = work or learner.course_folder() / "work"
    write(start_page.where(place))
    if (place / learner.RECORD).is_file():
        start_page.write(place)


progress_app = typer.Typer(rich_markup_mode=None)
app.add_typer(progress_app, name="progress")


@progress_app.callback(invoke_without_command=True)
def progress(context: typer.Context) -> None:
    """Show how far you are; export it, or forget it.

    Without a further command: chapter by chapter, and where it is kept. It never leaves this computer.
    """
    if context.invoked_subcommand is None:
        from resnet_lessons import journey, start_page
        from resnet_lessons import progress as store
        from resnet_lessons.summary import write

        write(start_page.as_table(journey.chapters(), store.read()))


@progress_app.command("export")
def export_progress(
    file: Annotated[Path, typer.Argument(metavar="FILE.json", help="A new file.")],
) -> None:
    """Write all of it into a file, as JSON."""
    from resnet_lessons import progress as store

    print(f"{store.export(file)} records are in {file}.")


@progress_app.command("reset")
def reset_progress(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Forget all of it, after asking.

    Your notebooks stay as they are.
    """
    from resnet_lessons import progress as store

    count = len(store.read())
    if count and not yes:
        typer.confirm(f"Forget {count} records? `resnet-lessons progress export FILE.json` keeps a copy", abort=True)
    if count and not store.clear():
        raise typer.Exit(1)
    print(f"{count} records forgotten." if count else "Nothing was noted yet.")


@app.command()
def summary(
    depth: Annotated[
        int,
        typer.Argument(
            metavar="DEPTH", parser=_depth, help="18, 34, 50, 101, 152, or a depth of the CIFAR family such as 20."
        ),
    ],
    version: Version = "v1",
    family: Family = None,
    shortcut: Shortcut = None,
    num_classes: Annotated[int | None, typer.Option(metavar="N", help="Default: 1000 (ImageNet), 10 (CIFAR).")] = None,
    in_channels: Annotated[int, typer.Option(metavar="N", help="Channels of the images.")] = 3,
    width: Width = None,
    image_size: Annotated[
        str | None, typer.Option(metavar="H[xW]", help="Such as 224 or 240x320. Default: 224 (ImageNet), 32 (CIFAR).")
    ] = None,
    layers: Annotated[bool, typer.Option("--layers", help="Show every layer, too.")] = False,
    versus: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION|DEPTH|DEPTH:VERSION", help="Show what sets it apart from this network: v1, 34, 101:v1.5."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a network by stages.

    For each stage: shapes, parameters, multiply-adds, receptive field.
    """
    from resnet_lessons import summary as report

    fields = {"shortcut": shortcut, "num_classes": num_classes, "in_channels": in_channels, "width": width}
    size = None if image_size is None else report.parse_image_size(image_size)
    config, note = report.choose_config(depth, version, family, **fields)
    network = report.summarize(config, size, note)
    other = None
    if versus is not None:
        other_depth, other_version = report.parse_versus(versus, depth, version)
        other_config, _ = report.choose_config(other_depth, other_version, config.family, **fields)
        other = report.summarize(other_config, size, "" if family else report.family_note(other_config))
    if as_json:
        report.write(report.as_json(network, other) + "\n")
    else:
        report.show(network, other, layers)


@app.command()
def train(
    data: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="The images. Default: digits.")] = None,
    download: Download = False,
    image_size: ImageSize = None,
    on_bad_image: OnBadImage = None,
    framework: Annotated[
        str | None, typer.Option(metavar="pytorch|tensorflow", help="Which twin. Default: pytorch.")
    ] = None,
    depth: Annotated[int | None, typer.Option(metavar="DEPTH", help="Depth of the network. Default: 20.")] = None,
    version: Annotated[str | None, typer.Option(metavar="v1|v1.5|v2", help="Default: v1.")] = None,
    family: Family = None,
    shortcut: Shortcut = None,
    width: Width = None,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Such as fast-cifar or paper-cifar. Default: what suits the images."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(metavar="N", help="Instead of the recipe's.")] = None,
    batch_size: Annotated[int | None, typer.Option(metavar="N", help="Instead of the recipe's.")] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="X", help="Highest learning rate, instead of the recipe's.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="float32|bfloat16|float64|auto", help="auto measures which is quickest.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Of the initial weights and the order of images. Default: 0.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="FOLDER", help="Default: a new one in runs/, named after all this.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with this run; it knows all the rest.")
    ] = None,
    save_minutes: Annotated[
        float, typer.Option(metavar="X", help="Save at least so often; and at the end of every epoch.")
    ] = 10.0,
) -> None:
    """Train a network; what was done is never lost.

    Weights, curves and checkpoints go to a folder in runs/. Killed or stopped, the training goes on by --resume.
    """
    from resnet_lessons.training import commands

    asked = {
        "data": data, "framework": framework, "depth": depth, "version": version, "family": family, "shortcut": shortcut,
        "width": width, "recipe": recipe, "epochs": epochs, "batch_size": batch_size, "rate": rate,
        "precision": precision, "seed": seed, "image_size": image_size, "on_bad_image": on_bad_image,
    }  # fmt: skip
    commands.train(asked, run, resume, save_minutes, download)


@app.command()
def evaluate(
    weights: Annotated[
        Path, typer.Argument(metavar="WEIGHTS", help="A run's folder, a safetensors file, or a PyTorch checkpoint.")
    ],
    data: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="The images. Default: what a run was trained on, or digits.")
    ] = None,
    download: Download = False,
    image_size: ImageSize = None,
    on_bad_image: OnBadImage = None,
    framework: Framework = "pytorch",
    version: Annotated[
        str | None, typer.Option(metavar="v1|v1.5|v2", help="Where the weights cannot tell: v1 or v1.5.")
    ] = None,
    normalization: Annotated[
        str,
        typer.Option(
            metavar="dataset|imagenet", help="Mean and deviation of the pixels: the dataset's, or ImageNet's."
        ),
    ] = "dataset",
) -> None:
    """Test a network with given weights.

    Counts the test images that it gets right.
    """
    from resnet_lessons.training import commands

    reading = {"image_size": image_size, "on_bad_image": on_bad_image}
    commands.evaluate(weights, data, framework, version, normalization, download=download, reading=reading)


@app.command()
def predict(
    pictures: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="WEIGHTS",
            help="A run's folder or its weights. Default: the course's own, for CIFAR-10's ten classes.",
        ),
    ] = None,
    framework: Framework = "pytorch",
) -> None:
    """Name what is in pictures.

    Shows the five likeliest classes of each, as bars. Without other weights they are airplane, automobile, bird, cat, deer,
    dog, frog, horse, ship and truck.
    """
    from resnet_lessons.training import commands

    commands.predict(pictures, weights, framework)


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where they are.")] = Path("runs"),
) -> None:
    """List past runs."""
    from resnet_lessons.training import commands

    commands.runs(folder)


@app.command()
def compare(
    paths: Annotated[list[Path], typer.Argument(metavar="RUN RUN...", help="Folders of runs.")],
    output: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw the curves into this file.")] = None,
) -> None:
    """Show how runs differ and how they went."""
    from resnet_lessons.training import commands

    commands.compare(paths, output)


data_app = typer.Typer(rich_markup_mode=None)
app.add_typer(data_app, name="data")


@data_app.callback(invoke_without_command=True)
def data(context: typer.Context) -> None:
    """List datasets; fetch one, or check it.

    Without a further command: those that have a name, and which of them are on this computer.
    """
    if context.invoked_subcommand is None:
        from resnet_lessons import data_commands

        data_commands.show()


@data_app.command("get")
def get_data(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the list, or tfds:NAME of TensorFlow Datasets.")],
) -> None:
    """Fetch a dataset, unless it is on this computer."""
    from resnet_lessons import data_commands

    data_commands.get(name)


@data_app.command("check")
def check_data(
    name: Annotated[str, typer.Argument(metavar="NAME|PATH", help="What --data takes.")],
    image_size: ImageSize = None,
) -> None:
    """Read every image of a dataset.

    Shows counts, classes and sizes, and every image and label that is faulty. The exit status is 1 if something is.
    """
    from resnet_lessons import data_commands

    if not data_commands.check_all(name, image_size):
        raise typer.Exit(1)


@app.command()
def check(
    notebook: Annotated[
        Path, typer.Argument(metavar="NOTEBOOK", help="Your copy of an exercise: work/exercises/…/exercise.ipynb.")
    ],
    seconds: Annotated[
        float, typer.Option(metavar="N", min=1, help="How long a cell may run before it is given up.")
    ] = 60,
    explain: Annotated[bool, typer.Option("--explain", help="Name the mistakes, and say why they matter.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check all tasks of an exercise.

    The notebook runs in a process of its own. The exit status is 1 unless all tasks are right.
    """
    from resnet_lessons.checks import notebook_table

    raise typer.Exit(notebook_table.show(notebook, seconds, as_json, explain))


@app.command()
def review() -> None:
    """Ask again what you missed in the chapters.

    A question that was missed comes back after one day, after three more, and after seven more.
    """
    from resnet_lessons.labs import reviews

    reviews.in_terminal()


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Look whether everything is here that the course needs.

    Each problem comes with what to do. The exit status is 1 if something keeps the course from running.
    """
    from resnet_lessons import doctor as checks

    raise typer.Exit(checks.main(as_json))


@app.command()
def report(
    output: Annotated[Path | None, typer.Option(metavar="FILE.txt", help="Write it into this file, too.")] = None,
) -> None:
    """Write what to paste when asking for help.

    Versions and what `doctor` finds; no names of users, computers or folders, and none of your answers.
    """
    from resnet_lessons import doctor as checks
    from resnet_lessons.summary import write

    text = checks.report()
    if output is not None:
        output.write_text(text, encoding="utf-8")
    write(text)


@app.command("class-report")
def class_report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of what was handed in, such as autograded.")],
    processes: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many notebooks are checked at the same time.")
    ] = 2,
    seconds: Annotated[
        float, typer.Option(metavar="N", min=1, help="How long a cell may run before it is given up.")
    ] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Count a class's mistakes, without names.

    For each task: how many are right, not yet, not attempted, and the mistakes. The exit status is 1 if a notebook could not
    be read.
    """
    from resnet_lessons.checks import class_report as counts

    raise typer.Exit(counts.show(folder, processes=processes, seconds=seconds, as_json=as_json))


def _write_start_page(work: Path, personal: bool = True) -> None:
    """Write the page that the lab opens; where that fails, the lab opens without it. One that is handed out is nobody's."""
    from resnet_lessons import start_page

    try:
        kept = start_page.write(work, personal=personal)
    except (OSError, ValueError) as error:
        print(f"The start page could not be written: {error}", file=sys.stderr)
        return
    if kept:
        print(f"What you had written is kept: {_some(kept)}.")


def _tell(report: Report) -> None:
    """Print what happened to the copies, a line for each kind, and what to do about it."""
    lines = list(report.notes)
    if report.created:
        lines.append(f"New in {report.work}: {_some(report.created)} (route: {report.route}).")
    if report.replaced:
        lines.append(f"Now as in the course: {_some(report.replaced)}.")
    if report.beside:
        lines.append(f"You edited the older version, so the newer one is beside it: {_some(report.beside)}.")
    if report.backups:
        lines.append(f"What you had written is kept: {_some(report.backups)}.")
    if report.outdated:
        lines.append(
            f"A newer version exists of {_some(report.outdated)}: `resnet-lessons update` fetches it, "
            "beside what you edited."
        )
    absent = first_cell.absent_frameworks(report.route)
    if first_cell.absent_frameworks(""):
        lines.append("Neither PyTorch nor TensorFlow is installed here: `make lab` installs what your route needs.")
    elif absent:
        lines.append(
            f"{absent[0]} is not installed here, and your copies need it: `make lab ROUTE={report.route}` installs it; "
            f"or go on without it: resnet-lessons lab --route {first_cell.OTHER_ROUTE[absent[0]]}"
        )
    print("\n".join(lines or [f"Your copies in {report.work} are complete (route: {report.route})."]), flush=True)


def _some(names: list[str]) -> str:
    """A few names, and how many more there are."""
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _explain(error: Any, arguments: Sequence[str]) -> str:
    """One line for a wrong command line: what was given, what is wrong with it, and where the help is."""
    message = error.format_message().rstrip(".")
    context: Any = getattr(error, "ctx", None)
    where = context.command_path if context is not None else "resnet-lessons"
    own = getattr(error, "message", None) or ""
    if own.startswith("DEPTH is "):
        return f"{own}; see `{where} --help`"
    if message.startswith("Invalid value for "):
        message = message.replace("Invalid value for ", f"invalid value{_given(error, arguments)} for ", 1)
    elif message.startswith("No such command"):
        message += f"; there are: {', '.join(context.command.list_commands(context))}"
    return f"{message[:1].lower()}{message[1:]}; see `{where} --help`"


def _given(error: Any, arguments: Sequence[str]) -> str:
    """What the learner wrote for the option in question."""
    options = getattr(getattr(error, "param", None), "opts", ())
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        name, equals, value = argument.partition("=")
        if name in options:
            return f" {(value if equals else following)!r}"
    return ""


_REMEDIES = {
    errno.EACCES: "; make it accessible, or choose a folder of yours",
    errno.EROFS: "; choose a folder that can be written",
    errno.ENOSPC: "; make room, and repeat the command",
}


def _sentence(error: ValueError | OSError | FloatingPointError) -> str:
    if isinstance(error, OSError) and error.strerror:
        place = f": {error.filename}" if error.filename else ""
        return f"{error.strerror}{place}{_REMEDIES.get(error.errno or 0, '')}"
    # The package speaks of Python's arguments, the command line of its options.
    said = re.sub(r'\b(family|version)="([^"]*)"', r"--\1 \2", str(error))
    said = re.sub(r'\bon_bad_image="skip"', "--on-bad-image skip", said).replace("give image_size", "give --image-size")
    said = re.sub(r"(stream\b.*?)load_dataset\('[^']*', download=True\)", r"\1--download", said)
    return re.sub(r"load_dataset\('([^']*)', download=True\)", r"`resnet-lessons data get \1`", said)


def _fail(message: str) -> int:
    print(f"resnet-lessons: {' '.join(message.split())}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
