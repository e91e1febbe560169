"""What `load_dataset` gives: real digits, files as published, and an explanation of what is not there."""

from resnet_lessons import datasets

import numpy as np
import pytest


@pytest.fixture(scope="module")
def digits():
    return datasets.load_dataset("digits")


def test_digits_are_real_and_split_by_class(digits):
    assert (len(digits.train), len(digits.test), digits.image_shape) == (1437, 360, (1, 8, 8))
    assert digits.train.images.max() == digits.brightest == 16
    shares = [np.bincount(part.labels) / len(part) for part in (digits.train, digits.test)]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.01)
    normalized = digits.normalized(digits.train)
    assert normalized.shape == (1437, 1, 8, 8)
    assert normalized.dtype == np.float32
    assert normalized.mean() == pytest.approx(0, abs=1e-5)
    assert normalized.std() == pytest.approx(1, abs=1e-5)


def test_what_is_not_on_this_machine_is_explained(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="digits, cifar10"):
        datasets.load_dataset("mnist")
    monkeypatch.delenv(datasets.VARIABLE, raising=False)
    with pytest.raises(ValueError, match="RESNET_LESSONS_DATA is not set"):
        datasets.load_dataset("cifar10")
    monkeypatch.setenv(datasets.VARIABLE, str(tmp_path))
    with pytest.raises(ValueError, match=r"holds no uoft-cs/cifar10"):
        datasets.load_dataset("cifar10")


def test_cifar10_is_read_from_parquet_files_of_the_hubs_schema(monkeypatch, tmp_path):
    import datasets as hub
    from PIL import Image

    generator = np.random.default_rng(0)
    pixels = {
        "train": generator.integers(0, 256, (6, 32, 32, 3), np.uint8),
        "test": np.full((3, 32, 32, 3), 7, np.uint8),
    }
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    features = hub.Features({"img": hub.Image(), "label": hub.ClassLabel(names=names)})
    folder = tmp_path / "uoft-cs" / "cifar10" / "plain_text"
    folder.mkdir(parents=True)
    for part, images in pixels.items():
        rows = {"img": [Image.fromarray(image) for image in images], "label": list(range(len(images)))}
        hub.Dataset.from_dict(rows, features=features).to_parquet(folder / f"{part}-00000-of-00001.parquet")
    monkeypatch.setenv(datasets.VARIABLE, str(tmp_path))
    found = datasets.load_dataset("cifar10")
    np.testing.assert_array_equal(found.train.images, pixels["train"])
    np.testing.assert_array_equal(found.test.images, pixels["test"])
    assert found.class_names == tuple(names)
    np.testing.assert_array_equal(found.train.labels, range(6))
    np.testing.assert_allclose(found.mean, pixels["train"].mean(axis=(0, 1, 2)) / 255)
