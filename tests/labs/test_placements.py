"""Orders of operations written as words build the networks that they name, in both frameworks alike."""

from __future__ import annotations

from resnet_lessons import parity, parity_networks, resnet_config, training
from resnet_lessons.architecture import trace
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.labs import placements, slips

import numpy as np
import pytest

KEYS = list(placements.PLACEMENTS)
SMALL = {"family": "cifar", "width": 8, "in_channels": 1}


def images(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((4, 1, 8, 8))


def built(framework, key, **fields):
    config = resnet_config(14, **{**SMALL, **fields})
    return placements.network(framework, placements.PLACEMENTS[key].order, config, dtype="float64")


@pytest.mark.parametrize("shortcut", "AB")
@pytest.mark.parametrize(("key", "version"), [("original", "v1"), ("full", "v2")])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_first_and_the_last_placement_are_the_packages_v1_and_v2(framework, key, version, shortcut):
    config = resnet_config(14, version, shortcut=shortcut, **SMALL)
    package = training.new_network(framework, config, dtype="float64")
    net = built(framework, key, shortcut=shortcut)
    parity.randomize_batch_norm(package)
    parity.copy_weights(source=package, target=net)
    assert parity.compare(net, package, images()).agrees(1e-9)


@pytest.mark.parametrize("key", KEYS)
def test_both_frameworks_build_the_same_network_with_as_many_parameters_as_any_other_order(key):
    net, twin = (built(framework, key) for framework in FRAMEWORKS)
    parity.randomize_batch_norm(net)
    parity.copy_weights(source=net, target=twin)
    assert parity.compare(net, twin, images()).agrees(1e-9)
    assert sum(p.numel() for p in net.parameters()) == sum(layer.parameters for layer in trace(twin_config(), 8))


def twin_config():
    return resnet_config(14, **SMALL)


def test_no_two_placements_compute_the_same():
    found = {}
    for key in KEYS:
        net = placements.draw_weights(built("pytorch", key))
        parity.randomize_batch_norm(net)
        found[key] = parity_networks.wrap(net).outputs(images())
    for one in KEYS:
        for other in KEYS:
            assert one == other or np.abs(found[one] - found[other]).max() > 1e-3


@pytest.mark.parametrize("key", KEYS)
def test_drawn_weights_are_the_same_in_both_frameworks_and_differ_by_seed(key):
    first, second = (parity_networks.wrap(placements.draw_weights(built(f, key), 5)).tensors() for f in FRAMEWORKS)
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        np.testing.assert_array_equal(tensor.read(), second[name].read())
    other = parity_networks.wrap(placements.draw_weights(built("pytorch", key), 6)).tensors()
    changed = {name.layer for name, tensor in first.items() if not np.array_equal(tensor.read(), other[name].read())}
    assert changed == {name.layer for name in first if "conv" in name.layer or name.layer == "fc"}


def test_drawn_convolutions_have_variance_two_over_fan_out():
    net = placements.draw_weights(training.new_network("pytorch", resnet_config(20, family="cifar")))
    kernel = dict(net.named_parameters())["layer3.1.conv1.weight"].detach().numpy()
    assert kernel.var() == pytest.approx(2 / (9 * 64), rel=0.02)
    assert abs(kernel.mean()) < 0.001


def test_table_2_of_the_paper():
    assert [p.errors for p in placements.PLACEMENTS.values()] == [
        (6.61, 5.93), (8.17, 6.50), (7.84, 6.14), (6.71, 5.91), (6.37, 5.46),
    ]  # fmt: skip
    for placement in placements.PLACEMENTS.values():
        words = placement.order.split()
        assert sorted(words) == ["+", "BN", "BN", "ReLU", "ReLU", "conv", "conv"]
        assert str(placements.parse_order(placement.order)) == placement.order


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("conv BN pool conv +", "'pool' is no operation here; there are BN, ReLU, conv, \\+"),
        ("conv BN ReLU conv BN ReLU", "exactly once; this order has none"),
        ("conv + conv +", "exactly once; this order has 2"),
        ("conv BN + conv", "A convolution behind"),
        ("BN ReLU conv +", "two convolutions, and here there is one"),
        ("BN ReLU +", "two convolutions, and here there is none"),
        ("conv conv conv +", "two convolutions, and here there are 3"),
        ("conv BN BN BN BN BN conv BN BN BN BN BN +", "at most 12 words; this one has 13"),
        ("", "exactly once; this order has none"),
    ],
)
def test_an_order_that_is_no_block_is_explained(order, message):
    with pytest.raises(ValueError, match=message):
        placements.parse_order(order)


def test_orders_are_read_in_any_case():
    assert placements.parse_order("bn RELU Conv + ".replace("+", "conv +")).branch == ("BN", "ReLU", "conv", "conv")


@pytest.mark.parametrize(
    ("order", "config", "message"),
    [
        ("conv conv +", resnet_config(18), "is no CIFAR network of basic blocks"),
        ("conv conv +", resnet_config(164, family="cifar"), "is no CIFAR network of basic blocks"),
        ("ReLU BN conv conv +", resnet_config(14, **SMALL), "pre-activation is none, ReLU, or BN ReLU"),
    ],
)
def test_a_network_that_cannot_be_built_is_explained(order, config, message):
    with pytest.raises(ValueError, match=message):
        placements.network("pytorch", order, config)


def last(record: str, kind: str) -> dict[str, list[float]]:
    """The test accuracies at the end of recorded runs, by placement or slip."""
    found: dict[str, list[float]] = {}
    for run in training.recorded(record)["runs"]:
        found.setdefault(run[kind], []).append(run["history"]["test_accuracy"][-1])
    return found


@pytest.mark.parametrize("record", ["placements_56_pytorch", "placements_56_tensorflow", "placements_110_pytorch"])
def test_recorded_placements_say_what_chapter_05_says_of_them(record):
    found = last(record, "placement")
    assert {key: len(runs) for key, runs in found.items()} == dict.fromkeys(KEYS, 5)
    worst, best = min(found["original"]), max(found["original"])
    assert max(found["bn_after"]) < worst
    for key in ("relu_only", "full"):  # ahead at depth 110, "cannot tell" at 56
        assert (min(found[key]) > best) == ("110" in record)
        assert max(found[key]) > worst
    assert (max(found["relu_before"]) < worst) == (record == "placements_56_tensorflow")
    assert max(found["relu_only"]) > min(found["full"])
    assert max(found["full"]) > min(found["relu_only"])


def test_recorded_slips_cannot_be_told_from_the_correct_network_by_accuracy():
    found = last("slips_56_pytorch", "slip")
    for runs in found.values():
        assert len(runs) == 5
        assert max(runs) >= min(found["correct"])
        assert min(runs) <= max(found["correct"])


# The three slips --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_without_a_slip_it_is_the_packages_network(framework):
    config = resnet_config(14, "v2", shortcut="B", **SMALL)
    package = training.new_network(framework, config, dtype="float64")
    net = slips.slipped(framework, "correct", config)
    parity.randomize_batch_norm(package)
    parity.copy_weights(source=package, target=net)
    assert parity.compare(net, package, images()).agrees(1e-9)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_each_slip_shows_where_the_chapter_says(framework):
    config = resnet_config(14, "v2", shortcut="B", **SMALL)
    seen = {key: slips.slip_symptoms(framework, key, config) for key in slips.SLIPS}
    assert {key: s.first for key, s in seen.items()} == {
        "correct": "",
        "raw_first": "layer1.1.bn1",  # the block after the wrong sum
        "bare_end": "",
        "raw_projection": "layer2.0.downsample.0",
    }
    assert {key: bool(s.refused) for key, s in seen.items()} == {key: key == "bare_end" for key in seen}
    assert "bn.weight" in seen["bare_end"].refused
    counts = {key: config.parameters - s.parameters for key, s in seen.items()}
    assert counts == {"correct": 0, "raw_first": 0, "bare_end": 2 * config.out_channels, "raw_projection": 0}
    assert {key: s.smallest < 0 for key, s in seen.items()} == {key: key == "bare_end" for key in seen}


def test_slips_show_the_same_in_both_frameworks():
    config = resnet_config(14, "v2", shortcut="B", **SMALL)
    for key in slips.SLIPS:
        ours, theirs = (slips.slip_symptoms(framework, key, config) for framework in FRAMEWORKS)
        assert (ours.parameters, ours.first) == (theirs.parameters, theirs.first)
        assert ours.smallest == pytest.approx(theirs.smallest, abs=1e-9)


def test_a_raw_first_shortcut_changes_nothing_where_the_first_block_projects():
    """With bottlenecks (here: option C) the first block has a projection; REFERENCE says so of timm's resnetv2_50."""
    config = resnet_config(14, "v2", shortcut="C", **SMALL)
    assert config.blocks[0].shortcut_kind == "projection"
    raw = [block.name for block in config.blocks if slips.SLIPS["raw_projection"].raw(block)]
    assert config.blocks[0].name not in raw  # that slip is about the later ones


def test_slips_that_do_not_exist_are_explained():
    with pytest.raises(ValueError, match="there is no slip 'x'; choose one of correct, raw_first"):
        slips.slipped("pytorch", "x", resnet_config(14, "v2", **SMALL))
    with pytest.raises(ValueError, match="is no CIFAR network of version v2"):
        slips.slipped("pytorch", "bare_end", resnet_config(14, **SMALL))
