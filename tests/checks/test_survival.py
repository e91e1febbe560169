"""A check survives what a learner may hand in, puts everything back, and says what it saw."""

import builtins
import contextlib
import random
import sys
import threading
import time
import warnings

from resnet_lessons.checks import NotRightError, chapter_01, guard
from tests.checks import answers

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

ex = chapter_01
Right = answers.make("pytorch", answers.right)


def doing(what):
    """A right block that does something first, each time it is run."""

    class Answer(Right):
        def forward(self, x):
            what(x)
            return super().forward(x)

    return Answer


def raising(error):
    def what(_):
        raise error

    return doing(what)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        SystemExit(3),
        KeyboardInterrupt(),
        MemoryError(),
        RecursionError("deep"),
        GeneratorExit(),
        Exception(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_an_answer_raises_is_reported(error):
    outcome = ex.basic_block.check(raising(error))
    assert outcome.status == "not yet"
    assert type(error).__name__ in outcome.observed[0]


def test_an_error_names_the_last_layer_that_ran():
    class Answer(Right):
        def forward(self, x):
            return self.bn1(self.conv1(x)) + x[:, :, 1:]

    seen = ex.basic_block.check(Answer).observed[0]
    assert "bn1" in seen
    assert "(3, 6, 5, 7)" in seen


def as_it_came(channels):
    pass  # your code here


class ForwardAsItCame(Right):
    def forward(self, x):
        self.conv1(x)
        pass  # your code here  # noqa: PIE790


@pytest.mark.parametrize(
    "answer",
    [None, ..., "", nn.Module, as_it_came, ForwardAsItCame, raising(NotImplementedError())],
    ids=["None", "...", "empty", "no forward", "function", "forward", "NotImplementedError"],
)
def test_what_was_left_empty_is_not_attempted(answer):
    assert ex.basic_block.check(answer).status == "not attempted"


def test_what_was_written_under_another_name_or_without_return_is_an_attempt():
    class Misspelt(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv = nn.Conv2d(channels, channels, 3)

        def foward(self, x):
            return self.conv(x)

    misspelt = ex.basic_block.check(Misspelt)
    assert misspelt.status == "not yet"
    assert '"forward"' in misspelt.observed[0]
    for answer in (answers.make("pytorch", lambda b, x: None), lambda channels: None):
        outcome = ex.basic_block.check(answer)
        assert (outcome.status, [m.key for m in outcome.mistakes]) == ("not yet", ["no_return"])


@pytest.mark.parametrize(
    "answer",
    [5, "a string", [1, 2], {}, object(), int, len, np.zeros(3), torch.zeros(1, 6, 5, 7), lambda a, b, c, d: None],
    ids=lambda answer: type(answer).__name__,
)
def test_what_is_no_block_is_refused_with_a_reason(answer):
    outcome = ex.basic_block.check(answer)
    assert outcome.status == "not yet"
    assert outcome.observed[0]


@pytest.mark.parametrize(
    "result",
    [5, "text", [torch.zeros(1)], (torch.zeros(1), 2), np.zeros((3, 6, 5, 7)), {}],
    ids=lambda r: type(r).__name__,
)
def test_a_result_that_is_no_tensor_is_refused(result):
    outcome = ex.basic_block.check(answers.make("pytorch", lambda b, x: result))
    assert outcome.status == "not yet"
    assert type(result).__name__ in outcome.observed[0]


@pytest.mark.parametrize(
    "body",
    [
        lambda b, x: answers.right(b, x) * float("nan"),
        lambda b, x: answers.right(b, x) / 0,
        lambda b, x: answers.right(b, x).sum(),
        lambda b, x: answers.right(b, x)[:, :3],
        lambda b, x: answers.right(b, x).to(torch.int64),
        lambda b, x: answers.right(b, x).detach(),
        lambda b, x: torch.zeros_like(x),
        lambda b, x: x,
        lambda b, x: torch.rand_like(x),
    ],
    ids=["NaN", "inf", "scalar", "half", "integers", "detached", "zeros", "x", "random"],
)
def test_wrong_values_and_shapes_are_refused(body):
    outcome = ex.basic_block.check(answers.make("pytorch", body))
    assert outcome.status == "not yet"
    assert outcome.observed[0]


def loop(_=None):
    while True:
        pass


def stubborn_loop(_=None):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.01)


@pytest.mark.parametrize("where", ["main thread", "another thread"])
@pytest.mark.parametrize("endless", [loop, stubborn_loop])
def test_an_endless_loop_is_stopped(endless, where, monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.5)
    outcomes = []

    def check():
        outcomes.append(ex.basic_block.check(doing(endless)))

    if where == "main thread":
        check()
    else:
        thread = threading.Thread(target=check)
        thread.start()
        thread.join(20)
    assert outcomes[0].status == "not yet"
    assert "within 0.5 seconds" in outcomes[0].observed[0]


def test_a_loop_in_a_constructor_is_stopped(monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.3)
    assert "never ends" in ex.basic_block.check(lambda channels: loop()).observed[0]


def test_after_a_time_limit_nothing_rings_any_more(monkeypatch):
    monkeypatch.setattr(guard, "SECONDS", 0.2)
    assert ex.basic_block.check(Right).status in ("right", "not yet")
    time.sleep(0.8)


def test_seeds_and_settings_are_put_back():
    def spoil(_):
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        torch.manual_seed(0)
        torch.set_default_dtype(torch.float16)
        torch.set_grad_enabled(False)

    def states():
        return random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002

    before = states()
    ex.basic_block.check(doing(spoil))
    assert states() == before
    assert torch.get_default_dtype() == torch.float32
    assert torch.is_grad_enabled()


def test_keras_settings_are_put_back():
    import keras
    import tensorflow as tf

    class Seeding(answers.make("tensorflow", answers.right)):
        def call(self, x):
            keras.utils.set_random_seed(5)
            return super().call(x)

    def settings():
        return keras.config.floatx(), keras.config.dtype_policy().name, random.getstate()

    tf.random.set_seed(1)
    drawn = tf.random.normal((3,)).numpy().tolist(), tf.random.normal((3,)).numpy().tolist()
    tf.random.set_seed(1)
    first, before = tf.random.normal((3,)).numpy().tolist(), settings()
    assert ex.basic_block.check(Seeding).right
    assert settings() == before
    assert (first, tf.random.normal((3,)).numpy().tolist()) == drawn


def test_patched_functions_neither_help_nor_stay():
    def cheat(_):
        np.abs = np.isfinite = np.allclose = lambda *a, **k: True
        F.relu = torch.relu = lambda x: x
        builtins.abs = lambda x: 0
        chapter_01.basic_block.__class__.check = lambda *a: "right"
        sys.modules["resnet_lessons.checks.diagnose"].close = lambda *a: True

    originals = np.abs, F.relu, torch.relu, abs, sys.modules["resnet_lessons.checks.diagnose"].close

    class Wrong(answers.make("pytorch", answers.WRONG["no_addition"][0][0])):
        def forward(self, x):
            cheat(x)
            return super().forward(x)

    assert ex.basic_block.check(Wrong).status == "not yet"
    assert originals == (np.abs, F.relu, torch.relu, abs, sys.modules["resnet_lessons.checks.diagnose"].close)


def test_a_block_that_was_made_before_keeps_its_weights():
    block = Right(6)
    before = {name: tensor.clone() for name, tensor in block.state_dict().items() if "num_batches" not in name}
    assert ex.basic_block.check(block).right
    assert all(torch.equal(tensor, block.state_dict()[name]) for name, tensor in before.items())
    assert block.training
    assert block.conv1.weight.grad is None


def test_prints_and_warnings_of_an_answer_do_not_show(capfd):
    def speak(_):
        print("hello")
        print("oh", file=sys.stderr)
        warnings.warn("careful", stacklevel=2)

    assert ex.basic_block.check(doing(speak)).right
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_a_layer_without_weights_that_blocks_share_may_compute_in_float32():
    from keras import layers

    relu = layers.ReLU()  # made in a cell above, in the learner's precision, and not with the block

    class Shares(answers.make("tensorflow", answers.right)):
        def call(self, x):
            return relu(x + self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))))

    class Forgets(Shares):
        def call(self, x):
            return relu(self.bn2(self.conv2(relu(self.bn1(self.conv1(x))))))

    assert ex.basic_block.check(Shares).right
    assert [mistake.key for mistake in ex.basic_block.check(Forgets).mistakes] == ["no_addition"]


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow"])
def test_a_single_layer_that_is_made_in_each_call_is_named(framework):
    def conv(channels):
        if framework == "pytorch":
            return nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        from keras import layers

        return layers.Conv2D(channels, 3, padding="same", use_bias=False)

    def body(b, x):
        out = b.bn2(conv(6)(b.relu(b.bn1(b.conv1(x)))))
        return b.relu(x + out)

    named = {mistake.key for mistake in ex.basic_block.check(answers.make(framework, body)).mistakes}
    assert "layers_made_in_call" in named
    assert named <= {"layers_made_in_call", "never_used"}  # conv2 is there, and idle


def test_an_answer_that_changes_its_input_does_not_change_the_verdict_on_others():
    ex.basic_block.check(answers.torch_only()["edits_its_input"])
    assert ex.basic_block.check(Right).right


def test_classes_without_a_body_are_not_attempted():
    from keras import layers

    for ancestor in (nn.Module, layers.Layer):
        assert ex.basic_block.check(type("MyBlock", (ancestor,), {})).status == "not attempted"


def test_graded_raises_unless_right_and_writes_nothing(capfd):
    ex.basic_block.graded({"MyBlock": Right})
    ex.basic_block.graded({"MyBlock": None, "MyKerasBlock": answers.make("tensorflow", answers.right)})
    for wrong in ({}, {"MyBlock": None}, {"MyBlock": 5}, {"MyBlock": raising(SystemExit())}):
        with pytest.raises(NotRightError) as raised:
            ex.basic_block.graded(wrong)
        assert "print(_" not in str(raised.value)  # `_` is not this outcome
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


@pytest.mark.parametrize("value", [None, 5, "18560", [18560], {}, True, float("nan"), object(), lambda: 1, 1 << 5000])
def test_a_number_task_takes_anything(value):
    assert ex.count.check(value).status in ("not yet", "not attempted")


@pytest.mark.parametrize("value", [18560, 18560.0, np.int64(18560), {"parameters": 18560}])
def test_a_right_number_is_right_in_any_type(value):
    assert ex.count.check(value).right


@pytest.mark.parametrize(
    ("value", "said"),
    [(18650, "is not right"), ("2*9", "is a str, and no number"), ([1], "is a list, and no number")],
)
def test_a_wrong_value_is_told_by_its_kind(value, said):
    assert said in ex.count.check(value).observed[0]


def predicted(*choices):
    return ex.predict.check(
        dict(zip(("input not negative", "input with negative values", "no shortcut"), choices, strict=True))
    )


def test_choices_are_taken_in_any_spelling_and_what_is_none_of_them_is_told():
    assert predicted("X", "ReLU (x)", 0).right
    assert predicted("relu(x)", "relu(x)", "0").right  # true as well: relu(x) is x where x is not negative
    assert "is none of 'x', 'relu(x)', '2x', '0'" in predicted("the input", "relu(x)", "0").observed[0]
    assert predicted("x", "relu(x)", True).status == "not yet"
    assert "none of the keys" in ex.predict.check({"a": "x"}).observed[0]
    some = ex.predict.check({"input not negative": "X", "no shortcut": None, "a": 1}).observed
    assert some == ("input with negative values: the dict has no such key.", "no shortcut: not answered yet.")


def test_miscounts_are_named():
    assert {m.key for m in ex.count.check(18560 + 64 + 128).mistakes} == {
        "counted_biases",
        "counted_running_statistics",
    }
    assert {m.key for m in ex.count.check(18560 + 64).mistakes} == {"counted_biases"}
    wrong = {"input not negative": "0", "input with negative values": "x", "no shortcut": "0"}
    assert {m.key for m in ex.predict.check(wrong).mistakes} == {"silent_is_zero", "forgot_last_relu"}


def test_an_answer_comes_quickly():
    started = time.process_time()
    ex.basic_block.check(answers.make("pytorch", lambda b, x: F.gelu(answers.right(b, x))))
    assert time.process_time() - started < 2
