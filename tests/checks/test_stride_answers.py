"""Chapter 04's checks, tested by its catalogue: each wrong answer is named, each right one accepted, in both frameworks."""

import json

from resnet_lessons import resnet_config, trace
from resnet_lessons.checks import chapter_04 as ex
from resnet_lessons.checks.stride_mistakes import (
    AVERAGE,
    FIXED,
    NOT_MOVED,
    ON_LAST,
    SAME_PADDING,
    TOO_MANY_ZEROS,
    TWO_SIDES,
    UNSTRIDED,
)
from resnet_lessons.checks.weight_layouts import TO_KERAS_CALLS
from tests.checks import judging, stride_answers
from tests.checks.judging import FRAMEWORKS, named

import numpy as np
import pytest

CASES = stride_answers.cases()


@pytest.mark.parametrize("case", CASES, ids=judging.ids(CASES))
def test_every_mistake_is_named_and_no_other(case):
    judging.assert_diagnosed(ex, case)


def test_every_mistake_of_its_own_has_an_answer_in_each_framework():
    own = (FIXED, NOT_MOVED, ON_LAST, SAME_PADDING, UNSTRIDED, TOO_MANY_ZEROS, TWO_SIDES, *AVERAGE)
    judging.assert_covered(ex, CASES, own)


def test_every_mistake_about_weights_has_an_answer():
    shown = {mistake for task, mistake, *_ in CASES if task in ("to_keras", "to_pytorch")}
    wanted = {mistake.key for task in (ex.to_keras, ex.to_pytorch) for mistake in task.catalogue}
    assert wanted - shown == {"remembers_calls"}  # shown by test_function_task


@pytest.mark.parametrize(("both", "body", "layers"), stride_answers.TWO, ids=judging.pair_id)
def test_of_two_mistakes_at_least_one_is_named_and_none_that_is_not_there(both, body, layers):
    # In PyTorch alone: the bodies are the same, and TensorFlow takes five times as long.
    judging.assert_some_named(ex.move.check(stride_answers.make("pytorch", body, **layers)), both)


@pytest.mark.parametrize(("both", "body", "layers"), stride_answers.AVERAGING_TWO, ids=judging.pair_id)
def test_of_two_mistakes_in_an_averaging_block_at_least_one_is_named(both, body, layers):
    judging.assert_some_named(ex.averaging.check(stride_answers.make("pytorch", body, **layers)), both)


@pytest.mark.parametrize(("both", "function"), stride_answers.TO_KERAS_TWO, ids=judging.pair_id)
def test_of_two_mistakes_in_weights_both_are_named(both, function):
    assert named(ex.to_keras.check(function)) == set(both)


@pytest.mark.parametrize("style", stride_answers.torch_styles())
def test_right_blocks_in_every_style_are_accepted_in_pytorch(style):
    judging.assert_accepted(ex.move.check(stride_answers.torch_styles()[style]), "pytorch")


@pytest.mark.parametrize("style", stride_answers.keras_styles())
def test_right_blocks_in_every_style_are_accepted_in_tensorflow(style):
    judging.assert_accepted(ex.move.check(stride_answers.keras_styles()[style]), "tensorflow")


@pytest.mark.parametrize(
    ("framework", "style"), [("pytorch", "in front"), ("pytorch", "between"), ("tensorflow", "between")]
)
def test_an_average_may_stand_on_either_side_of_the_projection(framework, style):
    judging.assert_accepted(ex.averaging.check(stride_answers.averaging_styles(framework)[style]), framework)


@pytest.mark.parametrize("style", stride_answers.TO_KERAS_STYLES)
def test_right_functions_in_every_style_are_accepted(style):
    judging.assert_accepted(ex.to_keras.check(stride_answers.TO_KERAS_STYLES[style]), "")


@pytest.mark.parametrize("style", stride_answers.TO_PYTORCH_STYLES)
def test_right_functions_of_the_way_back_are_accepted(style):
    judging.assert_accepted(ex.to_pytorch.check(stride_answers.TO_PYTORCH_STYLES[style]), "")


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_package_s_own_blocks_are_told_apart(framework):
    # Blocks that were not written for the checks: an oracle for what the wiring says of both versions.
    from resnet_lessons import tf_resnet, torch_resnet

    block = (torch_resnet if framework == "pytorch" else tf_resnet).Bottleneck
    assert ex.move.check(lambda ins, width, stride: block(ins, width, stride, version="v1.5")).right
    moved = ex.move.check(lambda ins, width, stride: block(ins, width, stride, version="v1"))
    assert named(moved) == {"stride_not_moved"}


def test_a_stride_in_the_last_layer_is_seen_in_training_alone():
    outcome = ex.move.check(stride_answers.make("pytorch", strided=(3,)))
    assert outcome.observed[0].endswith("In evaluation mode all outputs agree; in training mode they differ.")


def given(framework, cell, name, *edits):
    """The block that the exercise comes with, after changes to its text."""
    import keras
    import torch.nn.functional as F
    from keras import layers, ops
    from torch import nn

    notebook = json.loads(
        (judging.ROOT / "exercises" / "04_stride_move" / "exercise.ipynb").read_text(encoding="utf-8")
    )
    source = next("".join(c["source"]) for c in notebook["cells"] if c["id"] == f"{cell}-{framework}")
    for before, after in edits:
        assert before in source
        source = source.replace(before, after)
    names = {"nn": nn, "F": F, "keras": keras, "layers": layers, "ops": ops}
    exec(source, names)
    return names[name]


def test_the_blocks_that_the_exercise_comes_with_have_the_mistakes_that_it_says():
    assert named(ex.move.check(given("pytorch", "move", "Moved"))) == {"stride_not_moved"}
    # Two lines changed and no more: enough in PyTorch, the trap in Keras.
    two_lines = (
        ("in_channels, width, 1, stride,", "in_channels, width, 1,"),
        ("width, width, 3,", "width, width, 3, stride,"),
    )
    assert ex.move.check(given("pytorch", "move", "Moved", *two_lines)).right
    two_lines = (("Conv2D(width, 1, stride,", "Conv2D(width, 1,"), ("Conv2D(width, 3,", "Conv2D(width, 3, stride,"))
    assert named(ex.move.check(given("tensorflow", "move", "KerasMoved", *two_lines))) == {"same_padding"}


def test_the_block_to_be_repaired_has_a_loud_mistake_and_behind_it_a_silent_one():
    assert named(ex.repair.check(given("pytorch", "repair", "Repaired"))) == {"projection_without_stride"}
    before, behind = "4 * width, 1, ", "bias=False),\n            nn.BatchNorm2d"
    one_mended = (before + behind, before + "stride, " + behind)
    assert named(ex.repair.check(given("pytorch", "repair", "Repaired", one_mended))) == {"same_padding"}
    assert named(ex.repair.check(given("tensorflow", "repair", "KerasRepaired"))) == {"projection_without_stride"}
    # Mended by more zeros, not by other ones.
    as_well = ("width, width, 3, stride, bias", "width, width, 3, stride, 1, bias")
    assert named(ex.repair.check(given("pytorch", "repair", "Repaired", one_mended, as_well))) == {"too_many_zeros"}


def test_what_is_right_on_even_maps_alone_is_told_so():
    outcome = ex.move.check(stride_answers.make("pytorch", padding="two sides"))
    assert outcome.observed[0].startswith("Made for 8 channels in, width 3, stride 2, maps of 7×9: ")
    assert outcome.observed[-1] == "Right: 8 channels in, width 3, stride 2; 8 channels in, width 3, stride 1."


def test_a_shortcut_that_nothing_shrinks_is_not_sent_back_to_v1_5():
    # One key, two pieces of advice: here the stride of the projection is gone on purpose.
    (mistake,) = ex.averaging.check(stride_answers.make("pytorch", projection_strided=False)).mistakes
    assert mistake.title == "nothing shrinks the map on the shortcut"


# Weights


def test_the_frameworks_themselves_take_what_the_right_functions_return():
    # Oracle: a layer of each framework with these weights computes the same.
    import keras
    import torch
    from torch import nn

    dice = np.random.default_rng(0)
    for call in TO_KERAS_CALLS:
        kind, tensors = call.arguments
        arrays = stride_answers.TO_KERAS_STYLES["transpose"](kind, tensors)
        shape = tensors["weight"].shape
        if kind == "conv":
            ours, theirs = nn.Conv2d(shape[1], shape[0], shape[2:], bias=False), keras.layers.Conv2D(
                shape[0], shape[2:], use_bias=False, dtype="float64"
            )  # fmt: skip
            x = dice.standard_normal((2, shape[1], 6, 7))
        elif kind == "dense":
            ours, theirs = nn.Linear(shape[1], shape[0]), keras.layers.Dense(shape[0], dtype="float64")
            x = dice.standard_normal((2, shape[1]))
        else:
            ours = nn.BatchNorm2d(shape[0])
            theirs = keras.layers.BatchNormalization(epsilon=1e-5, dtype="float64")
            x = dice.standard_normal((2, shape[0], 3, 4))
        ours = ours.double().eval()
        ours.load_state_dict({name: torch.tensor(value) for name, value in tensors.items()})
        nhwc = x.transpose(0, 2, 3, 1) if x.ndim == 4 else x
        theirs.build(nhwc.shape)
        theirs.set_weights(arrays)
        out = theirs(nhwc).numpy()
        out = out.transpose(0, 3, 1, 2) if out.ndim == 4 else out
        with torch.no_grad():
            assert np.abs(ours(torch.tensor(x)).numpy() - out).max() < 1e-12, call
        back = stride_answers.TO_PYTORCH_STYLES["transpose"](kind, arrays)
        assert all(np.array_equal(back[name], tensors[name]) for name in back)


def test_two_wrong_functions_that_undo_each_other_are_both_found():
    # A round trip alone proves nothing: `.T` is its own inverse.
    there, back = (
        stride_answers.TO_KERAS["height_width_swapped"][0],
        stride_answers.TO_PYTORCH["height_width_swapped"][0],
    )
    kind, tensors = TO_KERAS_CALLS[0].arguments
    assert np.array_equal(back(kind, there(kind, tensors))["weight"], tensors["weight"])
    assert named(ex.to_keras.check(there)) == named(ex.to_pytorch.check(back)) == {"height_width_swapped"}


def test_a_wrong_kernel_is_shown_by_what_a_layer_puts_out():
    observed = ex.to_keras.check(stride_answers.TO_KERAS["height_width_swapped"][0]).observed
    assert observed[0].endswith("entry 0 has the shape (4, 2, 3, 5); it should have (2, 4, 3, 5).")
    assert observed[1].startswith("No framework would refuse these weights for a convolution of 4 → 4 channels")
    swapped = ex.to_keras.check(stride_answers.TO_KERAS["mean_variance_swapped"][0]).observed
    assert "puts out NaN" in swapped[1]  # the root of a negative mean


def test_a_counter_that_is_not_0_is_spoken_of_by_its_value():
    def counting(kind, arrays):
        return stride_answers.TO_PYTORCH_STYLES["transpose"](kind, arrays) | (
            {"num_batches_tracked": 1} if kind == "bn" else {}
        )

    assert ex.to_pytorch.check(counting).observed[0].endswith("'num_batches_tracked' is 1; it should be 0.")


def test_a_kernel_without_its_list_is_told_so():
    outcome = ex.to_keras.check(lambda kind, tensors: tensors["weight"].transpose(2, 3, 1, 0))
    assert outcome.observed[0].endswith("the result is an array of shape (2, 4, 3, 5); it should be a list of 1.")
    assert not outcome.mistakes


# Values


def test_the_numbers_of_the_count_are_those_of_the_network():
    for version in ("v1", "v1.5"):
        layers = {r.name: r for r in trace(resnet_config(50, version), image_size=(208, 208))}
        branch = [layers[f"layer4.0.conv{number}"] for number in (1, 2, 3)]
        assert sum(layer.macs for layer in branch) == ex.count.answers[version]
        assert branch[0].in_shape == (1024, 13, 13)


@pytest.mark.parametrize("version", ["v1", "v1.5"])
def test_the_pixels_of_the_count_are_those_without_a_gradient(version):
    from resnet_lessons import torch_resnet

    import torch

    block = torch_resnet.Bottleneck(3, 2, 2, version=version).double().eval()
    for tensor in block.parameters():
        tensor.data.abs_()
    x = torch.rand(1, 3, 13, 13, dtype=torch.float64, requires_grad=True)
    path = block if version == "v1" else block.downsample
    path(x).sum().backward()
    unread = int((x.grad.abs().sum((0, 1)) == 0).sum())
    assert unread == ex.count.answers["unread by v1" if version == "v1" else "unread by v1.5's shortcut"]


@pytest.fixture(scope="module")
def probed():
    """What each unnamed block put out, and which pixels it read: framework → letter → `_probe`."""
    return {f: {letter: _probe(f, block) for letter, block in ex.unnamed_blocks(f).items()} for f in FRAMEWORKS}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_unnamed_blocks_are_what_the_answers_say(probed, framework):
    assert list(probed[framework]) == list(ex.which.answers)
    for letter, version in ex.which.answers.items():
        out, read, window = probed[framework][letter]
        assert out.shape == (2, 32, 4, 4)
        assert (out.min() < 0) == (version == "v2")
        assert read.sum() == (16 if version == "v1" else 64)
        if version == "v1":
            assert set(np.argwhere(read).ravel()) == {0, 2, 4, 6}
        else:
            rows = sorted(set(np.argwhere(window)[:, 0]))
            assert rows == ([2, 3, 4] if version == "none" else [1, 2, 3])


def _probe(framework, block):
    """Outputs, and which pixels have a gradient: of the summed output, and of output pixel (1, 1)."""
    images = np.random.default_rng(0).standard_normal((2, 4, 8, 8)).astype("float32")
    if framework == "pytorch":
        import torch

        def gradient(part):
            x = torch.tensor(images, requires_grad=True)
            part(block(x)).sum().backward()
            return x.grad.abs().sum((0, 1)).numpy() > 1e-6

        out = block(torch.tensor(images)).numpy()
        return out, gradient(lambda y: y), gradient(lambda y: y[:, :, 1, 1])
    import tensorflow as tf

    def keras_gradient(part):
        x = tf.constant(images.transpose(0, 2, 3, 1))
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(part(block(x)))
        return np.abs(tape.gradient(total, x).numpy()).sum((0, 3)) > 1e-6

    out = block(tf.constant(images.transpose(0, 2, 3, 1))).numpy().transpose(0, 3, 1, 2)
    return out, keras_gradient(lambda y: y), keras_gradient(lambda y: y[:, 1, 1])


def test_the_unnamed_blocks_are_the_same_in_both_frameworks(probed):
    for letter in ex.which.answers:
        ours, theirs = (probed[framework][letter][0] for framework in FRAMEWORKS)
        assert np.abs(ours - theirs).max() < 1e-4


def test_the_predictions_are_what_blocks_do():
    from resnet_lessons import parity, torch_resnet

    import torch
    import torch.nn.functional as F

    source = torch_resnet.Bottleneck(4, 2, 2, version="v1.5").double().eval()
    parity.randomize_batch_norm(source)

    class Same(torch.nn.Conv2d):
        def forward(self, x):
            even = x.shape[2] % 2 == 0
            return F.conv2d(F.pad(x, (0, 1, 0, 1) if even else (1, 1, 1, 1)), self.weight, stride=2)

    def version(name):
        if name == "v2":
            return torch_resnet.PreActBottleneck(4, 2, 2)
        block = torch_resnet.Bottleneck(4, 2, 2, version="v1" if name == "v1" else "v1.5")
        if name == "stride in the last 1×1":
            block.conv2.stride, block.conv3.stride = (1, 1), (2, 2)
        if name.startswith("same"):
            block.conv2 = Same(2, 2, 3, 2, bias=False)
        return block

    for name, answer in ex.predict.answers.items():
        block = version(name).double().eval()
        try:
            block.load_state_dict(source.state_dict(), strict=True)
        except RuntimeError:
            assert answer == "refused", name
            continue
        size = 7 if "7×7" in name else 8
        x = torch.randn(2, 4, size, size, dtype=torch.float64)
        with torch.no_grad():
            equal = torch.allclose(block(x), source(x))
        assert ("same" if equal else "differs") == answer, name


# What all exercises share


def test_nothing_handed_in_is_not_attempted():
    judging.assert_untouched_is_not_attempted(ex)


def test_a_mistake_without_a_name_is_rejected_in_time():
    judging.assert_rejected_in_time(ex.move, stride_answers)


def test_every_section_that_an_answer_sends_to_exists():
    judging.assert_sections_exist(ex)


def test_keys_of_mistakes_are_unique_in_each_catalogue_and_say_what_why_and_where():
    judging.assert_keys_unique_and_texts_there(ex)


def test_the_table_in_contributing_lists_what_is_tested():
    judging.assert_listed_in_contributing(CASES)
