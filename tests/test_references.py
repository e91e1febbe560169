"""The twins against networks that others wrote: Hugging Face transformers and keras.applications, random weights."""

from functools import lru_cache

from resnet_lessons import parity, pretrained, tf_resnet, torch_resnet
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.tf_layers import dtype_of_layers

import keras
import numpy as np
import pytest
import torch

transformers = pytest.importorskip("transformers", reason="pip install 'resnet-lessons[test]' brings transformers")

HUGGING_FACE = {
    (18, "v1"): {"depths": [2, 2, 2, 2], "layer_type": "basic", "hidden_sizes": [64, 128, 256, 512]},
    (34, "v1"): {"depths": [3, 4, 6, 3], "layer_type": "basic", "hidden_sizes": [64, 128, 256, 512]},
    (50, "v1"): {"depths": [3, 4, 6, 3], "downsample_in_bottleneck": True},
    (50, "v1.5"): {"depths": [3, 4, 6, 3]},
    (101, "v1.5"): {"depths": [3, 4, 23, 3]},
}


@lru_cache(maxsize=1)  # both frameworks are compared with it, one after the other
def hugging_face(depth, version):
    torch.manual_seed(0)
    options = HUGGING_FACE[depth, version]
    theirs = transformers.ResNetForImageClassification(transformers.ResNetConfig(num_labels=7, **options)).eval()
    parity.randomize_batch_norm(theirs)
    return theirs


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("depth", "version"), HUGGING_FACE)
def test_hugging_face_resnets_give_the_same_logits(depth, version, framework):
    theirs = hugging_face(depth, version)
    ours = pretrained.load(theirs, framework=framework)
    assert (ours.config.depth, ours.config.version) == (depth, version)
    for size in ((64, 64), (65, 71)):
        x = np.random.default_rng(0).standard_normal((2, 3, *size)).astype("float32")
        with torch.no_grad():
            expected = theirs(torch.tensor(x)).logits.numpy()
        np.testing.assert_allclose(parity.wrap(ours).outputs(x), expected, atol=1e-4 * np.abs(expected).max())


@lru_cache(maxsize=1)
def keras_application(name):
    """A network of keras.applications with random biases and BN tensors: fresh ones would hide a mistake."""
    theirs = getattr(keras.applications, name)(
        weights=None, classes=7, classifier_activation=None, input_shape=(64, 64, 3)
    )
    generator = np.random.default_rng(0)
    for layer in theirs.layers:
        values = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([generator.uniform(0.5, 1.5, value.shape) for value in values])
        elif len(values) == 2:
            layer.set_weights([values[0], generator.standard_normal(values[1].shape)])
    x = generator.standard_normal((2, 64, 64, 3)).astype("float32")
    return theirs, x, theirs(x, training=False).numpy()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("name", "depth"), [("ResNet50", 50), ("ResNet101", 101)])
def test_keras_applications_resnets_give_the_same_logits(name, depth, framework):
    """Their convolutions have biases, which the BN behind each takes up exactly; their eps is 1.001e-5."""
    theirs, x, expected = keras_application(name)
    ours = pretrained.load(theirs, framework=framework)
    assert (ours.config.depth, ours.config.version, ours.config.bn_eps) == (depth, "v1", 1.001e-5)
    found = parity.wrap(ours).outputs(x.transpose(0, 3, 1, 2))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
    wrong = pretrained.load(theirs, framework=framework, version="v1.5")  # the same weights, another network
    assert np.abs(parity.wrap(wrong).outputs(x.transpose(0, 3, 1, 2)) - expected).max() > 1e-2 * np.abs(expected).max()


def test_keras_applications_v2_is_recognised_and_its_difference_named():
    theirs = keras.applications.ResNet50V2(weights=None, classes=7, classifier_activation=None)
    with pytest.raises(ValueError, match="takes the stride in the last block of a stage"):
        pretrained.load(theirs)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_parameters_of_keras_applications_are_ours_and_their_biases(framework):
    """REFERENCE counts of keras.applications: 25,636,712 parameters in ResNet50, running statistics included."""
    theirs = keras.applications.ResNet50(weights=None)
    assert theirs.count_params() == 25_636_712
    ours = pretrained.load(theirs, framework=framework)
    total = sum(int(np.prod(tensor.shape)) for tensor in parity.wrap(ours).tensors().values())
    conv_biases = sum(layer.filters for layer in theirs.layers if isinstance(layer, keras.layers.Conv2D))
    assert total + conv_biases == theirs.count_params()


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("name", "version"), [("bottleneck", "v1"), ("stride_move", "v1.5")])
def test_the_recorded_bottleneck_is_what_both_frameworks_compute(framework, name, version):
    """The strided blocks with a projection that stand in for the other framework in chapters 03 and 04."""
    recording = parity.recorded(f"{name}_{framework}")
    with dtype_of_layers("float64"):
        x = keras.Input((None, None, 8), dtype="float64")
        blocks = [
            torch_resnet.Bottleneck(8, 4, 2, version=version).double(),
            keras.Model(x, tf_resnet.Bottleneck(8, 4, 2, version=version)(x)),
        ]
    for block in blocks:
        parity.copy_weights(source=recording, target=block)
        report = parity.compare(block, recording)
        assert report.agrees(1e-12), str(report)
    gamma = parity.wrap(blocks[0]).tensors()[parity.Key("downsample_1", "weight")]
    gamma.write(gamma.read() * 1.001)
    assert not parity.compare(blocks[0], recording).agrees(1e-6)


def test_other_keras_models_are_named():
    with pytest.raises(ValueError, match=r"no ResNet of keras\.applications"):
        pretrained.load(keras.applications.MobileNet(weights=None))
    headless = keras.applications.ResNet50(weights=None, include_top=False)
    with pytest.raises(ValueError, match="include_top=True"):
        pretrained.load(headless)
