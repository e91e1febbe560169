"""Alignment goes by what is used and what feeds what, never by names; where there is none, it says why."""

from resnet_lessons import checks, tf_resnet, torch_resnet
from tests.checks import answers

import pytest
import torch
from torch import nn

Right = answers.make("pytorch", answers.right)


class Backwards(nn.Module):
    """A bottleneck with its layers made in another order, its shortcut computed first, and names that mislead."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(8, 8, 1, bias=False)  # the third
        self.bn1, self.bn2 = nn.BatchNorm2d(8), nn.BatchNorm2d(8)  # the shortcut's, the third
        self.conv3 = nn.Conv2d(8, 8, 1, bias=False)  # the first
        self.bn4, self.bn3 = nn.BatchNorm2d(8), nn.BatchNorm2d(8)  # the first, the second
        self.x = nn.Conv2d(8, 8, 1, bias=False)  # the shortcut's
        self.middle = nn.Conv2d(8, 8, 3, padding=1, bias=False)

    def forward(self, x):
        carried = self.bn1(self.x(x))
        out = torch.relu(self.bn3(self.middle(torch.relu(self.bn4(self.conv3(x))))))
        return torch.relu(carried + self.bn2(self.conv1(out)))


class _OneWidth(nn.Module):
    """The same with torchvision's names, branch first: four 8-channel BN layers and three 1×1 convolutions alike."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv3 = (nn.Conv2d(8, 8, 1, bias=False) for _ in range(2))
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn1, self.bn2, self.bn3 = (nn.BatchNorm2d(8) for _ in range(3))
        self.downsample = nn.Sequential(nn.Conv2d(8, 8, 1, bias=False), nn.BatchNorm2d(8))

    def forward(self, x):
        out = torch.relu(self.bn1(self.conv1(x)))
        out = torch.relu(self.bn2(self.conv2(out)))
        return torch.relu(self.bn3(self.conv3(out)) + self.downsample(x))


BY_FLOW = {
    "conv3": "conv1",
    "bn4": "bn1",
    "middle": "conv2",
    "bn3": "bn2",
    "conv1": "conv3",
    "bn2": "bn3",
    "x": "downsample.0",
    "bn1": "downsample.1",
}


def test_layers_of_one_shape_are_told_apart_by_what_feeds_them():
    assert checks.align(Backwards(), _OneWidth()).layers == BY_FLOW


def test_the_mapping_carries_weights_across():
    ours, theirs = Backwards(), _OneWidth()
    found = checks.align(ours, theirs)
    state = theirs.state_dict()
    ours.load_state_dict({mine: state[other] for mine, other in found.tensors.items()}, strict=False)
    x = torch.randn(2, 8, 5, 5)
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    assert len(found.tensors) == 4 + 4 * 4


@pytest.mark.parametrize("depth", [20, 18])
def test_a_whole_network_is_aligned_with_its_twin_in_the_other_framework(depth):
    fields = {"family": "cifar", "shortcut": "B", "width": 4} if depth == 20 else {"width": 4}
    net = torch_resnet.resnet(depth, **fields)
    twin = tf_resnet.resnet(depth, image_size=(32, 32), **fields)
    found = checks.align(twin, net)
    assert found, found.reason
    assert {name.replace(".", "_") for name in found.layers.values()} == set(found.layers)
    assert all(ours == theirs.replace(".", "_") for ours, theirs in found.layers.items())


def test_a_keras_block_is_aligned_with_pytorch_s():
    found = checks.align(answers.keras_styles()["subclassed model"](6), torch_resnet.BasicBlock(6, 6))
    assert sorted(found.layers.values()) == ["bn1", "bn2", "conv1", "conv2"]
    assert len(found.tensors) == 10


class Parallel(nn.Module):
    """Two parallel layers of one shape, of which one is rectified: only what they compute tells them apart."""

    def __init__(self, swapped=False):
        super().__init__()
        self.a, self.b, self.swapped = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1), swapped

    def forward(self, x):
        if self.swapped:
            return self.a(x) + torch.relu(self.b(x))
        return torch.relu(self.a(x)) + self.b(x)


def test_behaviour_decides_where_the_flow_of_data_cannot():
    before = (net := Parallel()).a.weight.clone()
    assert checks.align(net, Parallel()).layers == {"a": "a", "b": "b"}
    assert checks.align(Parallel(swapped=True), net).layers == {"b": "a", "a": "b"}
    assert torch.equal(net.a.weight, before)


def test_a_network_that_hides_its_graph_is_aligned_by_the_order_of_use():
    class Hidden(Right):
        def forward(self, x):
            with torch.no_grad():
                return super().forward(x)

    assert checks.align(Hidden(6), torch_resnet.BasicBlock(6, 6)).layers == {
        name: name for name in ("conv1", "bn1", "conv2", "bn2")
    }


def three(b, x):
    return b.relu(x + b.bn2(b.conv2(b.conv2(b.relu(b.bn1(b.conv1(x)))))))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            nn.Sequential(*(nn.Conv2d(6, 6, 3, padding=1) for _ in range(3))),
            "uses 3 convolutions where the reference has 2",
        ),
        (
            answers.make("pytorch", answers.WRONG["no_first_bn"][0][0], norms=(2,))(6),
            "1 BN layer where the reference has 2",
        ),
        (answers.make("pytorch", three)(6), "runs its convolutions 3 times, the reference 2 times"),
        (
            answers.make("pytorch", answers.right, kernel=1)(6),
            "2 of the reference's 3×3 convolutions, from 6 to 6 channels, have no counterpart; yours has one of 1×1 from 6 to 6",
        ),
        (
            answers.make("pytorch", answers.WRONG["one_bn_for_both"][0][0], norms=(1,))(6),
            "1 BN layer where the reference has 2",
        ),
        (nn.ReLU(), "no convolutions where the reference has 2"),
    ],
    ids=["three", "missing", "used twice", "other shape", "shared", "none"],
)
def test_without_a_mapping_there_is_a_reason(answer, reason):
    found = checks.align(answer, torch_resnet.BasicBlock(6, 6))
    assert not found
    assert reason in found.reason


def test_what_is_no_block_is_refused():
    with pytest.raises(TypeError, match="a block is a torch"):
        checks.align(3, torch_resnet.BasicBlock(6, 6))
