"""Chapter 05's checks, tested by its catalogue: each wrong answer is named, each right one accepted, in both frameworks."""

from resnet_lessons.checks import chapter_05 as ex
from resnet_lessons.checks.preactivation_mistakes import CONV_BIAS, ENDS, OF_SHAPES, ORDER
from tests.checks import judging, preactivation_answers
from tests.checks.judging import named

import numpy as np
import pytest

CASES = preactivation_answers.cases()


@pytest.mark.parametrize("case", CASES, ids=judging.ids(CASES))
def test_every_mistake_is_named_and_no_other(case):
    # In TensorFlow one shape: how several are judged together depends on no framework.
    judging.assert_diagnosed(ex, case, shapes=1 if case[2] == "tensorflow" else None)


def test_every_mistake_of_its_own_has_an_answer_in_each_framework():
    own = (*ORDER, *OF_SHAPES, *ENDS, CONV_BIAS)
    judging.assert_covered(ex, CASES, own, pytorch_only={"bn_width"})  # a BN of Keras takes the width that it is given


# Of two mistakes at once a test in TensorFlow shows nothing that PyTorch's does not.
@pytest.mark.parametrize(("both", "body", "layers"), preactivation_answers.TWO, ids=judging.pair_id)
def test_of_two_mistakes_at_least_one_is_named_and_none_that_is_not_there(both, body, layers):
    judging.assert_some_named(ex.pre_activation.check(preactivation_answers.make("pytorch", body, **layers)), both)


@pytest.mark.parametrize(("both", "how"), preactivation_answers.NETWORKS_TWO, ids=judging.pair_id)
def test_of_two_mistakes_in_a_network_at_least_one_is_named(both, how):
    judging.assert_some_named(ex.network.check(preactivation_answers.network("pytorch", **how)), both)


def test_a_projection_of_x_where_none_belongs_is_not_taken_for_one_that_lacks_the_activation():
    def projects_x_where_the_shape_stays(b, x):
        active = b.relu(b.bn1(x))
        return b.shortcut(active if b.reshapes else x) + preactivation_answers.branch(b, active)

    answer = preactivation_answers.make("pytorch", projects_x_where_the_shape_stays, when=lambda *shape: True)
    assert named(ex.pre_activation.check(answer)) == {"projection_everywhere"}


def test_an_in_place_relu_on_the_input_is_caught_with_what_it_does_to_the_shortcut():
    def rectifies_its_input(b, x):  # ReLU-only pre-activation as one may write it, with nn.ReLU(inplace=True)
        active = x.relu_()
        return b.carry(x, active) + b.bn2(b.conv2(b.relu(b.bn1(b.conv1(active)))))

    answer = preactivation_answers.make("pytorch", rectifies_its_input, **preactivation_answers.BEHIND_CONV)
    judging.assert_some_named(ex.pre_activation.check(answer), {"edits_its_input", "relu_only", "in_place_relu"})

    def writes_into_what_is_carried(b, x):
        carried = active = b.bn1(x)
        active.relu_()
        return b.carry(carried, active) + preactivation_answers.branch(b, active)

    answer = preactivation_answers.make("pytorch", writes_into_what_is_carried)
    assert named(ex.pre_activation.check(answer)) == {"identity_fed_preactivation"}


@pytest.mark.parametrize("style", preactivation_answers.torch_styles())
def test_right_blocks_in_every_style_are_accepted_in_pytorch(style):
    judging.assert_accepted(ex.pre_activation.check(preactivation_answers.torch_styles()[style]), "pytorch")


@pytest.mark.parametrize("style", preactivation_answers.keras_styles())
def test_right_blocks_in_every_style_are_accepted_in_tensorflow(style):
    block = preactivation_answers.keras_styles()[style]
    judging.assert_accepted(ex.turn.check(lambda channels: block(channels, channels, 1)), "tensorflow")


def test_a_right_network_and_a_right_block_of_one_shape_are_accepted():
    # In TensorFlow the course's own solutions are, in `test_release`.
    judging.assert_accepted(ex.network.check(preactivation_answers.network("pytorch")), "pytorch")
    judging.assert_accepted(ex.turn.check(preactivation_answers.of_channels("pytorch")), "pytorch")


def test_the_package_s_own_blocks_are_right_and_its_other_versions_are_named():
    # Blocks that were not written for the checks: an oracle for what the wiring says of v1 and of options A and C.
    from resnet_lessons import torch_resnet

    block = torch_resnet.PreActBasicBlock
    assert ex.pre_activation.check(lambda i, o, s: block(i, o, s)).right
    assert named(ex.pre_activation.check(lambda i, o, s: torch_resnet.BasicBlock(i, o, s))) == {"v1_block"}
    assert named(ex.pre_activation.check(lambda i, o, s: block(i, o, s, shortcut="C"))) == {"projection_everywhere"}
    assert named(ex.pre_activation.check(lambda i, o, s: block(i, o, s, shortcut="A"))) == {"zeros_for_projection"}
    assert named(ex.pre_activation.check(lambda i, o, s: block(i, o, s, first=True))) == {"identity_fed_preactivation"}


def test_the_package_s_own_blocks_are_right_in_tensorflow():
    from resnet_lessons import tf_resnet

    assert ex.turn.check(lambda c: tf_resnet.PreActBasicBlock(c, c)).right
    assert named(ex.turn.check(lambda c: tf_resnet.BasicBlock(c, c))) == {"v1_block"}


@pytest.mark.parametrize(
    ("key", "mistake"),
    [("full", None), ("original", "v1_block"), ("relu_only", "relu_only"), ("relu_before", "relu_before_addition"),
     ("bn_after", "bn_after_addition")],
)  # fmt: skip
def test_the_five_orders_of_the_paper_s_table_are_named(key, mistake):
    # Built by the chapter's lab from a line of words: another oracle.
    from resnet_lessons.labs import placements

    import torch
    from torch import nn

    words = tuple(placements.PLACEMENTS[key].order.split())

    class Ordered(nn.Module):
        def __init__(self, channels: int) -> None:
            super().__init__()
            self.names = placements.layer_names(words)
            make = {
                "conv": lambda: nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                "BN": lambda: nn.BatchNorm2d(channels), "ReLU": nn.ReLU, "+": nn.Identity,
            }  # fmt: skip
            self.parts = nn.ModuleList(make[word]() for word in words)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            out = x
            for word, part in zip(words, self.parts, strict=True):
                out = x + out if word == "+" else part(out)
            return out

    assert named(ex.turn.check(Ordered)) == ({mistake} if mistake else set())


@pytest.mark.parametrize("slip", ex.predict.answers)
def test_the_predictions_are_what_copying_does(slip):
    from resnet_lessons import parity, resnet_config
    from resnet_lessons.labs import slips

    import torch
    from torch import nn

    planted = {
        "the first shortcut carries the raw input": "raw_first",
        "no BN and ReLU at the end": "bare_end",
        "projections fed the raw input": "raw_projection",
    }
    config = resnet_config(14, "v2", family="cifar", shortcut="B", width=8, in_channels=1)
    right, net = (slips.slipped("pytorch", key, config) for key in ("correct", planted.get(slip, "correct")))
    for block in config.blocks if slip not in planted else ():
        part = net.get_submodule(block.name)
        if slip == "a ReLU behind each addition":
            part.register_forward_hook(lambda *call: call[-1].relu())
        elif block.shortcut_kind == "projection":
            part.downsample.append(nn.BatchNorm2d(block.out_channels).double())
    try:
        parity.copy_weights(source=right, target=net)
        seen = "fits"
    except ValueError:
        seen = "refused"
    assert seen == ex.predict.answers[slip]
    if seen == "fits":  # and it does compute something else
        images = torch.linspace(-1, 1, 128, dtype=torch.float64).reshape(2, 1, 8, 8)
        outputs = [network.eval()(images).detach().numpy() for network in (right, net)]
        assert np.abs(outputs[0] - outputs[1]).max() > 1e-3 * np.abs(outputs[0]).max()


def test_the_numbers_of_the_count_are_those_of_the_networks():
    from resnet_lessons import resnet_config, torch_resnet

    from torch import nn

    def norms(block: nn.Module) -> int:
        found = (part for part in block.modules() if isinstance(part, nn.BatchNorm2d))
        return sum(p.numel() for part in found for p in part.parameters())

    assert norms(torch_resnet.BasicBlock(16, 64, 2)) == ex.count.answers["v1 block"]
    assert norms(torch_resnet.PreActBasicBlock(16, 64, 2)) == ex.count.answers["v2 block"]
    v1, v2 = (resnet_config(20, version, family="cifar", shortcut="B").parameters for version in ("v1", "v2"))
    assert v1 - v2 == ex.count.answers["network"]


def test_what_is_seen_names_the_shape_it_was_seen_for():
    observed = ex.pre_activation.check(
        preactivation_answers.make("pytorch", preactivation_answers.overwrites_x)
    ).observed
    assert observed[0].startswith("Made for 4 → 4 channels, stride 1: ")
    observed = ex.network.check(preactivation_answers.network("pytorch", end="")).observed
    assert observed[0].startswith("Made for 2 → 4 channels, 5 classes: ")


def test_nothing_handed_in_is_not_attempted():
    judging.assert_untouched_is_not_attempted(ex)


def test_a_mistake_without_a_name_is_rejected_in_time():
    judging.assert_rejected_in_time(ex.pre_activation, preactivation_answers)


def test_every_section_that_an_answer_sends_to_exists():
    judging.assert_sections_exist(ex)


def test_keys_of_mistakes_are_unique_in_each_catalogue_and_say_what_why_and_where():
    judging.assert_keys_unique_and_texts_there(ex)


def test_the_table_in_contributing_lists_what_is_tested():
    judging.assert_listed_in_contributing(CASES)
