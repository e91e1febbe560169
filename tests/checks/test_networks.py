"""Whole networks: mistakes of assembly are named, right ones of any style accepted, and published weights find their places."""

import os
from functools import partial
from pathlib import Path

from resnet_lessons import datasets, pretrained, resnet_config, tf_resnet, torch_resnet
from resnet_lessons.checks import chapter_02 as ex
from resnet_lessons.checks import chapter_03
from resnet_lessons.checks.align import pairings
from resnet_lessons.checks.assembly_mistakes import BOTTLENECKS, CIFAR, IMAGENET, SHARED
from resnet_lessons.checks.network_oracle import sketch
from resnet_lessons.checks.uses import open_network
from resnet_lessons.training.pictures import WEIGHTS
from tests.checks import judging, network_answers
from tests.networks import images
from tests.real_cifar10 import cifar10

import keras
import pytest

FRAMEWORKS = ("pytorch", "tensorflow")
CASES = network_answers.cases()
DATA = os.environ.get(datasets.VARIABLE)
needs_data = pytest.mark.skipif(
    not (DATA and Path(DATA, "weights").is_dir() and Path(DATA, "uoft-cs").is_dir()),
    reason=f"set {datasets.VARIABLE} to a folder with uoft-cs/cifar10 and weights/ (README, section Data)",
)


@pytest.mark.parametrize("case", CASES, ids=judging.ids(CASES))
def test_every_mistake_is_named_and_no_other(case):
    judging.assert_diagnosed(ex, case)


def test_every_mistake_of_assembly_has_an_answer():
    shown = {mistake for _, mistake, *_ in CASES}
    own = {a.mistake.key for a in (*CIFAR, *IMAGENET)} - {a.mistake.key for a in SHARED}
    assert own <= shown, own - shown
    in_keras = {mistake for _, mistake, framework, _ in CASES if framework == "tensorflow"}
    assert own - in_keras == {*network_answers.NUMBERS, "channels_not_carried"}


PAIRS = [  # for most pairs PyTorch stands for both
    (framework, both, wrong)
    for both, wrong in network_answers.TWO
    for framework in FRAMEWORKS
    if framework == "pytorch" or both in network_answers.TWO_IN_KERAS
]


@pytest.mark.parametrize(("framework", "both", "wrong"), PAIRS, ids=judging.pair_id)
def test_of_two_mistakes_at_least_one_is_named_and_none_that_is_not_there(framework, both, wrong):
    judging.assert_some_named(ex.cifar_family.check(network_answers.make(framework, **wrong)), both)


STYLES = [
    *(("pytorch", name, net) for name, net in network_answers.torch_styles().items()),
    *(("tensorflow", name, net) for name, net in network_answers.keras_styles().items()),
]


@pytest.mark.parametrize(("framework", "style", "net"), STYLES, ids=lambda v: v if isinstance(v, str) else "")
def test_right_networks_of_any_style_are_accepted(framework, style, net):
    judging.assert_accepted(ex.cifar_family.check(net), framework)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_resnet_34_is_accepted(framework):
    judging.assert_accepted(ex.resnet34.check(network_answers.make(framework, "imagenet")), framework)


def own(framework, depth, **fields):
    """A network of the course; in Keras as a plain model, which is told by its context whether it is in training."""
    if framework == "pytorch":
        return torch_resnet.resnet(depth, **fields)
    net = tf_resnet.resnet(depth, **fields)
    return keras.Model(net.input, net.output)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_courses_own_networks_are_accepted(framework):
    judging.assert_accepted(ex.cifar_family.check(partial(own, framework, family="cifar")), framework)


@pytest.mark.parametrize("depth", [18, 34, 50])
@pytest.mark.parametrize("option", ["A", "B", "C"])
def test_the_sketch_is_what_runs(depth, option):
    """The sketch comes from the description alone; here is the network, as autograd sees it."""
    config = resnet_config(depth, shortcut=option, width=4, num_classes=3)
    trace = open_network(torch_resnet.resnet(config=config).double()).trace(images(config, (64, 64)))
    found = list(pairings(trace, sketch(config)))
    assert [(ours.name, theirs.name) for ours, theirs in found[0]] == [
        (use.layer.name,) * 2 for use in sketch(config).uses
    ]
    assert len(found) == 1


def test_what_is_seen_comes_first_and_counts():
    outcome = ex.cifar_family.check(network_answers.make("pytorch", option="B"))
    assert outcome.observed[0] == (
        "ResNet-8 on 24 × 24 pixels: Its layers are those of option B: 78,042 parameters instead of option A's 75,290."
    )
    outcome = ex.cifar_family.check(network_answers.make("pytorch", n=lambda depth: -(-depth // 6)))
    assert outcome.observed[0] == "ResNet-8 v1 has stages of 1-1-1 blocks; yours have 2-2-2."


def test_blocks_that_are_shared_among_the_later_ones_of_a_stage_are_found():
    """`[block(c, c, 1)] * (n - 1)` behind a first block of its own: nothing to be seen with fewer than three."""

    def network(depth):
        net = torch_resnet.resnet(depth, family="cifar")
        for stage in (net.layer1, net.layer2, net.layer3):
            for number in range(2, len(stage)):
                stage[number] = stage[1]
        return net

    assert judging.named(ex.cifar_family.check(network)) == {"one_block_repeated"}


def test_what_stands_between_two_layers_without_weights_of_its_own_is_said():
    from torch import nn

    def other_pool(width):
        net = torch_resnet.resnet(34, width=width)
        net.maxpool = nn.AvgPool2d(3, 2, 1)
        return net

    observed = ex.resnet34.check(other_pool).observed[0]
    assert "up to your bn1 all agrees" in observed
    assert observed.endswith("Between the two stand the stem's ReLU and its max-pool.")


def test_a_stem_as_keras_writes_it_has_two_mistakes_and_both_are_named():
    outcome = ex.resnet34.check(network_answers.make("pytorch", "imagenet", stem="same", pool="same"))
    assert {mistake.key for mistake in outcome.mistakes} == {"same_stem", "same_pool"}


def test_what_the_stem_s_pool_takes_is_seen_in_front_of_a_bottleneck_too():
    from torch import nn

    def made(width):
        net = torch_resnet.resnet(50, "v1.5", width=width)
        net.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)  # on an even map: one row and column behind it
        return net

    assert [mistake.key for mistake in chapter_03.resnet50.check(made).mistakes] == ["same_pool"]


@pytest.mark.parametrize("where", ["the stem", "the first block"])
def test_a_convolution_in_groups_is_told_and_does_not_stop_the_check(where):
    from torch import nn

    def made(width):
        net = torch_resnet.resnet(34, width=width)
        if where == "the stem":
            net.conv1 = nn.Conv2d(3, width, 7, 2, 3, groups=3, bias=False)
        else:
            net.layer1[0].conv1 = nn.Conv2d(width, width, 3, padding=1, groups=2, bias=False)
        return net

    assert "has no counterpart" in str(ex.resnet34.check(made))


def test_layers_without_a_counterpart_are_told_in_no_framework_s_order_of_axes():
    for framework in FRAMEWORKS:
        outcome = ex.cifar_family.check(network_answers.make(framework, width=20))
        assert (
            "one of the reference's 3×3 convolutions, from 3 to 16 channels, has no counterpart" in str(outcome).lower()
        )


def test_a_mistake_inside_a_block_is_placed():
    import torch
    from torch import nn

    class NoShortcut(torch_resnet.BasicBlock):
        def forward(self, x):
            return self.relu2(self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x))))))

    def network(depth):
        net = torch_resnet.resnet(depth, family="cifar")
        net.layer2[0].__class__ = NoShortcut
        return net

    outcome = ex.cifar_family.check(network)
    assert outcome.status == "not yet"
    assert (
        "layer3.0.conv1" in outcome.observed[0]
        or "counterpart" in outcome.observed[0]
        or "order" in outcome.observed[0]
    )

    class Halved(nn.Module):
        def __init__(self, depth):
            super().__init__()
            self.net = torch_resnet.resnet(depth, family="cifar")

        def forward(self, x):
            return 0.5 * self.net(x)

    observed = ex.cifar_family.check(Halved).observed[0]
    assert "every layer, up to your net.fc, computes what it should" in observed

    class Detached(Halved):
        def forward(self, x):
            return self.net(x) if not torch.is_grad_enabled() else self.net(x).detach() + 0 * self.net.fc.bias.sum()

    assert ex.cifar_family.check(Detached).status == "not yet"


@pytest.mark.parametrize("answer", [None, ..., ""], ids=str)
def test_nothing_handed_in_is_not_attempted(answer):
    assert {task.check(answer).status for task in (ex.cifar_family, ex.resnet34)} == {"not attempted"}


def test_whatever_an_answer_raises_is_reported():
    def exits(depth):
        raise SystemExit(3)

    for answer in (exits, lambda: None, 7, lambda depth: None, network_answers.make("pytorch")(8)):
        assert ex.cifar_family.check(answer).status == "not yet"
        assert not ex.cifar_family.load(answer).fits


def own_network(framework, option):
    return network_answers.make(framework, option=option)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_courses_weights_find_their_places_and_see_the_cat(framework):
    option = pretrained.find_config(pretrained.read(WEIGHTS)).shortcut
    loaded = ex.cifar_family.load(own_network(framework, option))
    assert loaded.fits, loaded
    assert next(iter(loaded.named)) == "cat"
    assert f"{WEIGHTS.name} (ResNet-20, option {option})" in loaded.lines[0]


def test_zeros_on_another_side_are_the_same_network_in_another_order(tmp_path):
    net = torch_resnet.resnet(14, family="cifar")
    file = pretrained.save(net, tmp_path / "mine.safetensors")
    from resnet_lessons.checks.published import place

    for style, words in (
        ("a class, zeros behind", "behind"),
        ("a class, zeros before", "before"),
        ("nn.Sequential", ""),
    ):
        answer = network_answers.torch_styles()[style]
        placed = place(answer, resnet_config(8, family="cifar"), file, images(net.config, (32, 32)).astype("float32"))
        assert (f"Your zeros go {words} x's channels" in str(placed.lines)) == bool(words)


def test_another_option_is_named(tmp_path, capsys):
    config = resnet_config(8, family="cifar", shortcut="B")
    file = pretrained.save(torch_resnet.resnet(config=config), tmp_path / "b.safetensors")
    from resnet_lessons.checks.published import DoesNotFitError, place

    x, asked = images(config, (32, 32)).astype("float32"), resnet_config(8, family="cifar")
    with pytest.raises(DoesNotFitError, match="is a ResNet-8 with option B; your network has no projections"):
        place(own_network("pytorch", "A"), asked, file, x)

    def with_a_block(depth, block=None):  # as the exercise asks for: another block makes the other network
        return own_network("pytorch", "A" if block is None else "B")(depth)

    assert place(with_a_block, asked, file, x).config.shortcut == "B"
    with pytest.raises(DoesNotFitError, match="your network is another one: your network uses"):
        place(network_answers.make("pytorch", n=lambda depth: 2), asked, file, x)


def test_without_data_it_says_how_to_get_them(monkeypatch):
    monkeypatch.delenv(datasets.VARIABLE, raising=False)
    loaded = ex.cifar_family.load(own_network("pytorch", "A"), "published")
    assert not loaded.fits
    assert "github.com/akamaster/pytorch_resnet_cifar10" in loaded.lines[0]
    assert "resnet-lessons data get cifar10" in loaded.lines[0]


@pytest.fixture
def cifar10_decoded_once(monkeypatch):
    data = cifar10()
    monkeypatch.setattr(datasets, "load_dataset", lambda name: {"cifar10": data}[name])


@needs_data
@pytest.mark.usefixtures("cifar10_decoded_once")
def test_a_published_checkpoint_scores_its_published_accuracy_in_ones_own_network():
    loaded = ex.cifar_family.load(network_answers.torch_styles()["a class, zeros behind"], "published")
    assert loaded.fits
    assert loaded.accuracy == 0.9173
    assert "9,173 of 10,000 test images named right, 91.73%" in loaded.lines[2]


@needs_data
@pytest.mark.usefixtures("cifar10_decoded_once")
def test_it_is_the_same_in_keras():
    answers = {"pytorch": own_network("pytorch", "A"), "tensorflow": network_answers.keras_styles()["functional"]}
    found = {name: ex.cifar_family.load(answer, "published", images=1000) for name, answer in answers.items()}
    assert found["pytorch"].accuracy == found["tensorflow"].accuracy
    assert 0.9 < found["pytorch"].accuracy < 0.94


@pytest.mark.parametrize("wrong", network_answers.BOTTLENECK, ids=str)
def test_an_expansion_other_than_4_is_named(wrong):
    outcome = chapter_03.resnet50.check(partial(network_answers.resnet50, expansion=wrong))
    assert judging.named(outcome) == {"other_expansion"}, outcome
    judging.assert_accepted(chapter_03.resnet50.check(network_answers.resnet50), "pytorch")


def test_resnet_50_in_keras_is_accepted():
    outcome = chapter_03.resnet50.check(lambda width: own("tensorflow", 50, width=width))
    judging.assert_accepted(outcome, "tensorflow")


def test_sections_exist_and_texts_are_there():
    judging.assert_sections_exist(ex)
    judging.assert_keys_unique_and_texts_there(ex)
    assert len({a.mistake.key for a in BOTTLENECKS}) == len(BOTTLENECKS)


def test_the_table_in_contributing_lists_what_is_tested():
    judging.assert_listed_in_contributing(CASES)
