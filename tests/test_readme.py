"""What README and CONTRIBUTING say is so: commands, options, links, numbers, snippets, and the picture."""

from __future__ import annotations

import doctest
import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import resnet_lessons
from resnet_lessons import cli, datasets, resnet_config
from resnet_lessons.routes import ROUTES

import pytest
import typer

ROOT = Path(__file__).parents[1]
NAMES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in NAMES}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_COMMITTED = ("work", "runs", ".venv")  # what a text may name although it is not in the repository


def fences(text: str, *languages: str) -> list[str]:
    """Return the code blocks of some languages."""
    return [body for language, body in FENCE.findall(text) if language in languages]


def inline_code(text: str) -> list[str]:
    """Return what stands between single backticks, outside code blocks."""
    return re.findall(r"(?<!`)`([^`]+)`(?!`)", FENCE.sub("", text).replace("\n", " "))


def commands(text: str) -> Iterator[list[str]]:
    """Yield the words of every command line shown, without prompt, comment, variables in front, and .venv/bin/."""
    lines = [line for body in fences(text, "sh", "powershell") for line in body.splitlines()]
    lines += [line[2:] for body in fences(text, "console") for line in body.splitlines() if line.startswith("$ ")]
    for line in [*lines, *inline_code(text)]:
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # an apostrophe or a Windows path: no command of ours
            continue
        while words and re.fullmatch(r"[A-Z][A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words:
            yield [words[0].removeprefix(".venv/bin/"), *words[1:]]


def calls(program: str) -> list[list[str]]:
    """Return the arguments of every call of a program, in all texts."""
    return [words[1:] for text in TEXTS.values() for words in commands(text) if words[0] == program]


def slug(heading: str) -> str:
    """Return a heading's anchor, as code hosts form it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def load(path: Path) -> ModuleType:
    """Import a script by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# Commands -------------------------------------------------------------------------------------------------------------


def test_every_make_target_and_variable_exists() -> None:
    found = calls("make")
    assert {"lab", "test", "chapters", "format", "lock", "lint"} <= {words[0] for words in found if words}
    targets = set(re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE))
    for target, *variables in filter(None, found):
        assert target in targets, target
        for variable in variables:
            name, equals, value = variable.partition("=")
            assert equals, f"make {target} {variable}"
            assert f"$({name})" in MAKEFILE, f"make {target} {variable}"
            if name == "ROUTE":
                assert value in ROUTES


def test_every_command_and_option_of_ours_exists() -> None:
    root: Any = typer.main.get_command(cli.app)
    seen = set()
    for words in filter(None, calls("resnet-lessons")):
        name, *arguments = words
        if name.startswith("-"):
            assert name in ("--help", "-h", "--version")
            continue
        assert name in root.commands, f"resnet-lessons {name}"
        seen.add(name)
        # Parsing refuses an option that does not exist, and a value of the wrong type; nothing is run.
        root.commands[name].make_context(name, arguments, resilient_parsing="WEIGHTS" in arguments)
    assert seen == set(root.commands), "README names every command"


def test_options_named_alone_exist() -> None:
    """In the README's table of commands, options stand behind the command that they belong to."""
    root: Any = typer.main.get_command(cli.app)
    rows = re.findall(r"^\| `resnet-lessons ([\w-]+)[^`]*` \|(.*)\|$", TEXTS["README.md"], re.MULTILINE)
    assert len(rows) == len(root.commands)
    for name, meaning in rows:
        known = {option for parameter in root.commands[name].params for option in parameter.opts}
        assert set(re.findall(r"`(--[\w-]+)", meaning)) <= known, name


def test_every_script_that_is_called_exists() -> None:
    scripts = [words[0] for words in calls("python") if words and words[0].endswith(".py")]
    assert scripts
    assert not [script for script in scripts if not (ROOT / script).is_file()]


# Links, names, pictures -----------------------------------------------------------------------------------------------


class Pictures(HTMLParser):
    """Collects the attributes of every `<img>`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.found.append(dict(attrs))


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    prose = re.sub(r"`[^`]+`", "", FENCE.sub("", TEXTS[name]))
    addresses = re.findall(r"\]\(([^)\s]+)\)", prose) + [str(image["src"]) for image in Pictures(prose).found]
    for address in addresses:
        if address.startswith("https://"):
            continue
        file, _, anchor = address.partition("#")
        target = ROOT / (file or name)
        assert target.is_file(), address
        if anchor:
            headings = re.findall(r"^#+ (.+)$", FENCE.sub("", target.read_text(encoding="utf-8")), re.MULTILINE)
            assert anchor in map(slug, headings), address


@pytest.mark.parametrize("name", NAMES)
def test_files_named_in_the_text_exist(name: str) -> None:
    named = [code for code in inline_code(TEXTS[name]) if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", code)]
    paths = [code for code in named if "/" in code or re.search(r"\.(py|toml|txt|yml|md|cff|ipynb|cfg)$", code)]
    paths = [path for path in paths if path.split("/")[0] not in NOT_COMMITTED]
    repositories = ("uoft-cs/", "akamaster/")
    missing = [path for path in paths if not path.startswith(repositories) and not (ROOT / path).exists()]
    # A file may be named without its folder, where the text has just named that.
    assert not [path for path in missing if "/" in path or not list(ROOT.glob(f"*/{path}"))]


def test_pictures_have_alt_text() -> None:
    found = Pictures(FENCE.sub("", TEXTS["README.md"])).found
    assert [image["src"] for image in found] == ["docs/blocks.svg"]
    assert all(len(image["alt"] or "") > 100 for image in found)
    assert not any("![](" in text for text in TEXTS.values())


def test_the_picture_is_what_its_script_draws(tmp_path: Path) -> None:
    script = load(ROOT / "tools" / "readme_picture.py")
    drawn = script.draw()
    assert drawn.save(tmp_path / "blocks.svg").read_bytes() == script.PATH.read_bytes(), (
        "run tools/readme_picture.py, look at docs/blocks.svg, and see whether its alt text in the README still holds"
    )
    (shown,) = Pictures(TEXTS["README.md"]).found
    assert (ROOT / str(shown["src"])).resolve() == script.PATH
    assert shown["width"] == str(drawn.width)


# Numbers and outputs --------------------------------------------------------------------------------------------------


def shown_output(command: str) -> list[str]:
    """Return the lines that README shows under a command."""
    for body in fences(TEXTS["README.md"], "console"):
        for call in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
            line, _, output = call.partition("\n")
            if line.startswith(f"resnet-lessons {command}"):
                return output.splitlines()
    raise AssertionError(f"README shows no output of {command}")


def test_the_summary_shown_is_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert cli.run(["summary", "50", "--version", "v1.5"]) == 0
    assert capsys.readouterr().out.splitlines() == shown_output("summary 50 --version v1.5")


def test_the_training_shown_is_of_that_network_and_those_images() -> None:
    config = resnet_config(20, "v2", family="cifar", in_channels=1)
    digits = datasets.load_dataset("digits")
    network = f"{config.name}, {config.parameters:,} parameters"
    first, accuracy, *_ = shown_output("train")
    assert first == f"{network}, on {len(digits.train):,} images of digits"
    found = re.fullmatch(r"test accuracy (\S+)% \((\d+) of (\d+)\), training accuracy \S+%", accuracy)
    assert found
    assert int(found[3]) == len(digits.test)
    assert found[1] == f"{100 * int(found[2]) / int(found[3]):.2f}"
    evaluated, again = shown_output("evaluate")
    assert evaluated == f"{network}, tensorflow, digits:"
    assert accuracy.startswith(f"{again},")


def test_python_snippets_run() -> None:
    ran = 0
    for number, source in enumerate(fences("\n".join(TEXTS.values()), "python")):
        example = doctest.DocTestParser().get_doctest(source, {}, f"snippet {number}", None, 0)
        said: list[str] = []
        result = doctest.DocTestRunner(verbose=False).run(example, out=said.append)
        assert result.failed == 0, "".join(said)
        ran += result.attempted
    assert ran > 0


def test_every_chapter_is_listed_with_its_own_minutes() -> None:
    rows = re.findall(r"^\| \[[^]]+\]\((chapters/[\w.]+)\).*\| (\S+) \|$", TEXTS["README.md"], re.MULTILINE)
    there = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "chapters").glob("*.ipynb"))
    assert sorted(path for path, _ in rows) == there
    for path, minutes in rows:
        first = "".join(json.loads((ROOT / path).read_text(encoding="utf-8"))["cells"][0]["source"])
        assert f"{minutes} minutes" in first, path


def test_versions_and_names_agree_with_the_files_that_set_them() -> None:
    readme = TEXTS["README.md"]
    lock = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pins = set(re.findall(r"\b(torch==[\d.]+\d)", readme))
    assert len(pins) == 1
    assert pins <= set(lock)
    environment = (ROOT / "environment.yml").read_text(encoding="utf-8")
    (name,) = re.findall(r"conda activate (\S+)", readme)
    assert f"name: {name}\n" in environment
    assert datasets.VARIABLE in readme
    assert f"[{resnet_lessons.__version__}]" in TEXTS["CHANGELOG.md"]
    assert f"version: {resnet_lessons.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_layout_of_the_data_is_the_one_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small CIFAR-10 under the names that README shows is found and read."""
    import datasets as hub
    import numpy as np

    (tree,) = [body for body in fences(TEXTS["README.md"], "") if datasets.VARIABLE in body]
    folder = re.findall(r"^    (uoft-cs/\S+)/$", tree, re.MULTILINE)[0]
    files = re.findall(r"^        (\S+\.parquet)$", tree, re.MULTILINE)
    assert len(files) == 2
    features = hub.Features({"img": hub.Image(), "label": hub.ClassLabel(names=[str(n) for n in range(10)])})
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    (tmp_path / folder).mkdir(parents=True)
    for file in files:
        rows = hub.Dataset.from_dict({"img": list(pixels), "label": [0, 1, 2, 3]}, features=features)
        rows.to_parquet(tmp_path / folder / file)
    monkeypatch.setenv(datasets.VARIABLE, str(tmp_path))
    monkeypatch.setattr(hub.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    found = datasets.load_dataset("cifar10")
    assert (len(found.train), len(found.test), found.image_shape) == (4, 4, (3, 32, 32))
    assert (found.train.images == pixels).all()


def test_no_path_of_one_machine_is_named() -> None:
    for name, text in TEXTS.items():
        assert not re.search(r"(?<![\w.$~}\"])/(?:home|Users|root|tmp|mnt|work)/", text), name


def test_the_exercises_are_all_listed_and_their_tasks_counted() -> None:
    folders = sorted(path.parent.name for path in ROOT.glob("exercises/*/exercise.ipynb"))
    listed = re.findall(r"^\| \[\d\d [^\]]+\]\(exercises/(\w+)/exercise\.ipynb\) \|", TEXTS["README.md"], re.MULTILINE)
    assert listed == folders
    modules = [import_module(f"resnet_lessons.checks.chapter_{name[:2]}") for name in folders]
    number = sum(len(module.TASKS) for module in modules)
    assert f"Six notebooks with {number} tasks" in TEXTS["README.md"]
    assert f"chapters 01 to 06, {number} tasks" in TEXTS["CHANGELOG.md"]
