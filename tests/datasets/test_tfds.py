"""TensorFlow Datasets, by the random images that it makes up for tests."""

from importlib.util import find_spec

from resnet_lessons import datasets
from resnet_lessons.datasets import tfds

import numpy as np
import pytest

missing = pytest.mark.skipif(
    find_spec("tensorflow_datasets") is None, reason='pip install "resnet-lessons[tfds]" to test TensorFlow Datasets'
)


@pytest.fixture
def made_up():
    """The library's mock data: five images a part, or as many as given."""
    import tensorflow_datasets as tfds

    with tfds.testing.mock_data(num_examples=5):
        yield tfds


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setattr(tfds, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'tfds:mnist needs .* not installed: pip install "resnet-lessons\[tfds\]"'):
        datasets.load_dataset("tfds:mnist")


@missing
def test_oxford_iiit_pet_is_read_as_photographs(made_up):
    found = datasets.load_dataset("tfds:oxford_iiit_pet", image_size=64)
    assert isinstance(found.train, datasets.Photos)
    assert (len(found.train), len(found.test), len(found.class_names)) == (5, 5, 37)
    assert found.class_names[0] == "Abyssinian"
    images, labels = found.batches(found.train, 5, shuffle=True, augment="random-resized-crop-flip")[0]
    assert images.shape == (5, 3, 64, 64)
    assert set(labels) <= set(range(37))


@missing
def test_imagenet2012_is_streamed_and_evaluated_on_its_validation_part(made_up):
    found = datasets.load_dataset("tfds:imagenet2012", image_size=64)
    assert isinstance(found.test, datasets.Stream)
    assert len(found.class_names) == 1000
    whole = list(found.batches(found.train, 2, shuffle=True, seed=1))
    assert [len(labels) for _, labels in whole] == [2, 2, 1]
    for (images, labels), (others, other_labels) in zip(
        whole[1:], found.batches(found.train, 2, shuffle=True, seed=1, start=1), strict=True
    ):
        np.testing.assert_array_equal(images, others)
        np.testing.assert_array_equal(labels, other_labels)


@missing
@pytest.mark.parametrize(("name", "shape"), [("mnist", (1, 28, 28)), ("cifar10", (3, 32, 32))])
def test_small_images_are_held_in_memory_and_are_the_librarys_own_pixels(made_up, name, shape):
    found = datasets.load_dataset(f"tfds:{name}")
    assert isinstance(found.train, datasets.Part)
    assert found.image_shape == shape
    # What is made up depends on which features are asked for.
    wanted = made_up.decode.PartialDecoding({"image": True, "label": True})
    theirs = list(made_up.as_numpy(made_up.builder(name).as_dataset(split="train", decoders=wanted)))
    np.testing.assert_array_equal(found.train.images, [row["image"] for row in theirs])
    np.testing.assert_array_equal(found.train.labels, [row["label"] for row in theirs])


@missing
def test_what_it_does_not_have_is_said_in_one_sentence(monkeypatch, tmp_path):
    import tensorflow_datasets as tfds

    with pytest.raises(ValueError, match="TensorFlow Datasets has no 'nonsense'; its catalogue is at"):
        datasets.load_dataset("tfds:nonsense")
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    with pytest.raises(ValueError, match=r"not on this machine: prepare it with load_dataset\('tfds:oxford_iiit_pet'"):
        datasets.load_dataset("tfds:oxford_iiit_pet")
    with (
        tfds.testing.mock_data(num_examples=2),
        pytest.raises(ValueError, match="not a dataset of images with one label"),
    ):
        datasets.load_dataset("tfds:imdb_reviews")
