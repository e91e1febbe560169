"""Datasets as they are stored: the hub's schemas, parquet files, folders of classes, idx files; and their faults."""

import os
from dataclasses import replace
from pathlib import Path

from resnet_lessons import datasets
from resnet_lessons.datasets.catalogue import CATALOGUE
from tests.mirrors import LAYOUT, encoded, isolate, pixels, write_folders, write_idx, write_parquet, write_published
from tests.real_cifar10 import cifar10, needs_cifar10

import numpy as np
import pytest
from PIL import Image

DATA = os.environ.get(datasets.VARIABLE)
SMALL = [name for name, published in CATALOGUE.items() if published.small]
PHOTOS = [name for name, published in CATALOGUE.items() if not published.small and not published.streamed]


@pytest.fixture
def data(monkeypatch, tmp_path):
    monkeypatch.setitem(CATALOGUE, "fashion_mnist", replace(CATALOGUE["fashion_mnist"], elsewhere=()))
    return isolate(monkeypatch, tmp_path)


def photographs(count, seed=0):
    """JPEG files of many sizes."""
    sizes = np.random.default_rng(seed).integers(30, 90, (count, 2))
    return [encoded(pixels(1, tuple(size), seed=n)[0], "JPEG") for n, size in enumerate(sizes)]


# The hub's schemas ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
def test_small_images_are_read_by_the_hubs_schema(data, name):
    published = CATALOGUE[name]
    size = (28, 28) if name == "fashion_mnist" else (32, 32)
    train, test = (pixels(count, size, published.channels, seed=count) for count in (12, 7))
    write_published(data, name, [encoded(image) for image in train], [encoded(image) for image in test])
    found = datasets.load_dataset(name)
    np.testing.assert_array_equal(found.train.images, train)
    np.testing.assert_array_equal(found.test.images, test)
    np.testing.assert_array_equal(found.test.labels, range(7))
    assert found.image_shape == (published.channels, *size)
    assert found.class_names == tuple(f"class {number}" for number in range(published.classes))
    np.testing.assert_allclose(found.mean, train.mean(axis=(0, 1, 2)) / 255)
    np.testing.assert_allclose(found.std, train.std(axis=(0, 1, 2)) / 255)


@pytest.mark.parametrize("name", PHOTOS)
def test_photographs_are_read_by_the_hubs_schema(data, name):
    train, test = photographs(9), photographs(5, seed=1)
    write_published(data, name, train, test)
    found = datasets.load_dataset(name)
    assert (len(found.train), len(found.test), found.image_shape) == (9, 5, (3, 224, 224))
    assert len(found.class_names) == CATALOGUE[name].classes
    assert (found.mean, found.std) == (datasets.IMAGENET_MEAN, datasets.IMAGENET_STD)
    assert [found.test.pictures[number].content for number in range(5)] == test
    (batch,) = found.batches(found.test, 5)
    assert batch[0].shape == (5, 3, 224, 224)
    np.testing.assert_array_equal(batch[1], range(5))
    assert datasets.load_dataset(name, image_size=96).image_shape == (3, 96, 96)


def test_small_images_are_enlarged_if_a_size_is_asked_for(data):
    images = [encoded(image) for image in pixels(3, (28, 28), 1)]
    write_published(data, "fashion_mnist", images, images)
    found = datasets.load_dataset("fashion_mnist", image_size=64)
    assert found.batches(found.test, 3)[0][0].shape == (3, 3, 64, 64)  # as networks for photographs want them
    with pytest.raises(ValueError, match=r"image_size is for pictures .*; the images of digits keep their size"):
        datasets.load_dataset("digits", image_size=64)


def test_a_published_dataset_that_is_not_divided_is_refused(data):
    images = [encoded(image) for image in pixels(3)]
    file = data / "ILSVRC" / "imagenet-1k" / "data" / "images.parquet"
    write_parquet(file, images, [0, 1, 2], [f"class {number}" for number in range(1000)])
    with pytest.raises(ValueError, match="imagenet has both, in folders or files named train and validation"):
        datasets.load_dataset("imagenet")


def test_cifar_100_has_its_hundred_classes_not_the_twenty_coarse_ones(data):
    write_published(data, "cifar100", *[[encoded(image) for image in pixels(101)]] * 2)
    assert len(datasets.load_dataset("cifar100").class_names) == 100


def test_another_dataset_under_a_known_name_is_noticed(data):
    write_folders(data / "uoft-cs" / "cifar10", {"train": {"cat": 1}, "test": {"cat": 1}})
    with pytest.raises(ValueError, match="has 1 classes, and cifar10 has 10: if it is another dataset, give its path"):
        datasets.load_dataset("cifar10")


def test_a_bad_image_in_a_parquet_file_is_named_by_file_and_row(data):
    images = [encoded(image) for image in pixels(4)]
    home = write_published(data, "cifar10", [*images[:2], images[2][:-40], images[3]], images)
    file = home / "plain_text" / LAYOUT["cifar10"][1].format(part="train")
    with pytest.raises(datasets.BadImageError) as caught:
        datasets.load_dataset("cifar10")
    assert str(caught.value).startswith(f"{file}, row 2 (2.img) cannot be read as an image (")
    found = datasets.load_dataset("cifar10", on_bad_image="skip")
    np.testing.assert_array_equal(found.train.labels, [0, 1, 3])
    assert [skipped.name for skipped in found.skipped] == [f"{file}, row 2 (2.img)"]


def test_class_names_that_differ_between_the_parts_are_an_error(data):
    images = [encoded(image) for image in pixels(4)]
    home = write_published(data, "cifar10", images, images)
    folder, file = LAYOUT["cifar10"]
    others = ["cat", *(f"class {number}" for number in range(1, 10))]
    write_parquet(home / folder / file.format(part="train"), images, [0, 1, 2, 3], others, ("img", "label"))
    with pytest.raises(
        ValueError, match=r"the training part lacks 'class 0' and the test part lacks 'cat'\. Both must"
    ):
        datasets.load_dataset("cifar10")
    swapped = [f"class {number}" for number in (1, 0, *range(2, 10))]
    write_parquet(home / folder / file.format(part="train"), images, [0, 1, 2, 3], swapped, ("img", "label"))
    with pytest.raises(ValueError, match="the same classes in different order, so labels mean different ones"):
        datasets.load_dataset("cifar10")


def test_labels_beyond_the_class_names_are_an_error(tmp_path):
    images = [encoded(image) for image in pixels(4)]
    write_parquet(tmp_path / "train.parquet", images, [0, 1, 0, 1], ["cat", "dog"])
    file = tmp_path / "test-00000-of-00001.parquet"
    write_unchecked(file, images, [0, 1, 2, 1], ["cat", "dog"])
    with pytest.raises(
        ValueError, match=r"test-00000-of-00001\.parquet, row 2 has the label 2, and the classes are 0 to 1"
    ):
        datasets.load_dataset(tmp_path)
    write_unchecked(file, images, [0, -1, -1, -1], ["cat", "dog"])
    with pytest.raises(
        ValueError, match=r"row 1 has the label -1, .* kept secret, .* test on the validation part instead"
    ):
        datasets.load_dataset(tmp_path)


def write_unchecked(file, images, labels, names):
    """The `datasets` library refuses labels that are no class; other programs do not."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_parquet(file, images, [0] * len(images), names)
    table = pq.read_table(file)
    pq.write_table(table.set_column(1, table.schema.field("label"), pa.array(labels)), file)


# Parquet files of one's own -------------------------------------------------------------------------------------------


def test_a_parquet_file_of_bytes_and_words_is_divided_by_class(tmp_path):
    """No features noted: a column of bytes, a column of words."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = pixels(20, (16, 16))
    words = ["dog", "cat"] * 10
    file = tmp_path / "pets.parquet"
    pq.write_table(pa.table({"picture": [encoded(image) for image in images], "class": words}), file)
    found = datasets.load_dataset(file)
    assert found.class_names == ("cat", "dog")
    assert (len(found.train), len(found.test)) == (16, 4)
    np.testing.assert_array_equal(np.bincount(found.test.labels), [2, 2])
    pairs = {image.tobytes(): word for image, word in zip(images, words, strict=True)}
    for part in (found.train, found.test):
        assert [pairs.pop(image.tobytes()) for image in part.images] == [found.class_names[n] for n in part.labels]
    assert pairs == {}
    again = datasets.load_dataset(str(file), test_share=0.5)
    assert len(again.test) == 10


def test_photographs_in_one_parquet_file_are_divided_too(data, tmp_path):
    write_parquet(tmp_path / "photos.parquet", photographs(10), [0, 1] * 5, ["cat", "dog"])
    found = datasets.load_dataset(tmp_path / "photos.parquet", image_size=40)
    assert (len(found.train), len(found.test), found.image_shape) == (8, 2, (3, 40, 40))
    names = {picture.pictures[n].name for picture in (found.train, found.test) for n in range(len(picture))}
    assert len(names) == 10


def test_a_class_without_images_in_a_parquet_file_is_named(tmp_path):
    images = [encoded(image) for image in pixels(4)]
    for part in ("train", "test"):
        write_parquet(tmp_path / f"{part}.parquet", images, [0, 2, 0, 2], ["cat", "cow", "dog"])
    with pytest.raises(ValueError, match=r"train\.parquet: no image is of the class 'cow'"):
        datasets.load_dataset(tmp_path)


def test_what_is_no_parquet_file_or_has_no_images_is_named(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "train.parquet"
    file.write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"train\.parquet is damaged or no parquet file .* get it again") as caught:
        datasets.load_dataset(file)
    assert "\n" not in str(caught.value)
    pq.write_table(pa.table({"x": [1, 2], "y": [3, 4]}), file)
    with pytest.raises(ValueError, match=r"train\.parquet has the columns x, y; there must be one of encoded images"):
        datasets.load_dataset(file)


def test_images_of_other_sizes_in_the_test_part_are_noticed(tmp_path):
    for part, size in (("train", 16), ("test", 20)):
        images = [encoded(image) for image in pixels(4, (size, size))]
        write_parquet(tmp_path / f"{part}.parquet", images, [0, 1, 0, 1], ["cat", "dog"])
    with pytest.raises(ValueError, match="give image_size to bring them to one size"):
        datasets.load_dataset(tmp_path)


# Folders of classes ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("test", ["test", "val", "validation", "valid"])
def test_a_folder_of_class_folders(tmp_path, test):
    write_folders(tmp_path, {"train": {"dog": 5, "cat": 3}, test: {"cat": 2, "dog": 1}})
    (tmp_path / "train" / "dog" / "notes.txt").write_text("not an image")
    (tmp_path / "train" / ".cache").mkdir()
    found = datasets.load_dataset(tmp_path)
    assert found.class_names == ("cat", "dog")
    np.testing.assert_array_equal(found.train.labels, [0] * 3 + [1] * 5)
    np.testing.assert_array_equal(found.test.labels, [0, 0, 1])
    assert Path(found.train.pictures[0].name) == tmp_path / "train" / "cat" / "0.jpg"
    assert found.batches(found.train, 8)[0][0].shape == (8, 3, 224, 224)


def test_an_undivided_folder_gives_a_fifth_of_each_class_to_the_test(tmp_path):
    write_folders(tmp_path, {"": {"bus": 10, "train": 5, "tram": 2}})  # "train" is a class here
    found = datasets.load_dataset(str(tmp_path))
    assert found.class_names == ("bus", "train", "tram")
    np.testing.assert_array_equal(np.bincount(found.train.labels), [8, 4, 1])
    np.testing.assert_array_equal(np.bincount(found.test.labels), [2, 1, 1])
    names = [{part.pictures[n].name for n in range(len(part))} for part in (found.train, found.test)]
    assert len(names[0] | names[1]) == 17
    again = datasets.load_dataset(str(tmp_path))
    assert [picture.name for picture in again.test.pictures] == [picture.name for picture in found.test.pictures]


def test_small_images_of_one_size_are_held_in_memory(tmp_path):
    write_folders(tmp_path, {"train": {"a": 3, "b": 3}, "test": {"a": 1, "b": 1}}, size=(20, 30))
    found = datasets.load_dataset(tmp_path)
    assert isinstance(found.train, datasets.Part)
    assert found.image_shape == (3, 20, 30)
    (tmp_path / "train" / "b" / "9.png").write_bytes(encoded(pixels(1, (20, 31))[0]))
    with pytest.raises(ValueError, match=r"9\.png is 31×20 pixels where others are 30×20; give image_size"):
        datasets.load_dataset(tmp_path)
    assert datasets.load_dataset(tmp_path, image_size=16).image_shape == (3, 16, 16)


def test_faulty_folders_are_named_with_the_cure(tmp_path):
    write_folders(tmp_path, {"train": {"cat": 2, "dog": 2}, "test": {"cat": 2, "dog": 2}})
    (tmp_path / "train" / "cow").mkdir()
    with pytest.raises(ValueError, match=r"train/cow holds no image: put images .*, or remove the folder"):
        datasets.load_dataset(tmp_path)
    (tmp_path / "train" / "cow" / "1.jpg").write_bytes(encoded(pixels(1)[0], "JPEG"))
    with pytest.raises(ValueError, match=r"the test part lacks 'cow'\. Both must have the same classes"):
        datasets.load_dataset(tmp_path)
    (tmp_path / "train" / "cow").rename(tmp_path / "test" / "Cow")
    with pytest.raises(ValueError, match="the training part lacks 'Cow'"):
        datasets.load_dataset(tmp_path)


def test_what_is_missing_of_a_folder_is_named(tmp_path):
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ValueError, match="nothing holds no dataset: it may be a folder of class folders"):
        datasets.load_dataset(tmp_path / "nothing")
    write_folders(tmp_path / "half", {"train": {"cat": 2, "dog": 2}})
    with pytest.raises(ValueError, match="has a training part and none to test on: put one beside it"):
        datasets.load_dataset(tmp_path / "half")
    write_folders(tmp_path / "few", {"": {"cat": 5, "dog": 1}})
    with pytest.raises(ValueError, match=r"has 1 image of dog; dividing it .* takes at least two"):
        datasets.load_dataset(tmp_path / "few")
    with pytest.raises(ValueError, match=r"test_share is 1.5; it lies between 0 and 1"):
        datasets.load_dataset(tmp_path / "few", test_share=1.5)
    with pytest.raises(ValueError, match="image_size is 0"):
        datasets.load_dataset(tmp_path / "few", image_size=0)


def test_photographs_of_all_kinds_in_one_folder(tmp_path):
    """Colour, grey, CMYK, palette, with alpha, turned by a camera, and one that is damaged."""
    photo = Image.fromarray(pixels(1, (80, 60))[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    write_folders(tmp_path, {"train": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}})
    folder = tmp_path / "train" / "a"
    photo.convert("L").save(folder / "grey.jpg")
    photo.convert("CMYK").save(folder / "press.jpg")
    photo.convert("P").save(folder / "palette.gif")
    photo.convert("RGBA").save(folder / "alpha.png")
    photo.save(folder / "turned.JPEG", exif=exif)
    (folder / "zz.jpg").write_bytes(encoded(pixels(1, (80, 60))[0], "JPEG")[:900])
    found = datasets.load_dataset(tmp_path, image_size=32)
    with pytest.raises(datasets.BadImageError, match=r"a/zz\.jpg cannot be read"):
        list(found.batches(found.train, 8))
    skipping = datasets.load_dataset(tmp_path, image_size=32, on_bad_image="skip")
    images = np.concatenate([images for images, _ in skipping.batches(skipping.train, 3)])
    assert images.shape == (7, 3, 32, 32)
    assert [Path(skipped.name).name for skipped in skipping.skipped] == ["zz.jpg"]


# idx ------------------------------------------------------------------------------------------------------------------


def write_mnist(root, ending=""):
    for prefix, count in (("train", 20), ("t10k", 10)):
        write_idx(root / f"{prefix}-images-idx3-ubyte{ending}", pixels(count, (28, 28), seed=count)[..., 0])
        write_idx(root / f"{prefix}-labels-idx1-ubyte{ending}", np.arange(count).astype(np.uint8) % 10)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files_are_read(tmp_path, ending):
    write_mnist(tmp_path, ending)
    found = datasets.load_dataset(tmp_path)
    np.testing.assert_array_equal(found.train.images, pixels(20, (28, 28), seed=20)[..., :1])
    np.testing.assert_array_equal(found.test.labels, range(10))
    assert found.class_names == tuple("0123456789")


def test_faulty_idx_files_are_named(tmp_path):
    write_mnist(tmp_path)
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "t10k-labels-idx1-ubyte"
    whole = images.read_bytes()
    images.write_bytes(whole[:5000])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte is damaged: its header announces 15,680 bytes"):
        datasets.load_dataset(tmp_path)
    images.write_bytes(b"<html>")
    with pytest.raises(ValueError, match="train-images-idx3-ubyte is no idx file of bytes"):
        datasets.load_dataset(tmp_path)
    images.write_bytes(whole)
    write_idx(labels, np.array([0, 1, 12, 3, 4, 5, 6, 7, 8, 9], np.uint8))
    with pytest.raises(
        ValueError, match=r"t10k-labels-idx1-ubyte, number 2, has the label 12, and the classes are 0 to 9"
    ):
        datasets.load_dataset(tmp_path)
    write_idx(labels, np.zeros(9, np.uint8))
    with pytest.raises(ValueError, match="do not belong together"):
        datasets.load_dataset(tmp_path)
    labels.unlink()
    with pytest.raises(ValueError, match="has a training part and none to test on"):
        datasets.load_dataset(tmp_path)
    write_mnist(tmp_path, ".gz")
    (tmp_path / "train-images-idx3-ubyte").unlink()
    archive = tmp_path / "train-images-idx3-ubyte.gz"
    archive.write_bytes(archive.read_bytes()[:2000])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz cannot be read"):
        datasets.load_dataset(tmp_path)


# The real ones --------------------------------------------------------------------------------------------------------


@needs_cifar10
def test_the_real_cifar_10():
    found = cifar10()
    assert (len(found.train), len(found.test), found.image_shape) == (50_000, 10_000, (3, 32, 32))
    np.testing.assert_array_equal(np.bincount(found.train.labels), [5000] * 10)
    np.testing.assert_array_equal(np.bincount(found.test.labels), [1000] * 10)
    # As everybody quotes them, to five digits.
    np.testing.assert_allclose(found.mean, (0.49140, 0.48216, 0.44653), atol=5e-6)
    np.testing.assert_allclose(found.std, (0.24703, 0.24349, 0.26159), atol=5e-6)
    assert found.class_names[3] == "cat"


@pytest.mark.skipif(
    not DATA or not Path(DATA, "imagenette_small").is_dir(),
    reason=f"set {datasets.VARIABLE} to a folder that holds imagenette_small (train and val, a folder a class)",
)
def test_real_photographs():
    found = datasets.load_dataset(Path(DATA, "imagenette_small"))
    assert found.class_names[0] == "tench"
    assert (len(found.train), len(found.test)) == (800, 300)
    assert found.train.check() == ()
    images, _ = found.batches(found.test, 64)[0]
    assert images.shape == (64, 3, 224, 224)
    # Some of ImageNet's photographs are grey: their channels are one and the same.
    grey = [n for n in range(len(found.train)) if Image.open(found.train.pictures[n].content).mode == "L"]
    assert grey
    part = datasets.Photos([found.train.pictures[n] for n in grey], found.train.labels[grey], 64)
    (batch,) = replace(found, mean=(0.0,) * 3, std=(1.0,) * 3).batches(part, len(grey))
    np.testing.assert_array_equal(batch[0][:, 0], batch[0][:, 2])


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(), reason="install Debian's package dataset-fashion-mnist"
)
def test_the_real_fashion_mnist_of_debian(monkeypatch, tmp_path):
    isolate(monkeypatch, tmp_path)
    found = datasets.load_dataset("fashion_mnist")
    assert (len(found.train), len(found.test), found.image_shape) == (60_000, 10_000, (1, 28, 28))
    np.testing.assert_array_equal(np.bincount(found.train.labels), [6000] * 10)
    np.testing.assert_array_equal(np.bincount(found.test.labels), [1000] * 10)
    assert found.class_names[int(found.train.labels[0])] == "Ankle boot"
    assert found.mean[0] == pytest.approx(0.2860, abs=5e-5)
    assert found.std[0] == pytest.approx(0.3530, abs=5e-5)
