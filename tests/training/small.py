"""What the tests of training share: a few digits, and small networks."""

from dataclasses import replace

from resnet_lessons import datasets, resnet_config, training


def small(images, dataset=None):
    """The first images of a dataset, of digits unless another is given, as a dataset of its own."""
    dataset = dataset or datasets.load_dataset("digits")
    parts = {
        name: datasets.Part(getattr(dataset, name).images[:images], getattr(dataset, name).labels[:images])
        for name in ("train", "test")
    }
    return replace(dataset, **parts)


def network(framework, *, dtype="float32", depth=8):
    """A ResNet-8 with four channels in its first stage, for digits."""
    return training.new_network(framework, resnet_config(depth, family="cifar", in_channels=1, width=4), dtype=dtype)
