"""`resnet-lessons summary`: the numbers are the description's own, and every form of output can be read."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from typing import Any

from resnet_lessons import cli, resnet_config, summary, trace
from tests.command_line import assert_one_line

import pytest

Said = Callable[[str], str]


@pytest.fixture(autouse=True)
def _no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run `resnet-lessons summary …` and return what it prints; nothing may reach stderr."""

    def run(options: str) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            status = cli.run(["summary", *options.split()])
        captured = capsys.readouterr()
        assert (status, captured.err) == (0, "")
        return captured.out

    return run


def row(output: str, name: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if line.split()[:1] == [name])


# Published counts; see tests/test_architecture.py for the networks themselves.
@pytest.mark.parametrize(
    ("options", "parameters", "macs"),
    [
        ("18", 11_689_512, 1_814_073_344),
        ("34 --shortcut C", 22_716_840, None),
        ("50", 25_557_032, 3_857_973_248),
        ("50 --version v1.5", 25_557_032, 4_089_184_256),
        ("101 --version v2", 44_541_480, 7_801_405_440),
        ("152 --version v1.5", 60_192_808, 11_513_626_624),
        ("20", 269_722, 40_551_040),
        ("56 --shortcut B --family cifar", 855_770, None),
        ("164 --version v2", 1_703_258, None),
        ("1202", 19_421_274, 2_829_238_912),
    ],
)
def test_totals_are_the_published_ones(options: str, parameters: int, macs: int | None, said: Said) -> None:
    total = row(said(options), "total")
    assert total[2] == f"{parameters:,}"
    assert macs is None or total[4] == f"{macs:,}"


@pytest.mark.parametrize(
    ("options", "size"),
    [("50 --version v1.5", None), ("20 --version v2", None), ("34 --image-size 97x225", (97, 225))],
)
def test_json_holds_what_trace_says(options: str, size: tuple[int, int] | None, said: Said) -> None:
    content = json.loads(said(f"{options} --json"))
    config = type(resnet_config(50))(**content["config"])
    layers = trace(config, size)
    assert [layer["name"] for layer in content["layers"]] == [layer.name for layer in layers]
    assert [tuple(layer["out_shape"]) for layer in content["layers"]] == [layer.out_shape for layer in layers]
    assert content["totals"]["layers"] == len(layers)
    assert content["totals"]["receptive_field"] == layers[-1].receptive_field
    assert content["totals"]["parameters"] == config.parameters
    for field in ("parameters", "macs"):
        for part in ("layers", "stages"):
            assert sum(entry[field] for entry in content[part]) == content["totals"][field]
        assert sum(stage[f"{field}_share"] for stage in content["stages"]) == pytest.approx(1)


def test_json_keys_are_stable(said: Said) -> None:
    content = json.loads(said("50 --versus v2 --json"))
    one = {"name", "config", "image_size", "notes", "totals", "stages", "layers"}
    assert set(content) == one | {"versus", "difference"}
    assert set(content["versus"]) == one
    assert set(content["totals"]) == {"parameters", "macs", "receptive_field", "layers"}
    assert set(content["difference"]) == {"parameters", "macs", "layers", "words"}


def test_stages_show_blocks_shapes_and_receptive_field(said: Said) -> None:
    output = said("50 --version v1.5")
    assert row(output, "layer3")[1:5] == ["6", "bottleneck", "256/1024", "1024×14×14"]
    assert [row(output, name)[-1] for name in ("stem", "layer1", "layer4")] == ["11", "35", "427"]
    assert row(output, "head")[1:3] == ["1000", "2,049,000"]


def test_the_final_norm_of_v2_belongs_to_the_head() -> None:
    stages = summary.summarize(resnet_config(50, "v2")).stages
    assert (stages[0].name, stages[0].parameters) == ("stem", 9_408)
    assert (stages[-1].name, stages[-1].parameters) == ("head", 2_049_000 + 4_096)


def test_layers_has_a_row_a_layer(said: Said) -> None:
    lines = [line.split() for line in said("50 --version v1.5 --layers").splitlines()]
    shown = [line for line in lines if line]
    for layer in trace(resnet_config(50, "v1.5")):
        (found,) = (line for line in shown if line[:2] == [layer.name, layer.kind])
        assert found[-3:] == [f"{layer.parameters:,}", f"{layer.macs:,}", str(layer.receptive_field)]
    assert ["layer2.0.conv2", "conv", "3×3/2", "128×56×56", "128×28×28", "147,456", "115,605,504", "43"] in shown


def test_v1_5_differs_from_v1_by_a_stride_and_six_percent(said: Said) -> None:
    output = said("50 --version v1.5 --versus v1")
    sentence = "the stride moves from conv1 to conv2; +231,211,008 MACs (+6.0 %), parameters equal"
    assert f"- layer2.0, layer3.0, layer4.0: {sentence}\n" in output
    marked = [line.split()[1:] for line in output.splitlines() if line.startswith("≠ ")]
    assert ["layer2", "950,534,144", "1,027,604,480", "+77,070,336", "+8.1", "%"] in marked
    assert ["total", "3,857,973,248", "4,089,184,256", "+231,211,008", "+6.0", "%"] in marked
    assert not any(line[0] in ("stem", "layer1") for line in marked)
    assert not any("25,557,032" in line for line in marked)


def test_the_other_direction_has_the_other_sign(said: Said) -> None:
    assert "from conv2 to conv1; −231,211,008 MACs (−5.7 %), parameters equal" in said("50 --versus v1.5")


def test_versus_by_layer_marks_the_layers_that_changed(said: Said) -> None:
    by_layer = said("50 --version v1.5 --versus v1 --layers").partition("structure")[0]
    marked = [line.split()[1] for line in by_layer.splitlines() if line.startswith("≠ ")]
    changed = ("conv1", "bn1", "relu1", "conv2")  # conv2 makes the map that conv1 made before
    assert marked == [f"layer{stage}.0.{name}" for stage in (2, 3, 4) for name in changed]
    assert json.loads(said("50 --version v1.5 --versus v1 --json"))["difference"]["layers"] == marked


def test_v2_is_told_from_v1_in_words(said: Said) -> None:
    words = json.loads(said("20 --version v2 --versus v1 --json"))["difference"]["words"]
    assert words == [
        "only in ResNet-20 v1: bn1 (−32 parameters)",
        "only in ResNet-20 v2: bn (+128 parameters)",
        "of another size: layer2.0.bn1, layer3.0.bn1 (−96 parameters)",
        "each block runs in another order; layer1.0: conv1, bn1, relu1, conv2, bn2, add, relu2 becomes "
        "bn1, relu1, conv1, bn2, relu2, conv2, add",
    ]


def test_versus_takes_a_depth_and_a_version(said: Said) -> None:
    output = said("50 --versus 34")
    assert "layer1: 3 basic blocks become 3 bottleneck blocks" in output
    assert re.search(r"≠ +total +21,797,672 +25,557,032 +\+3,759,360 +\+17\.2 %", output)
    output = said("152 --versus 101:v1.5")
    assert "compared with ResNet-101 v1.5" in output
    assert "the stride moves from conv2 to conv1" in output


def test_versus_the_same_network_marks_nothing(said: Said) -> None:
    output = said("20 --versus v1")
    assert "The two are the same, layer by layer." in output
    assert "≠" not in output


def test_a_depth_of_the_cifar_family_alone_is_found_and_said(said: Said) -> None:
    assert "note: ResNet-20 exists only in the CIFAR family" in said("20")
    assert "note" not in said("20 --family cifar")
    assert "ImageNet family" in said("50")  # 50 = 6·8+2, too: the usual one is meant
    assert row(said("50 --family cifar"), "layer1")[1:3] == ["8", "basic"]


def test_versus_a_depth_of_both_families_says_which_one_is_meant(said: Said) -> None:
    note = "ResNet-50 v1 here is the CIFAR network (755,802 parameters); the ImageNet ResNet-50 v1 has 25,557,032"
    assert f"note: {note} parameters.\n" in said("20 --versus 50")
    assert json.loads(said("20 --versus 50 --json"))["versus"]["notes"] == [f"{note} parameters."]
    assert "ResNet-152 v2 here is the CIFAR network" in said("20 --versus 152:v2")
    assert "here is" not in said("20 --versus 50 --family cifar"), "the family was asked for"
    assert "here is" not in said("20 --versus 56")
    assert "here is" not in said("34 --versus 50")


@pytest.mark.parametrize("size", ["1", "7", "33x17", "225×97", "1x64"])
@pytest.mark.parametrize("network", ["18", "50 --version v2", "20 --shortcut none"])
def test_odd_image_sizes_work(network: str, size: str, said: Said) -> None:
    assert f"×{summary.parse_image_size(size)[1]}\n" in said(f"{network} --image-size {size}")


def test_a_warning_becomes_a_note_of_one_line(said: Said) -> None:
    notes = [line for line in said("18 --image-size 32").splitlines() if line.startswith("note: ")]
    assert len(notes) == 1
    assert re.search(r"ResNet-18 v1: from layer4.0.bn1 on the maps are 1×1.*fewer stages\.$", notes[0])
    assert json.loads(said("18 --image-size 32 --json"))["notes"] == [notes[0].removeprefix("note: ")]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("", "DEPTH.*summary --help"),
        ("fifty", "DEPTH is 'fifty'; it is a whole number such as 50; see .*summary --help"),
        ("--version v2 5.0 --json", "DEPTH is '5.0'; it is a whole number"),
        ("37", "ImageNet family; its depths are 18, 34.*CIFAR family.*near 37: 32, 38"),
        ("20 --family imagenet", "no ResNet-20 in the ImageNet family"),
        ("50 --version v3", "'v3'.*v1, v1.5, v2"),
        ("34 --version v1.5", "basic blocks.*Use version"),
        ("34 --versus v1.5", "basic blocks.*Use version"),
        ("50 --family flowers", "'flowers'.*imagenet, cifar"),
        ("50 --shortcut D", "'D'.*A, B, C, none"),
        ("50 --width 0", "width is 0"),
        ("50 --in-channels=-3", "in_channels is -3"),
        ("50 --num-classes many", "'many' for '--num-classes'"),
        ("50 --image-size 0", "'0'.*240x320"),
        ("50 --image-size 224x", "'224x'.*240x320"),
        ("50 --image-size 1x2x3", "'1x2x3'.*240x320"),
        ("50 --versus jax", "'jax'.*v1, v1.5, v2.*101:v1.5"),
        ("50 --versus 101v1", "'101v1'.*101:v1.5"),
        ("50 --versus 34:", "'34:'.*101:v1.5"),
        ("50 --versus 20", "no ResNet-20 in the ImageNet family.*exists with --family cifar"),
        ("18 --family cifar", "exists with --family imagenet"),
    ],
)
def test_a_bad_option_gets_one_line_and_status_2(options: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert_one_line(["summary", *options.split()], says, capsys)


@pytest.mark.parametrize(
    "options",
    [
        "50 --version v1.5",
        "152 --layers",
        "1202 --image-size 64",
        "18 --image-size 32",
        "152 --image-size 1024",
        "50 --version v1.5 --versus v1 --layers",
        "152 --version v2 --versus 34:v1",
        "34 --versus 152:v2 --layers --image-size 512",
    ],
)
def test_eighty_columns_are_enough(options: str, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    output = said(options)
    assert max(map(len, output.splitlines())) <= 80
    assert "…" not in output
    cells = [line.split() for line in output.splitlines()]
    for name in ("layer1", "layer2", "layer3", "head"):  # no cell is folded: a stage is one line of each table
        assert sum(name in line[:2] for line in cells) == (3 if "--versus" in options else 1)


def test_where_numbers_are_shortened_the_total_stays_exact(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    output = said("50 --version v1.5")
    assert "4.09 G" in output
    assert "In full: 25,557,032 parameters, 4,089,184,256 MACs." in output


def test_a_file_gets_neither_colours_nor_broken_lines(said: Said) -> None:
    output = said("18 --image-size 32 --versus v2")
    assert "\x1b" not in output
    assert re.search(r"^note: .{150,}$", output, re.MULTILINE)


def test_an_output_without_such_signs_gets_plain_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii", write_through=True))
    assert cli.run(["summary", "50", "--versus", "v1.5"]) == 0
    output = written.getvalue().decode("ascii")
    assert re.search(r"^\* +layer2 ", output, re.MULTILINE)
    assert "256x56x56" in output
    assert "-231,211,008 MACs (-5.7 %)" in output


@pytest.mark.parametrize("options", ["--layers", "--json"])
def test_a_reader_may_stop_early(options: str) -> None:
    command = [sys.executable, "-m", "resnet_lessons.cli", "summary", "1001", options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_no_framework_is_loaded_and_rich_only_for_tables() -> None:
    code = (
        "import sys; from resnet_lessons.cli import run; run(['summary', '50', {}]); "
        "print([name for name in ('torch', 'tensorflow', 'keras', 'numpy', 'rich') if name in sys.modules])"
    )
    loaded: dict[str, Any] = {}
    for option in ("--help", "--json", "--layers"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(repr(option))], capture_output=True, text=True, check=True
        )
        loaded[option] = done.stdout.splitlines()[-1]
    assert loaded == {"--help": "[]", "--json": "[]", "--layers": "['rich']"}


def test_two_options_of_one_network_are_told_apart() -> None:
    a, b = (summary.summarize(resnet_config(20, family="cifar", shortcut=option)) for option in "AB")
    said = summary.differences(a, b)
    assert any(words.startswith("only in the first: ") and words.endswith("(no parameters)") for words in said)
    assert any(words.startswith("only in the second: ") and words.endswith("(+2,752 parameters)") for words in said)
