"""Every faulty block differs from the correct one where it should, in both frameworks alike, and can be told apart."""

from __future__ import annotations

import random

from resnet_lessons import parity, parity_networks, tf_resnet, torch_resnet
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.labs import faults

import keras
import numpy as np
import pytest
import torch

WRONG = [key for key in faults.FAULTS if key != "correct"]


def outputs(net, images):
    return parity_networks.wrap(net).outputs(images)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_correct_block_is_the_twins_basic_block(framework):
    block, images = faults.faulty_block(framework, "correct"), faults.inputs()[0]
    if framework == "pytorch":
        twin = torch_resnet.BasicBlock(8, 8).double()
    else:
        x = keras.Input((None, None, 8), dtype="float64")
        with tf_resnet.dtype_of_layers("float64"):
            twin = keras.Model(x, tf_resnet.BasicBlock(8, 8)(x))
    parity.copy_weights(source=block, target=twin)
    assert parity.first_divergence(twin, block, images) is None
    assert faults.evidence(framework, "correct").first == "nowhere"


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("key", WRONG)
def test_a_mistake_shows_where_its_description_says(framework, key):
    images = faults.inputs()[0]
    correct, block = (faults.faulty_block(framework, name) for name in ("correct", key))
    assert np.abs(outputs(correct, images) - outputs(block, images)).max() > 0.1
    found = faults.evidence(framework, key)
    assert found.first == faults.FAULTS[key].first
    before = faults.LAYERS[: faults.LAYERS.index(found.first)]
    after = faults.LAYERS[faults.LAYERS.index(found.first) :]
    assert all(found.agrees(layer) for layer in before)
    assert not any(found.agrees(layer) for layer in after)


# The first layer of all, those without weights included, that ran in both and differs.
FIRST = {
    "relu_before_addition": "add",
    "no_addition": "relu2",
    "no_last_relu": "the output",
    "no_middle_relu": "conv2",
    "no_first_bn": "relu1",
    "bn_after_addition": "bn2",
    "halved_sum": "relu2",
    "late_shortcut": "add",
    "in_place_relu": "add",
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("key", WRONG)
def test_parity_finds_the_first_difference_among_all_layers(framework, key):
    correct, block = (faults.faulty_block(framework, name) for name in ("correct", key))
    found = parity.first_divergence(correct, block, faults.inputs()[0])
    assert found is not None
    assert found.layer == FIRST[key]


@pytest.mark.parametrize("key", faults.FAULTS)
def test_both_frameworks_show_the_same(key):
    one, other = (faults.evidence(framework, key) for framework in FRAMEWORKS)
    assert list(one.symptoms) == list(faults.SYMPTOMS)
    assert one.symptoms == pytest.approx(other.symptoms, rel=1e-9, abs=1e-9)
    for layer in faults.LAYERS:
        a, b = one.layers[layer], other.layers[layer]
        assert (a is None) == (b is None)
        assert a is None or a == pytest.approx(b, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("key", faults.FAULTS)
def test_one_block_agrees_across_frameworks(key):
    net, twin = (faults.faulty_block(framework, key, channels=4, seed=3) for framework in FRAMEWORKS)
    images = faults.inputs(4)[0]
    assert np.abs(outputs(net, images) - outputs(twin, images)).max() < 1e-12


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("key", WRONG)
def test_any_two_mistakes_can_be_told_apart(key, seed):
    mine = faults.evidence("pytorch", key, seed)
    for other in faults.FAULTS:
        if other == key:
            continue
        theirs = faults.evidence("pytorch", other, seed)
        assert any(abs(mine.symptoms[name] - theirs.symptoms[name]) > 1e-3 for name in faults.SYMPTOMS)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_what_rules_a_name_out_is_what_the_blocks_show(framework):
    for key in WRONG:
        for guess in set(WRONG) - {key}:
            ruled = faults.contradiction(framework, key, guess)
            here, there = faults.evidence(framework, key), faults.evidence(framework, guess)
            assert ruled.reason, (key, guess)
            assert ruled.expected != ruled.found
            if ruled.observable == "layers":
                assert (ruled.expected, ruled.found) == (there.first, here.first)
            else:
                assert here.first == there.first
                assert (ruled.expected, ruled.found) == (
                    there.symptoms[ruled.observable],
                    here.symptoms[ruled.observable],
                )


def test_the_same_block_rules_nothing_out():
    with pytest.raises(ValueError, match="show the same"):
        faults.contradiction("pytorch", "no_addition", "no_addition")


def test_what_the_descriptions_say_of_the_numbers():
    shown = {key: faults.evidence("pytorch", key).symptoms for key in faults.FAULTS}
    smallest = faults.inputs()[0].min()
    assert {key for key in shown if shown[key]["smallest"] < 0} == {"relu_before_addition", "no_last_relu"}
    assert shown["relu_before_addition"]["smallest"] >= smallest > shown["no_last_relu"]["smallest"]
    assert shown["relu_before_addition"]["lowered"] == 0
    identities = {key for key in shown if shown[key]["off"] == 0}
    assert identities == set(shown) - {"no_addition", "bn_after_addition", "halved_sum", "late_shortcut"}
    assert shown["no_addition"]["off"] == shown["bn_after_addition"]["off"] == 1
    assert shown["halved_sum"]["off"] == 0.5
    assert shown["halved_sum"]["zeros"] == shown["correct"]["zeros"] > shown["in_place_relu"]["zeros"]
    along = {key: [shown[key][f"mean after {n}"] for n in (1, 5, 9)] for key in shown}
    assert along["in_place_relu"] == along["correct"]
    assert along["relu_before_addition"][2] > 2 * along["correct"][2]
    assert along["no_last_relu"] == pytest.approx([1, 1, 1])
    assert along["no_addition"] == pytest.approx([0.48] * 3, abs=0.02)
    assert along["halved_sum"][0] > along["halved_sum"][1] > along["halved_sum"][2]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_a_short_stack_is_the_beginning_of_a_long_one(framework):
    short, long = (faults.stack_of(framework, "halved_sum", blocks, channels=4) for blocks in (2, 3))
    images = faults.inputs(4)[0]
    inside = parity_networks.wrap(long).layer_outputs(images)
    name = "block1.relu2" if framework == "pytorch" else "block1_relu2"
    assert np.array_equal(outputs(short, images), inside[name])


def test_stacks_agree_across_frameworks():
    net, twin = (faults.stack_of(framework, "late_shortcut", 3, dtype="float64") for framework in FRAMEWORKS)
    assert parity.compare(net, twin, faults.inputs()[0]).agrees(1e-9)


def test_a_fresh_stack_has_neutral_bn():
    state = faults.stack_of("pytorch", "correct", 1, fresh_bn=True).state_dict()
    assert (state["block0.bn1.weight"] == 1).all()
    assert (state["block0.bn1.bias"] == 0).all()
    assert faults.stack_of("pytorch", "correct", 1).state_dict()["block0.bn1.weight"].unique().numel() == 8


def test_a_float32_block_is_float32():
    assert faults.faulty_block("pytorch", "correct", dtype="float32").conv1.weight.dtype == torch.float32
    assert faults.faulty_block("tensorflow", "correct", dtype="float32").output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_building_blocks_leaves_the_learners_dice_alone():
    torch.manual_seed(7)
    random.seed(7)
    expected = torch.rand(1), random.random()
    torch.manual_seed(7)
    random.seed(7)
    for framework in FRAMEWORKS:
        faults.symptoms(framework, "no_addition", channels=2)
    assert (torch.rand(1), random.random()) == expected


def test_measuring_leaves_the_number_of_threads_as_it_was():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        faults.evidence("pytorch", "no_addition", seed=11)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_code_is_written_as_the_framework_writes_it():
    fault = faults.FAULTS["halved_sum"]
    assert fault.code("pytorch").endswith("return self.relu2(0.5 * (out + x))")
    assert fault.code("tensorflow").endswith("return self.relu2(0.5 * self.add([out, x]))")
    assert len({fault.code("pytorch") for fault in faults.FAULTS.values()}) == len(faults.FAULTS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("jax", "correct"), "choose 'pytorch' or 'tensorflow'"),
        (("pytorch", "bug"), "choose one of correct, relu_before_addition"),
        (("pytorch", "correct", 0), "at least one channel"),
    ],
)
def test_what_does_not_exist_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        faults.faulty_block(*arguments)


def test_a_stack_without_blocks_is_refused():
    with pytest.raises(ValueError, match="at least one block"):
        faults.stack_of("pytorch", "correct", 0)
    with pytest.raises(ValueError, match="'float64' or 'float32'"):
        faults.stack_of("pytorch", "correct", dtype="int8")
