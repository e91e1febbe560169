"""The numbers in the questions of chapter 03 are those that `trace` counts."""

from __future__ import annotations

from resnet_lessons import resnet_config, trace
from resnet_lessons.labs import bank_bottleneck
from resnet_lessons.labs.bank import each

CONFIG = resnet_config(50)
LAYERS = trace(CONFIG)
NORMS = [layer for layer in LAYERS if layer.kind == "bn"]


def said(name: str) -> str:
    found = bank_bottleneck.QUESTIONS[name]
    questions = each(found)
    return " ".join(text for question in questions for text in (question.text, *question.options.values()))


def test_each_fingerprint_is_the_count_of_its_cause():
    biases = sum(layer.out_shape[0] for layer in LAYERS if layer.kind == "conv")
    running = sum(2 * layer.out_shape[0] for layer in NORMS)
    projected = sum(layer.parameters for layer in NORMS if "downsample" in layer.name)
    causes = {
        "Its convolutions have biases": biases,
        "It counts running means and variances": running,
        "Its projections have no BN": -projected,
    }
    for question in bank_bottleneck.FINGERPRINTS:
        change = causes[question.answer]
        assert f"{CONFIG.parameters + change:,}" in question.text
        assert f"{abs(change):,} too {'many' if change > 0 else 'few'}" in question.text
    assert f"{CONFIG.parameters + biases + running:,}" in said("autopsy")
    assert f"{biases:,} + {running:,} = {biases + running:,}" in said("autopsy")


def test_the_pieces_that_wrong_answers_name_have_the_sizes_said():
    def held(part: str) -> int:
        return sum(layer.parameters for layer in LAYERS if layer.name.startswith(part))

    assert f"holds {held('layer1.0.downsample'):,}" in said("fingerprints")
    assert f"{held('fc'):,} more" in said("fingerprints")
    assert f"holds {held('layer1.1'):,}" in said("fingerprints")
    more = resnet_config(50, shortcut="C").parameters - CONFIG.parameters
    assert f"{more / 1e6:.1f} M in all" in said("fingerprints")


def test_no_projection_and_no_stem_make_up_for_the_autopsys_difference():
    config = resnet_config(50, shortcut="C")
    added: dict[str, int] = {}
    for layer in trace(config):
        block, _, part = layer.name.partition(".downsample")
        if part and not block.endswith(".0"):  # the first blocks have one anyway
            added[block] = added.get(block, 0) + layer.parameters
    sizes = sorted(set(added.values()))
    assert len(added) == 12
    assert f"256 → 256 in layer1 with BN, holds {sizes[0]:,}, the next {sizes[1]:,}" in said("autopsy")
    assert 79_680 not in sizes
    assert 2 * sizes[0] > 79_680, "so no sum of two or more is as small"
    stem = next(layer for layer in LAYERS if layer.name == "conv1").parameters
    assert f"adds 26,560 to its {stem:,}" in said("autopsy")
    assert stem == 192 * 7**2
    assert stem + 26_560 not in {192 * size**2 for size in range(1, 100)}


def test_at_224_same_padding_shifts_both_windows_of_the_stem_and_at_226_one():
    def same(size: int, window: int) -> tuple[int, int]:
        missing = max((-(-size // 2) - 1) * 2 + window - size, 0)
        return missing // 2, missing - missing // 2

    def behind(size: int) -> int:
        return (size + 2 * 3 - 7) // 2 + 1  # PyTorch's convolution, padding 3

    assert (same(224, 7), behind(224), same(112, 3)) == ((2, 3), 112, (0, 1))
    assert (same(226, 7), behind(226), same(113, 3)) == ((2, 3), 113, (1, 1))
    for text in ("pads the 224 by (2, 3)", "the 112 that leave it by (0, 1)", "leaves 113, an odd size", "by (1, 1)"):
        assert text in said("stem")


def test_the_count_of_r_is_that_of_a_resnet_50_of_version_2():
    count = resnet_config(50, version="v2").parameters
    assert f"<b>{count:,}</b>" in bank_bottleneck.FINGERPRINTS[2].text


def test_the_estimate_is_that_of_the_layers():
    def weights(depth: int, width: int | None, *blocks: str) -> int:
        layers = trace(resnet_config(depth, width=width))
        return sum(x.parameters for x in layers if x.kind == "conv" and x.name.rpartition(".")[0] in blocks)

    basic, bottleneck = weights(34, 256, "layer1.1", "layer1.2"), weights(50, None, "layer1.1")
    assert f"= {basic:,} against" in said("cost")
    assert f"= {bottleneck:,}." in said("cost")
    assert round(basic / bottleneck) == 34


def test_the_number_of_projections_is_that_of_the_networks():
    counts = [
        sum(name.endswith("downsample.0") for name in (x.name for x in trace(resnet_config(d)))) for d in (34, 50)
    ]
    assert counts == [3, 4]
    assert bank_bottleneck.RECALL[0].answer == "3"
    question = bank_bottleneck.QUESTIONS["projections"]
    assert not isinstance(question, list)
    assert question.answer == "4"
