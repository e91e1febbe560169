"""Deleting and exchanging blocks is what it says, measured against networks built by hand; and the lab knows its rules."""

from __future__ import annotations

import itertools
import re
from importlib import import_module

from resnet_lessons import labs, parity, progress, torch_resnet, training
from resnet_lessons.frameworks import FRAMEWORKS, build
from resnet_lessons.labs import blockwise
from resnet_lessons.labs import lesion_views as views
from resnet_lessons.labs.surgery import GrownConfig

import numpy as np
import pytest
import torch

lab_module = import_module("resnet_lessons.labs.lesion")
NAMES = list(blockwise.NETWORKS)


@pytest.fixture(autouse=True)
def _store(tmp_path, monkeypatch):
    monkeypatch.setenv("RESNET_LESSONS_PROGRESS", str(tmp_path))


@pytest.fixture
def lab() -> labs.Lesion:
    return labs.lesion()


def images(count: int = 40) -> np.ndarray:
    return blockwise.digits().normalized(blockwise.digits().test)[:count]


def torch_net(name: str, change: dict[str, np.ndarray] | None = None) -> torch.nn.Module:
    """Build one of the trained networks in PyTorch, float64, with some of its weights changed."""
    net = torch_resnet.resnet(config=blockwise.network_config(name), dtype="float64")
    parity.copy_weights(source={**blockwise.load_trained(name).weights, **(change or {})}, target=net)
    return net


def logits(net: torch.nn.Module, count: int = 40) -> np.ndarray:
    return training.predict(net, images(count))


def close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).max() < 1e-9 * max(1.0, np.abs(b).max()))


# What is measured


@pytest.mark.parametrize("name", NAMES)
def test_numpy_gives_what_both_frameworks_give(name):
    ours = blockwise.load_trained(name).run(images())
    assert close(ours, logits(torch_net(name)))
    if name != "residual-56":
        twin = build("tensorflow", blockwise.network_config(name), dtype="float64")
        parity.copy_weights(source=blockwise.load_trained(name).weights, target=twin)
        assert close(ours, parity.wrap(twin).outputs(images()))


@pytest.mark.parametrize("name", NAMES)
def test_a_random_network_too(name):
    """Trained weights might hide what is never negative, or never zero."""
    net = torch_resnet.resnet(config=blockwise.network_config(name), dtype="float64")
    parity.randomize_batch_norm(net, beta=(-0.5, 0.5))
    assert close(blockwise.Blockwise.of(net).run(images(8)), logits(net, 8))


@pytest.mark.parametrize("name", ["plain-20", "residual-20", "residual-20 v2"])
def test_a_deletion_is_the_network_rebuilt_without_the_block(name):
    """Two blocks fewer: a shorter network, whose weights are those of the blocks that are left."""
    config, weights = blockwise.network_config(name), blockwise.load_trained(name).weights
    short = GrownConfig(**config.to_dict(), blocks_in_stages=(3, 2, 2))
    moved = {"layer2.2.": "layer2.1.", "layer3.2.": "layer3.1."}  # gone: layer2.1 and layer3.1
    kept = {}
    for tensor, array in weights.items():
        if not tensor.startswith(("layer2.1.", "layer3.1.")):
            old = next((prefix for prefix in moved if tensor.startswith(prefix)), "")
            kept[moved.get(old, "") + tensor.removeprefix(old)] = array
    net = torch_resnet.ResNet(short).double()
    parity.copy_weights(source=kept, target=net)
    assert sum(p.numel() for p in net.parameters()) == short.parameters
    assert close(blockwise.load_trained(name).run(images(), deleted=("layer2.1", "layer3.1")), logits(net))


@pytest.mark.parametrize("block", ["layer1.0", "layer2.0", "layer3.0", "layer3.2"])
@pytest.mark.parametrize("name", ["residual-20", "residual-20 v2"])
def test_a_deleted_branch_is_a_branch_of_zeros(name, block):
    """Also where the shortcut changes the shape, and in v2's first block, whose shortcut is fed the activation."""
    last = ["conv2.weight"] if name.endswith("v2") else ["bn2.weight", "bn2.bias"]
    weights = blockwise.load_trained(name).weights
    silenced = torch_net(name, {f"{block}.{kind}": 0 * weights[f"{block}.{kind}"] for kind in last})
    assert close(blockwise.load_trained(name).run(images(), deleted=(block,)), logits(silenced))


@pytest.mark.parametrize(("a", "b"), [("layer1.0", "layer1.2"), ("layer3.1", "layer3.2")])
@pytest.mark.parametrize("name", ["plain-20", "residual-20", "residual-20 v2"])
def test_a_swap_is_the_weights_exchanged_by_hand(name, a, b):
    weights = blockwise.load_trained(name).weights
    change = {}
    for one, other in ((a, b), (b, a)):
        change |= {f"{one}{t.removeprefix(other)}": w for t, w in weights.items() if t.startswith(f"{other}.")}
    ours = blockwise.load_trained(name).run(images(), swapped={a: b, b: a})
    assert close(ours, logits(torch_net(name, change)))
    assert not close(ours, blockwise.load_trained(name).run(images()))


def test_a_plain_network_cannot_lose_a_block_that_changes_the_shape():
    with pytest.raises(ValueError, match=r"layer2\.0 of a plain network changes the shape"):
        blockwise.load_trained("plain-20").run(images(2), deleted=("layer2.0",))


def test_networks_that_cannot_be_taken_apart_are_named():
    with pytest.raises(ValueError, match=r"shortcut B\) cannot be taken apart"):
        blockwise.Blockwise(torch_resnet.resnet(20, family="cifar", shortcut="B").config, {})
    with pytest.raises(ValueError, match=r"not all weights of plain-20: conv1\.weight is missing"):
        blockwise.Blockwise(blockwise.network_config("plain-20"), {})
    with pytest.raises(ValueError, match="Linear is no network of this course"):
        blockwise.Blockwise.of(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="no trained network 'x'; choose one of plain-20"):
        blockwise.load_trained("x")


# The record


@pytest.mark.parametrize("name", NAMES)
def test_the_record_is_of_the_network_that_comes_along(name):
    run = views.recorded_runs(name)[0]
    assert (run["framework"], run["seed"]) == ("pytorch", 0)
    assert run["intact"] == views.right_answers(name)
    singles = dict(list(run["single"].items())[:: 4 if name == "residual-56" else 1])
    assert singles == {block: views.right_answers(name, "delete", (block,)) for block in singles}


def test_the_record_holds_every_choice_of_two_blocks():
    run, config = views.recorded_runs("plain-20")[0], blockwise.network_config("plain-20")
    pairs = itertools.combinations(blockwise.deletable(config), 2)
    assert run["deleted"]["2"] == [views.right_answers("plain-20", "delete", pair) for pair in pairs]


def test_the_record_has_several_seeds_in_both_frameworks():
    for name in NAMES:
        runs = views.recorded_runs(name)
        assert len(runs) == 6
        for framework in FRAMEWORKS:
            assert sorted(run["seed"] for run in runs if run["framework"] == framework) == [0, 1, 2]
        # Accuracies of intact networks: every one has learned the digits.
        assert all(run["intact"] > 0.95 * 360 for run in runs)


def test_what_the_text_says_of_plain_and_residual_networks():
    """Without any one block plain-20 falls below 50 %; residual networks keep most of theirs."""
    for run in views.recorded_runs("plain-20"):
        assert max(run["single"].values()) < 180
    for name in ("residual-20", "residual-56"):
        for run in views.recorded_runs(name):
            kept = [right > 0.9 * 360 for right in run["single"].values()]
            assert sum(kept) > len(kept) / 2


@pytest.mark.parametrize("name", NAMES)
def test_how_many_can_go_is_where_the_mean_first_falls_below_ninety(name):
    for run in views.recorded_runs(name):
        number = views.can_go(run)
        means = [np.mean(run["deleted"][str(n)]) / 360 for n in range(1, len(run["deleted"]) + 1)]
        assert all(mean >= 0.9 for mean in means[:number])
        assert number == len(means) or means[number] < 0.9


# The lab


def test_an_operation_shows_what_is_left(lab):
    lab.delete("layer2.1", predict="below 50 %")
    assert lab.verdict.startswith("✓ Right: below 50 %. Without layer2.1, plain-20 gets ")
    assert f"gets {lab.right} of 360 test images right (before: {lab.intact})" in lab.verdict
    assert lab.accuracy == lab.right / 360
    lab.choose_network("residual-20")
    lab.delete("layer2.1", predict="below 50 %")
    assert lab.verdict.startswith("✗ Not so: ")
    assert "The shortcut carries the input past" in lab.verdict
    assert lab.score == (1, 2)
    assert lab.status == "Predicted right: 1 of 2, in 1 of 4 networks."


def test_what_was_done_before_does_not_count_again(lab):
    lab.delete("layer2.1", predict="95 % or more")
    lab.delete("layer2.1", predict="below 50 %")
    assert lab.score == (0, 1)
    assert lab.notice == "You did this operation before; the first prediction counts."
    lab.swap("layer3.2", "layer3.1", predict="D")
    lab.swap("layer3.1", "layer3.2", predict="A")
    assert lab.score[1] == 2


def test_a_deletion_that_the_picture_has_shown_does_not_count(lab):
    lab.predict_worst("layer1.2")
    before = lab.score
    lab.delete("layer1.1", predict="below 50 %")
    assert lab.score == before
    assert "has shown this one already" in lab.notice
    lab.delete("layer1.1", "layer1.2", predict="below 50 %")
    assert lab.score[1] == before[1] + 1


@pytest.mark.parametrize("name", NAMES)
def test_the_worst_block_is_found_or_not(lab, name):
    lab.choose_network(name)
    single = views.recorded_runs(name)[0]["single"]
    wrong = max(single, key=lambda block: single[block])
    lab.predict_worst(wrong)
    assert lab.worst_verdict.startswith(f"✗ Not so: without {wrong}, ")
    assert f"without {views.worst(name)[0]}" in lab.worst_verdict
    assert lab.score == (0, 1)
    lab.predict_worst(views.worst(name)[0])
    assert lab.notice == f"Your answer stays noted: {wrong}."
    again = labs.lesion()
    again.choose_network(name)
    again.predict_worst(views.worst(name)[0])
    assert again.worst_verdict.startswith("✓ Right: ")
    assert again.score == (1, 1)


@pytest.mark.parametrize("name", NAMES)
def test_how_many_can_go_is_guessed_right_or_wrong(lab, name):
    lab.choose_network(name)
    truth, off = views.can_go(views.recorded_runs(name)[0]), views.tolerance(name)
    lab.predict_number(truth + off + 1)
    assert lab.number_verdict.startswith(f"✗ Not so: {truth}")
    lab.predict_number(truth)
    assert lab.notice == f"Your answer stays noted: {truth + off + 1}."
    again = labs.lesion()
    again.choose_network(name)
    again.predict_number(truth + off)
    assert again.number_verdict.startswith(f"✓ Right: {truth}")


def test_five_right_in_three_networks_solve_it(lab):
    def right(*blocks):
        return views.band_of(views.right_answers(lab.network, "delete", blocks) / 360)

    for blocks in (("layer1.1",), ("layer1.2",), ("layer2.1",), ("layer2.2",), ("layer3.1",)):
        lab.delete(*blocks, predict=right(*blocks))
    assert lab.score == (5, 5)
    assert not lab.solved
    for name in ("residual-20", "residual-20 v2"):
        assert not lab.solved
        lab.choose_network(name)
        lab.predict_worst(views.worst(name)[0])
    assert lab.solved
    assert lab.status.endswith("in 3 of 4 networks. ✓ Solved.")
    values = [record.value for record in progress.read()]
    assert [value.get("step") for value in values].count("solved") == 1
    assert values[0] == {
        "network": "plain-20", "question": "operate", "operation": "delete", "blocks": ["layer1.1"],
        "band": "below 50 %", "right": True,
    }  # fmt: skip


def test_clicks_do_what_calls_do(lab):
    lab._networks[1].click()
    assert lab.network == "residual-20"
    lab._buttons["layer3.1"].click()
    lab._buttons["layer3.2"].click()
    lab._buttons["layer1.1"].click()
    lab._buttons["layer1.1"].click()
    assert lab.selected == ("layer3.1", "layer3.2")
    assert lab._buttons["layer3.1"].description == "✂ layer3.1"
    lab._modes[1].click()
    lab._bands[3].click()
    assert lab.right == views.right_answers("residual-20", "swap", ("layer3.1", "layer3.2"))
    lab._which.value = "layer1.0"
    lab._worst_chosen()
    lab._count.value = 4
    lab._number_chosen()
    assert lab._worst["residual-20"] == "layer1.0"
    assert lab._number["residual-20"] == 4
    lab.choose_network("plain-20")
    assert lab._singles.value == lab._numbers.value == ""
    lab.choose_network("residual-20")
    assert "<img" in lab._singles.value
    assert "<img" in lab._numbers.value


def test_what_cannot_be_done_is_said_and_why(lab):
    lab.delete("layer2.0", predict="A")
    assert lab.notice.startswith("layer2.0 of plain-20 makes 16 channels of 8 and halves the map")
    lab.swap("layer1.1", "layer2.1", predict="A")
    assert "layer1.1 makes 8 channels of 8 and layer2.1 makes 16 channels of 16" in lab.notice
    lab.swap("layer1.1", "layer1.1", predict="A")
    assert lab.notice == "Exactly two blocks can be exchanged; 1 chosen."
    lab.delete(predict="A")
    assert lab.notice == "Choose a block first."
    lab.delete("layer9.9", predict="A")
    assert lab.notice.startswith("plain-20 has no block 'layer9.9'; it has layer1.0, ")
    lab.delete("layer1.1", predict="a lot")
    assert lab.notice.startswith("'a lot' is no prediction; choose one of 95 % or more")
    lab.choose_network("<b>")
    assert "There is no network '<b>'" in lab.notice
    lab.choose("layer4.0")
    assert "has no block 'layer4.0'" in lab.notice
    lab.choose_operation("burn")
    assert lab.notice == "There is no operation 'burn'; choose delete or swap."
    lab.predict_worst("layer3.0")
    assert "layer3.0 of plain-20 makes 32 channels of 16" in lab.notice
    lab.predict_worst(None)
    assert "has no block None" in lab.notice
    for number in (-1, 8, 2.5, True, "3"):
        lab.predict_number(number)
        assert "say a whole number from 0 to 7" in lab.notice
    lab._worst_chosen()
    assert lab.notice == "Choose a block from the list first."
    assert (lab.score, lab.right) == ((0, 0), None)


def test_weights_that_are_not_there_are_said_in_their_place(monkeypatch):
    def gone(name):
        raise FileNotFoundError("No such file: trained_digits.safetensors")

    monkeypatch.setattr(lab_module, "load_trained", gone)
    assert "cannot start: No such file" in labs.lesion().notice


# Pictures


@pytest.mark.parametrize("name", NAMES)
def test_the_bars_are_as_high_as_the_record_says(name):
    figure, single = views.single_chart(name), views.recorded_runs(name)[0]["single"]
    bars = re.findall(
        r'<rect x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="([\d.]+)"[^>]*data-block="([^"]+)"', figure.svg
    )
    assert [block for _, _, block in bars] == list(single)
    for top, height, block in bars:
        assert float(height) == pytest.approx(146 * single[block] / 360, abs=0.11)
        assert float(top) + float(height) == pytest.approx(190, abs=0.11)
        assert f"{block} {100 * single[block] / 360:.0f} %" in figure.alt


def test_the_curve_says_its_means():
    run = views.recorded_runs("residual-20")[0]
    figure = views.number_chart("residual-20")
    for number in (1, 5, 9):
        assert f"{number}: {100 * np.mean(run['deleted'][str(number)]) / 360:.0f} %" in figure.alt


def test_what_a_notebook_saves_is_the_same_in_every_run(lab):
    before = lab._repr_mimebundle_()
    lab.delete("layer2.1", predict="D")
    lab.choose_network("residual-56")
    for mime in ("text/plain", "text/html"):
        assert before[mime] == lab._repr_mimebundle_()[mime] == labs.lesion()._repr_mimebundle_()[mime]
    assert "plain-20" in before["text/html"]
