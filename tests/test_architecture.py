"""The description of the networks agrees with the papers and with published counts."""

import pickle
import warnings

from resnet_lessons import resnet_config, trace
from resnet_lessons.architecture import FAMILIES, VERSIONS, ResNetConfig, one_pixel_size

import pytest

# Parameters of torchvision / timm `resnet*` (v1 and v1.5) and timm `resnetv2_*` (v2), 1000 classes.
IMAGENET_PARAMETERS = {
    18: {"v1": 11_689_512, "v2": 11_687_720},
    34: {"v1": 21_797_672, "v2": 21_795_880},
    50: {"v1": 25_557_032, "v1.5": 25_557_032, "v2": 25_549_352},
    101: {"v1": 44_549_160, "v1.5": 44_549_160, "v2": 44_541_480},
    152: {"v1": 60_192_808, "v1.5": 60_192_808, "v2": 60_185_128},
}
# Multiply-adds at 224×224; v2 has its stride where v1.5 has it.
IMAGENET_MACS = {
    18: {"v1": 1_814_073_344},
    34: {"v1": 3_663_761_408},
    50: {"v1": 3_857_973_248, "v1.5": 4_089_184_256, "v2": 4_089_184_256},
    101: {"v1": 7_570_194_432, "v1.5": 7_801_405_440, "v2": 7_801_405_440},
    152: {"v1": 11_282_415_616, "v1.5": 11_513_626_624, "v2": 11_513_626_624},
}
# BN buffers of v1: mean and variance of every channel.
IMAGENET_BN_BUFFERS = {18: 9_600, 34: 17_024, 50: 53_120, 101: 105_344, 152: 151_424}
# CIFAR: (v1 A, v1 B, v2 A, v2 B, MACs of v1 A at 32×32), 10 classes.
CIFAR = {
    20: (269_722, 272_474, 269_722, 272_282, 40_551_040),
    32: (464_154, 466_906, 464_154, 466_714, 68_862_592),
    44: (658_586, 661_338, 658_586, 661_146, 97_174_144),
    56: (853_018, 855_770, 853_018, 855_578, 125_485_696),
    110: (1_727_962, 1_730_714, 1_727_962, 1_730_522, 252_887_680),
    1202: (19_421_274, 19_424_026, 19_421_274, 19_423_834, 2_829_238_912),
}


def macs(config, size):
    return sum(layer.macs for layer in trace(config, size))


@pytest.mark.parametrize(("depth", "version"), [(d, v) for d, row in IMAGENET_PARAMETERS.items() for v in row])
def test_imagenet_parameters_are_the_published_ones(depth, version):
    assert resnet_config(depth, version).parameters == IMAGENET_PARAMETERS[depth][version]


@pytest.mark.parametrize(("depth", "version"), [(d, v) for d, row in IMAGENET_MACS.items() for v in row])
def test_imagenet_macs_at_224(depth, version):
    assert macs(resnet_config(depth, version), (224, 224)) == IMAGENET_MACS[depth][version]


@pytest.mark.parametrize("depth", IMAGENET_BN_BUFFERS)
def test_bn_has_as_many_buffers_as_parameters(depth):
    norms = [layer for layer in trace(resnet_config(depth)) if layer.kind == "bn"]
    assert sum(layer.parameters for layer in norms) == IMAGENET_BN_BUFFERS[depth]


@pytest.mark.parametrize(
    ("depth", "option", "count"),
    [(18, "A", 11_515_688), (18, "C", 12_043_816), (34, "A", 21_623_848), (34, "C", 22_716_840)],
)
def test_shortcut_options_cost_what_they_cost(depth, option, count):
    assert resnet_config(depth, shortcut=option).parameters == count


@pytest.mark.parametrize("depth", CIFAR)
def test_cifar_counts(depth):
    v1_a, v1_b, v2_a, v2_b, macs_v1_a = CIFAR[depth]
    found = [
        resnet_config(depth, version, family="cifar", shortcut=option).parameters
        for version, option in [("v1", "A"), ("v1", "B"), ("v2", "A"), ("v2", "B")]
    ]
    assert found == [v1_a, v1_b, v2_a, v2_b]
    assert macs(resnet_config(depth, family="cifar"), (32, 32)) == macs_v1_a


@pytest.mark.parametrize(
    ("depth", "option", "count"),
    [(164, "B", 1_703_258), (164, "A", 1_661_274), (1001, "B", 10_327_706), (1001, "A", 10_285_722)],
)
def test_preactivation_bottlenecks_of_the_second_paper(depth, option, count):
    assert resnet_config(depth, "v2", family="cifar", shortcut=option).parameters == count


def test_v1_5_costs_six_percent_more_than_v1():
    ratio = macs(resnet_config(50, "v1.5"), 224) / macs(resnet_config(50, "v1"), 224)
    assert ratio == pytest.approx(1.0599, abs=1e-4)


def test_the_plain_network_is_the_residual_one_without_shortcuts():
    plain, residual = (resnet_config(20, family="cifar", shortcut=option) for option in ("none", "A"))
    assert plain.name == "plain-20"
    assert plain.parameters == residual.parameters  # option A has no parameters
    dropped = {layer.kind for layer in trace(residual)} - {layer.kind for layer in trace(plain)}
    assert dropped == {"add", "pad"}


def test_defaults_are_the_papers():
    assert resnet_config(50).shortcut == "B"
    assert resnet_config(20, family="cifar").shortcut == "A"
    assert resnet_config(164, "v2", family="cifar").shortcut == "B"
    assert (resnet_config(50).width, resnet_config(20, family="cifar").width) == (64, 16)
    assert (resnet_config(50).num_classes, resnet_config(20, family="cifar").num_classes) == (1000, 10)


def test_depth_counts_the_weighted_layers():
    """The number in a network's name: convolutions on the branches, the stem and the dense layer."""
    for config in [resnet_config(d) for d in (18, 34, 50, 101, 152)] + [
        resnet_config(d, family="cifar") for d in (20, 110, 164, 1001)
    ]:
        weighted = [
            layer for layer in trace(config) if layer.kind in ("conv", "dense") and "downsample" not in layer.name
        ]
        assert len(weighted) == config.depth


@pytest.mark.parametrize("size", [(224, 224), (225, 161), (33, 32), (7, 300)])
def test_shapes_chain_and_branches_meet(size):
    for version in VERSIONS:
        layers = trace(resnet_config(50, version), size)
        by_name = {layer.name: layer for layer in layers}
        for layer in layers:
            if layer.kind == "add":
                block = layer.name.removesuffix(".add")
                last = by_name[f"{block}.bn3" if version != "v2" else f"{block}.conv3"]
                assert last.out_shape == layer.in_shape
                if f"{block}.downsample.0" in by_name:
                    assert by_name[f"{block}.downsample.0"].out_shape == layer.in_shape


def test_receptive_field_of_known_layers():
    """7×7/2, then 3×3/2 max-pool: 11 pixels; a 3×3 at jump 4 adds 8. (ResNet-18's last map: 435, as often published.)"""
    field = {layer.name: layer.receptive_field for layer in trace(resnet_config(18))}
    assert field["conv1"] == 7
    assert field["maxpool"] == 11
    assert field["layer1.0.conv1"] == 19
    assert field["layer1.0.conv2"] == 27
    assert field["layer4.1.conv2"] == 435


def test_a_map_of_one_pixel_is_announced():
    with pytest.warns(UserWarning, match=r"ResNet-18 v1: from layer4\.0\.bn1 on the maps are 1×1"):
        trace(resnet_config(18), (32, 32))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace(resnet_config(18), (33, 32))


@pytest.mark.parametrize("config", [resnet_config(18), resnet_config(50, "v2"), resnet_config(20, family="cifar")])
def test_one_pixel_size_is_where_the_trace_begins_to_warn(config):
    side = one_pixel_size(config)
    with pytest.warns(UserWarning, match="1×1"):
        trace(config, side)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace(config, (1, side + 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"depth": 18, "version": "v1.5"}, "needs? a bottleneck|bottleneck's first 1×1"),
        ({"depth": 37}, "18, 34, 50, 101, 152"),
        ({"depth": 37, "family": "cifar"}, "32, 38"),
        ({"depth": 20}, 'family="cifar"'),
        ({"depth": 18, "family": "cifar"}, 'family="imagenet"'),
        ({"depth": 50, "version": "v3"}, r"version is 'v3'; it is one of v1, v1\.5, v2"),
        ({"depth": 50, "family": "mnist"}, "imagenet, cifar"),
        ({"depth": 50, "shortcut": "D"}, "A, B, C, none"),
        ({"depth": "50"}, "whole number"),
        ({"depth": 50, "num_classes": 0}, "num_classes is 0"),
        ({"depth": 50, "width": 1.5}, "width is 1.5"),
        ({"depth": 50, "bn_eps": -1}, "bn_eps is -1"),
        ({"depth": 20, "family": "cifar", "shortcut": "none", "zero_init_residual": True}, "needs a shortcut"),
    ],
)
def test_a_network_that_does_not_exist_is_explained(arguments, message):
    with pytest.raises(ValueError, match=message):
        resnet_config(**arguments)


@pytest.mark.parametrize("size", [0, (224,), (224, 0), "224", (1.5, 2)])
def test_an_image_size_that_is_none_is_explained(size):
    with pytest.raises(ValueError, match=r"height and width in pixels|image_size"):
        trace(resnet_config(50), size)


def test_configs_are_values():
    config = resnet_config(50, "v1.5", num_classes=7)
    assert pickle.loads(pickle.dumps(config)) == config
    assert ResNetConfig(**config.to_dict()) == config
    assert len({config, resnet_config(50, "v1.5", num_classes=7)}) == 1
    with pytest.raises(AttributeError):
        config.depth = 18


def test_every_family_and_version_has_a_name():
    assert resnet_config(50, "v1.5").name == "ResNet-50 v1.5"
    assert FAMILIES == ("imagenet", "cifar")
