"""The page on scale says what is so: its numbers are computed again, and its commands are read by the programs they call."""

from __future__ import annotations

import ast
import re
import shlex
from dataclasses import replace
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

from resnet_lessons import cli, datasets, resnet_config, trace
from resnet_lessons.datasets.catalogue import CATALOGUE
from resnet_lessons.datasets.parts import Stream
from resnet_lessons.training import RECIPES
from tests.test_readme import FENCE, fences, slug

import pytest
import typer

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "scale.md"
TEXT = PAGE.read_text(encoding="utf-8")
FLAT = re.sub(r"\s+", " ", TEXT)  # a sentence may be broken anywhere
IMAGENET = CATALOGUE["imagenet"].counts[0]
TRAINED = {
    "ResNet-20 on CIFAR-10": (resnet_config(20, family="cifar"), 32, 50_000),
    "ResNet-110 on CIFAR-10": (resnet_config(110, family="cifar"), 32, 50_000),
    "ResNet-50 v1.5 on ImageNet": (resnet_config(50, "v1.5"), 224, IMAGENET),
    "ResNet-152 v1.5 on ImageNet": (resnet_config(152, "v1.5"), 224, IMAGENET),
}
MACS = {
    name: sum(layer.macs for layer in trace(config, image_size=(size, size)))
    for name, (config, size, _) in TRAINED.items()
}
OPERATIONS = {name: 3 * 2 * MACS[name] * images for name, (_, _, images) in TRAINED.items()}
SMALL, LARGE = "ResNet-20 on CIFAR-10", "ResNet-50 v1.5 on ImageNet"


def rows(header: str) -> list[list[str]]:
    """Return the cells of the table with this first line."""
    (table,) = re.findall(rf"^{re.escape(header)}\n\|[-|]+\|\n((?:\|.*\|\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def says(sentence: str) -> bool:
    return sentence in FLAT


def duration(seconds: float) -> str:
    """As the page writes it: two digits, in the unit that suits."""
    for limit, unit, size in (
        (100, "s", 1),
        (3600, "min", 60),
        (100 * 3600, "h", 3600),
        (float("inf"), "days", 86_400),
    ):
        if seconds < limit:
            value = seconds / size
            return f"{value:.0f} {unit}" if value >= 9.95 else f"{value:.1f} {unit}"
    raise AssertionError


# Costs ----------------------------------------------------------------------------------------------------------------


def test_operations_are_three_forward_passes_of_the_network_described() -> None:
    found = rows("| | MACs | images | operations an epoch |")
    assert [row[0] for row in found] == list(TRAINED)
    for name, macs, images, operations in found:
        assert macs == f"{MACS[name]:,}"
        assert images == f"{TRAINED[name][2]:,}"
        digits, power = f"{OPERATIONS[name]:.2e}".split("e+")
        assert operations == f"{digits} · 10{power.translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def test_the_backward_pass_costs_what_pytorch_counts() -> None:
    from resnet_lessons import torch_resnet

    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"):
        net = torch_resnet.resnet(50, "v1.5").train()
        with FlopCounterMode(display=False) as counter:
            net(torch.empty(2, 3, 224, 224)).sum().backward()
    passes = counter.get_total_flops() / (2 * 2 * MACS[LARGE])
    assert says(f"PyTorch's own counter finds {passes:.2f} forward passes for ResNet-50")


def test_times_follow_from_what_is_sustained() -> None:
    for sustained, small, large, whole in rows(
        "| sustained | ResNet-20, an epoch | ResNet-50, an epoch | ResNet-50, 90 epochs |"
    ):
        rate = float(sustained.removesuffix(" TFLOP/s")) * 1e12
        assert small == duration(OPERATIONS[SMALL] / rate)
        assert large == duration(OPERATIONS[LARGE] / rate)
        assert whole == duration(90 * OPERATIONS[LARGE] / rate)


def test_rates_in_images_and_in_operations_agree() -> None:
    for images, tera in ((841, "0.20"), (1_923, "0.47")):
        assert f"{6 * MACS[SMALL] * images / 1e12:.2f}" == tera
        assert re.search(rf"at {images:,} images/s [^.]*?{tera} TFLOP/s", FLAT)
    together = 90 * IMAGENET / 3600
    assert says(f"{together:,.0f} images/s together, {together / 256:.0f} each,")
    assert says(f"{6 * MACS[LARGE] * together / 256 / 1e12:.1f} TFLOP/s each")
    assert says(f"At 100 TFLOP/s ResNet-50 takes {100e12 / (6 * MACS[LARGE]):,.0f} images a second")


def test_values_that_are_only_moved_are_counted() -> None:
    values: dict[str, int] = {}
    for layer in trace(resnet_config(50, "v1.5"), image_size=(224, 224)):
        values[layer.kind] = values.get(layer.kind, 0) + prod(layer.out_shape)
    assert values["bn"] == values["conv"]
    assert says(f"put out {values['conv'] / 1e6:.1f} million values an image")
    assert says(
        f"ReLU passes over {values['relu'] / 1e6:.1f} million, the additions over {values['add'] / 1e6:.1f} million"
    )
    share = 2 * MACS[LARGE] * CATALOGUE["imagenet"].counts[1] / OPERATIONS[LARGE]
    assert says(f"50,000 images forwards are about {share:.1%} of an epoch".replace("%", " %"))
    # momentum has what training moves, the weights BN's running statistics as well: 53,120 (reference table)
    assert says(f"weights and momentum, {4 * (2 * 25_557_032 + 53_120) / 1e6:.0f} MB")


def test_a_ring_sends_less_than_two_gradients() -> None:
    networks = [resnet_config(20, family="cifar"), resnet_config(50, "v1.5")]
    header = "| processes | " + " | ".join(
        f"ResNet-{config.depth}, {config.parameters:,} parameters" for config in networks
    )
    for processes, *sent in rows(header + " |"):
        share = 2 * (int(processes) - 1) / int(processes)
        assert sent == [f"{share * 4 * config.parameters / 1e6:.1f} MB" for config in networks]
    size = 2 * 255 / 256 * 4 * networks[1].parameters
    assert says(f"At 1 Gbit/s {size / 1e6:.1f} MB take {8 * size / 1e9:.1f} s")
    assert says(f"at 50 Gbit/s, the paper's network (section 4.3), {8 * size / 50e9 * 1000:.0f} ms")


# Recipe and data ------------------------------------------------------------------------------------------------------


def test_the_rates_of_larger_batches_are_those_of_the_scaled_recipe() -> None:
    recipe = RECIPES["imagenet"]
    found = rows("| batch | rate | error |")
    assert len(found) == 11
    for batch, rate, error in found:
        scaled = recipe.scaled(int(batch.split(", ")[0].replace(",", "")))
        assert float(rate) == pytest.approx(scaled.peak_rate)
        assert re.fullmatch(r"\d\d\.\d\d % ± 0\.\d\d", error)
    for batch_size in (256, 8192):
        steps = recipe.scaled(batch_size).steps_per_epoch(IMAGENET)
        assert re.search(rf"\b{steps:,} of {batch_size:,}", FLAT)
    assert recipe.warm_up == pytest.approx(5 / recipe.epochs)
    assert recipe.warm_up_from == 0.1
    assert recipe.warm_up_shape == "linear"
    assert recipe.momentum_form == "pytorch"


def test_the_command_for_8192_images_is_the_scaled_recipe() -> None:
    (line,) = [line for line in ours() if "8192" in line]
    given = dict(pairwise(line))
    recipe = replace(RECIPES["imagenet"], batch_size=int(given["--batch-size"]), peak_rate=float(given["--rate"]))
    assert recipe == RECIPES["imagenet"].scaled(8192)


def test_what_the_commands_for_imagenet_would_read_of_a_stream() -> None:
    for servers in (1, 32):
        processes = servers * 8
        assert 294 % processes
        assert says(f"{processes} · 150 GB")
    assert says(f"the latter {256 * 150 / 1000:.0f} TB")


def test_who_reads_which_files_of_a_stream() -> None:
    """Of 294 files: their own where the processes divide them, otherwise all."""
    read: list[int] = []

    def piece(number: int) -> Any:
        read.append(number)
        return iter([(None, 0)])

    def files_read(world: int) -> int:
        read.clear()
        list(Stream(piece, 294, 294, 1, 24).rows([0, 0], 0, world))
        return len(read)

    (dividing,) = re.findall(r"which ((?:\d+,? )+or \d+) processes divide, and (\d) or (\d) do not", FLAT)
    for world in map(int, re.findall(r"\d+", dividing[0])):
        assert files_read(world) == 294 // world
    for world in map(int, dividing[1:]):
        assert files_read(world) == 294
    assert says(f"a buffer of {Stream.BUFFER:,}")


# Commands and links ---------------------------------------------------------------------------------------------------


def lines() -> list[list[str]]:
    """The words of every command."""
    return [shlex.split(line) for body in fences(TEXT, "sh") for line in body.splitlines()]


def ours() -> list[list[str]]:
    """The arguments that reach our own command line, however it is started."""
    found = []
    for words in lines():
        start = 1 if words[0] == "resnet-lessons" else words.index("resnet_lessons.cli") + 1
        found.append(words[start:])
    return found


def test_our_commands_are_parsed() -> None:
    root: Any = typer.main.get_command(cli.app)
    calls = [*ours(), *(shlex.split(code)[1:] for code in re.findall(r"`(resnet-lessons [^`]+)`", TEXT))]
    assert len(calls) == 9
    for name, *arguments in calls:
        given = root.commands[name].make_context(name, list(arguments)).params
        assert given.get("recipe") in (None, *RECIPES)
        assert given.get("data") in (None, "./photos", *datasets.NAMES)


def test_the_launchers_parse_their_commands() -> None:
    from accelerate.commands.launch import launch_command_parser
    from torch.distributed.run import get_args_parser

    parsers = {"torchrun": get_args_parser(), "accelerate": launch_command_parser()}
    seen = []
    for program, *arguments in lines():
        if program == "resnet-lessons":
            continue
        if program == "accelerate":
            assert arguments.pop(0) == "launch"
        given = parsers[program].parse_args(arguments)
        assert given.module
        assert given.training_script == "resnet_lessons.cli"
        assert given.training_script_args[0] == "train"
        seen.append(program)
    assert seen == ["torchrun", "accelerate", "torchrun", "torchrun", "torchrun"]


def test_batches_divide_by_the_processes() -> None:
    for words in lines():
        if words[0] != "torchrun":
            continue
        given = dict(pairwise(words))
        processes = int(given["--nproc_per_node"]) * int(given.get("--nnodes", 1))
        recipe = RECIPES[given.get("--recipe", "digits")]
        assert int(given.get("--batch-size", recipe.batch_size)) % processes == 0


def test_the_snippet_in_python_uses_what_there_is() -> None:
    (source,) = fences(TEXT, "python")
    tree = ast.parse(source)
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert {"datasets.load_dataset", "resnet_config", "training.new_network", "training.fit"} <= set(calls)
    assert 'RECIPES["imagenet"].scaled(8192)' in TEXT


def test_links_and_files_exist() -> None:
    prose = FENCE.sub("", TEXT)
    addresses = [a for a in re.findall(r"\]\(([^)\s]+)\)", prose) if not a.startswith("https://")]
    assert len(addresses) == 5
    headings = {f"#{slug(heading)}" for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)}
    assert all(address in headings or (PAGE.parent / address).is_file() for address in addresses)
    assert all((ROOT / path).is_file() for path in re.findall(r"`(benchmarks/[\w.]+)`", prose))
    chapter = (ROOT / "chapters" / "07_further.ipynb").read_text(encoding="utf-8")
    assert "(../docs/scale.md)" in chapter
    assert "(docs/scale.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert slug(re.findall(r"^# (.+)$", TEXT, re.MULTILINE)[0]) == "from-a-laptop-to-imagenet"
