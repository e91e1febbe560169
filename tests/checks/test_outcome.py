"""An outcome shows what was observed, keeps names for whoever asks, and never gives the answer away."""

import json
import re
from html.parser import HTMLParser

from resnet_lessons import progress
from resnet_lessons.checks import Mistake, chapter_01
from tests.checks import answers

import pytest

ex = chapter_01
CATALOGUE = {m.key: m for task in (ex.basic_block, ex.residual_mlp) for m in task.catalogue}
NO_ADDITION = answers.make("pytorch", answers.WRONG["no_addition"][0][0])


class Visible(HTMLParser):
    """The text outside of closed <details>; fails on tags that do not close."""

    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "details" not in self.open or "summary" in self.open:
            self.text += data


def seen(outcome) -> str:
    parser = Visible()
    parser.feed(outcome._repr_html_())
    parser.close()
    assert not parser.open
    return parser.text


@pytest.mark.parametrize("mistake", sorted(answers.WRONG))
def test_the_name_of_a_mistake_is_opened_on_request(mistake):
    body, layers = answers.WRONG[mistake][0]
    outcome = ex.basic_block.check(answers.make("pytorch", body, **layers))
    for text in (seen(outcome), repr(outcome)):
        assert outcome.observed[0] in text
        assert CATALOGUE[mistake].title not in text
    assert CATALOGUE[mistake].title in outcome.explain()
    assert CATALOGUE[mistake].title[1:] in outcome._repr_html_()
    assert str(CATALOGUE[mistake].section) in outcome.explain()


def test_what_is_observed_has_a_place_and_numbers():
    first = ex.basic_block.check(NO_ADDITION).observed[0]
    assert re.search(r"first at image \d+, channel \d+, row \d+, column \d+: yours is -?\d+\.\d{4}", first)


def test_shapes_are_told_in_the_order_of_the_learner_s_framework():
    body = answers.WRONG["concatenation"][0][0]
    assert "(3, 12, 5, 7)" in ex.basic_block.check(answers.make("pytorch", body)).observed[0]
    assert "(3, 5, 7, 12)" in ex.basic_block.check(answers.make("tensorflow", body)).observed[0]


def test_hidden_layers_are_called_as_the_learner_calls_them():
    assert (
        "your blocks[0].conv1"
        in ex.residual_mlp.check(answers.chain("pytorch", answers.right, hidden=True)).observed[-1]
    )
    body = answers.WRONG["no_last_relu"][0][0]
    assert "your blocks[0].bn2" in ex.residual_mlp.check(answers.chain("tensorflow", body)).observed[-1]


def test_of_many_unused_layers_a_few_are_listed():
    seen = ex.basic_block.check(answers.make("pytorch", answers.right, norms=range(1, 9))).observed[0]
    assert seen == "bn3, bn4, bn5 and 3 more layers: made, but never run."


def test_what_the_check_cannot_follow_is_said_and_no_layer_is_called_missing():
    import keras
    import tensorflow as tf
    import torch
    from torch import nn

    class HandMade(nn.Module):
        """A right BN, but for PyTorch's own function."""

        def __init__(self, channels):
            super().__init__()
            self.gamma, self.beta = (nn.Parameter(make((channels, 1, 1))) for make in (torch.ones, torch.zeros))

        def forward(self, x):
            return self.gamma * (x - x.mean((0, 2, 3), True)) / x.std((0, 2, 3), False, True) + self.beta

    class Scaled(answers.make("pytorch", answers.right)):
        """Right as it is made: the scale of 1 changes nothing yet."""

        def __init__(self, channels):
            super().__init__(channels)
            self.scale = nn.Parameter(torch.ones(1))

        def forward(self, x):
            return super().forward(x) * self.scale

    def normalises_by_hand(channels):
        block = answers.make("pytorch", answers.right)(channels)
        block.bn1 = HandMade(channels)
        return block

    class Convolves(keras.layers.Layer):
        def __init__(self, channels):
            super().__init__()
            self.kernel = self.add_weight(shape=(3, 3, channels, channels), name="kernel")

        def call(self, x):
            return tf.nn.relu(x + tf.nn.conv2d(x, self.kernel, 1, "SAME"))

    for answer, weights in ((normalises_by_hand, "bn1.gamma, bn1.beta"), (Scaled, "scale"), (Convolves, "kernel")):
        outcome = ex.basic_block.check(answer)
        assert (outcome.status, outcome.mistakes) == ("not yet", ())
        assert outcome.observed[0].startswith(
            f"What your block does with {weights}, the check cannot follow: it knows "
        )
        assert "never run" not in outcome.observed[0]


def test_of_an_answer_without_layers_nothing_is_said_about_layers():
    from resnet_lessons.checks import chapter_02

    from torch import nn

    class Crops(nn.Module):
        def __init__(self, ins, outs, stride):
            super().__init__()
            self.more, self.stride = outs - ins, stride

        def forward(self, x):
            x = x[:, :, : -(-x.shape[2] // self.stride), : -(-x.shape[3] // self.stride)]
            return nn.functional.pad(x, (0, 0, 0, 0, 0, self.more))

    observed = chapter_02.option_a.check(Crops).observed
    assert not [line for line in observed if "layer" in line or "weights" in line]


def test_what_keras_raises_is_told_without_keras_s_own_remarks():
    def wrong_name(b, x):
        return b.conv1(x) + F  # noqa: F821

    def other_shapes(b, x):
        return x + b.conv1(x)[:, 1:]

    names = ex.basic_block.check(answers.make("tensorflow", wrong_name)).observed[0]
    assert names == "After its layer conv1 put out (3, 5, 7, 6), it raised NameError: name 'F' is not defined"
    shapes = ex.basic_block.check(answers.make("tensorflow", other_shapes)).observed[0]
    assert shapes.endswith("InvalidArgumentError: Incompatible shapes: [3,5,7,6] vs. [3,4,7,6]")


def test_convolutions_of_another_kind_are_refused_and_no_mistake_is_made_up():
    from keras import layers
    from torch import nn

    def depthwise(channels):
        block = answers.make("pytorch", answers.right)(channels)
        block.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False, groups=channels)
        return block

    class Separable(answers.make("tensorflow", answers.right)):
        def __init__(self, channels):
            super().__init__(channels)
            del self.conv1
            self.conv1 = layers.SeparableConv2D(channels, 3, padding="same", use_bias=False)

    for answer in (depthwise, Separable):
        outcome = ex.basic_block.check(answer)
        assert outcome.status == "not yet"
        assert "One of the reference's 3×3 convolutions" in outcome.observed[-1]
        assert {m.key for m in outcome.mistakes} <= {"never_used"}


def test_an_outcome_has_a_text_form_and_can_be_written_as_json():
    outcome = ex.basic_block.check(NO_ADDITION)
    assert set(outcome._repr_mimebundle_()) == {"text/plain", "text/html"}
    assert json.loads(json.dumps(outcome.to_dict()))["mistakes"] == ["no_addition"]
    assert ex.basic_block.check(None).explain() == "There is no mistake to name."


def test_what_a_learner_wrote_cannot_break_the_page():
    outcome = ex.basic_block.check(lambda channels: (_ for _ in ()).throw(ValueError("<script>alert(1)</script>")))
    assert "<script>" not in outcome._repr_html_()


def test_a_check_is_noted_in_the_progress():
    ex.basic_block.check(NO_ADDITION)
    last = progress.read()[-1]
    assert (last.chapter, last.key) == ("01_basic_block", "exercise-basic_block")
    assert last.value["mistakes"] == ["no_addition"]


def test_explanations_hold_no_code_that_is_the_answer():
    for mistake in CATALOGUE.values():
        text = mistake.explanation + mistake.why
        assert not re.search(r"relu\(.*\+.*\)|bias=False|use_bias=False|padding=1", text), mistake.key


def test_every_mistake_says_what_it_is_why_it_matters_and_where_it_was_seen():
    for mistake in CATALOGUE.values():
        assert min(map(len, (mistake.title, mistake.explanation, mistake.why, mistake.seen))) > 5
        assert mistake.title[0].islower() or mistake.title.startswith("BN"), mistake.title


def test_a_mistake_needs_one_way_to_be_recognised():
    with pytest.raises(ValueError, match="give one of the two"):
        Mistake("key", "title", "what", "why", ex.BUILD)


def test_layers_have_the_learner_s_names_in_both_frameworks():
    body = answers.WRONG["no_middle_relu"][0][0]
    for framework in ("pytorch", "tensorflow"):
        assert (
            "Up to your bn1 all agrees; your conv2 is the first"
            in ex.basic_block.check(answers.make(framework, body)).observed[-1]
        )
