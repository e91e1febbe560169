"""Batches: every image in its place, whoever asks for it, from wherever one starts."""

import threading
import time
from dataclasses import replace

from resnet_lessons import datasets
from resnet_lessons.datasets.batches import ahead
from resnet_lessons.datasets.images import Encoded
from tests.mirrors import encoded, pixels

import numpy as np
import pytest

TRAINING = {"shuffle": True, "seed": 3, "epoch": 2, "augment": "pad-crop-flip"}


@pytest.fixture(scope="module")
def digits():
    return datasets.load_dataset("digits")


@pytest.fixture(scope="module")
def photos():
    """Pictures of many sizes, decoded when asked for; number 4 and 11 cannot be."""
    sizes = np.random.default_rng(0).integers(30, 60, (20, 2))
    contents = [encoded(pixels(1, tuple(size), seed=n)[0], "JPEG") for n, size in enumerate(sizes)]
    return [Encoded(f"{n}.jpg", content) for n, content in enumerate(contents)]


def dataset_of(pictures, on_bad_image="raise"):
    part = datasets.Photos(pictures, np.arange(len(pictures)), 24, on_bad_image=on_bad_image)
    return datasets.Dataset("photos", part, part, tuple(map(str, range(20))), 255, (0.5,) * 3, (0.25,) * 3)


def same(one, other):
    one, other = list(one), list(other)
    assert len(one) == len(other) > 0
    for (images, labels), (other_images, other_labels) in zip(one, other, strict=True):
        np.testing.assert_array_equal(images, other_images)
        np.testing.assert_array_equal(labels, other_labels)


def test_without_augmentation_batches_are_the_normalised_images_in_order(digits):
    batches = digits.batches(digits.test, 100)
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    np.testing.assert_array_equal(images, digits.normalized(digits.test))
    np.testing.assert_array_equal(labels, digits.test.labels)
    assert [len(batch) for _, batch in batches] == [100, 100, 100, 60]
    assert (len(batches), batches.images) == (4, 360)
    assert images.dtype == np.float32
    assert labels.dtype == np.int64


def test_shuffled_batches_follow_the_epochs_order(digits):
    labels = np.concatenate([batch for _, batch in digits.batches(digits.train, 64, shuffle=True, seed=1, epoch=5)])
    np.testing.assert_array_equal(labels, digits.train.labels[datasets.epoch_order(1437, 1, 5)])


def test_one_batch_asked_for_is_the_one_that_comes_in_turn(digits, photos):
    for dataset, augment in ((digits, "pad-crop-flip"), (dataset_of(photos), "random-resized-crop-flip")):
        batches = dataset.batches(dataset.train, 7, **(TRAINING | {"augment": augment}))
        same(batches, [batches[number] for number in range(len(batches))])


@pytest.mark.parametrize("augment", [None, *datasets.AUGMENTATIONS])
def test_a_training_resumed_in_the_middle_of_an_epoch_gets_the_same_batches(digits, photos, augment):
    for dataset in (digits, dataset_of(photos)):
        options = TRAINING | {"augment": augment}
        size = len(dataset.train) // 4
        whole = list(dataset.batches(dataset.train, size, **options))
        rest = dataset.batches(dataset.train, size, start=2, **options)
        assert len(rest) == len(whole) - 2
        same(rest, whole[2:])
    assert list(digits.batches(digits.test, 360, start=1)) == []


@pytest.mark.parametrize("world", [2, 3, 4])
def test_several_processes_together_get_the_batches_of_one(digits, world):
    alone = list(digits.batches(digits.train, 60, **TRAINING))
    shares = [list(digits.batches(digits.train, 60, rank=rank, world=world, **TRAINING)) for rank in range(world)]
    for number, (images, labels) in enumerate(alone):
        together, named = np.full_like(images, np.nan), np.full_like(labels, -1)
        for rank, share in enumerate(shares):
            together[rank::world], named[rank::world] = share[number]
        np.testing.assert_array_equal(together, images)
        np.testing.assert_array_equal(named, labels)


def shares(images, batch_size, world, last):
    """Which images each process gets, batch by batch."""
    part = datasets.Part(np.zeros((images, 2, 2, 1), np.uint8), np.arange(images))
    dataset = datasets.Dataset("", part, part, ("one",), 255, (0.0,), (1.0,))
    return [
        [labels.tolist() for _, labels in dataset.batches(part, batch_size, rank=rank, world=world, last=last)]
        for rank in range(world)
    ]


@pytest.mark.parametrize("images", [1, 8, 9, 10, 13, 21])
@pytest.mark.parametrize("world", [1, 2, 4])
def test_what_becomes_of_the_last_batch(images, world):
    kept = shares(images, 4, world, "keep")
    assert sorted(n for share in kept for batch in share for n in batch) == list(range(images))  # each exactly once
    filled = shares(images, 4, world, "fill")
    sizes = [[len(batch) for batch in share] for share in filled]
    assert all(size == sizes[0] for size in sizes)  # the same number of equal steps for all
    assert {n for share in filled for batch in share for n in batch} == set(range(images))
    assert sum(map(sum, sizes)) < images + world
    dropped = shares(images, 4, world, "drop")
    assert sorted(n for share in dropped for batch in share for n in batch) == list(range(images - images % 4))
    if world == 1:
        assert filled == kept


def test_both_layouts_hold_the_same_values(digits, photos):
    for dataset in (digits, dataset_of(photos)):
        first, last = (
            dataset.batches(dataset.train, 8, layout=layout, **TRAINING)[0][0] for layout in ("NCHW", "NHWC")
        )
        np.testing.assert_array_equal(first, last.transpose(0, 3, 1, 2))
        assert last.flags.c_contiguous


def test_both_frameworks_see_the_same_bytes(digits):
    import keras
    import torch

    class Sequence(keras.utils.PyDataset):
        batches = digits.batches(digits.train, 100, layout="NHWC", **TRAINING)

        def __len__(self):
            return len(self.batches)

        def __getitem__(self, index):
            return self.batches[index]

    seen = []

    class Spy(keras.layers.Layer):
        def call(self, x):
            seen.append(np.asarray(x))
            return x

    net = keras.Sequential([Spy(), keras.layers.Flatten(), keras.layers.Dense(10)])
    net.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True), run_eagerly=True)
    net.fit(Sequence(), verbose=0, shuffle=False)
    seen = seen[-len(Sequence()) :]
    theirs = digits.batches(digits.train, 100, layout="NHWC", **TRAINING)
    for ours, (images, _) in zip(seen, theirs, strict=True):
        tensor = torch.from_numpy(images).permute(0, 3, 1, 2)
        assert tensor.is_contiguous(memory_format=torch.channels_last)
        np.testing.assert_array_equal(tensor.numpy(), ours.transpose(0, 3, 1, 2))


def test_augmentation_changes_with_the_epoch_and_not_with_the_batch_size(digits):
    def whole(size, **options):
        batches = digits.batches(digits.train, size, **(TRAINING | {"shuffle": False} | options))
        return np.concatenate([images for images, _ in batches])

    np.testing.assert_array_equal(whole(100), whole(333))
    assert (whole(100) != whole(100, epoch=3)).any(axis=(1, 2, 3)).mean() > 0.9
    assert (whole(100) != whole(100, seed=4)).any(axis=(1, 2, 3)).mean() > 0.9


def test_photographs_are_brought_to_one_size(photos):
    dataset = dataset_of(photos)
    assert dataset.image_shape == (3, 24, 24)
    for augment in (None, *datasets.AUGMENTATIONS):
        images, _ = dataset.batches(dataset.train, 20, augment=augment)[0]
        assert images.shape == (20, 3, 24, 24)
    middles = dataset.batches(dataset.train, 20)[0][0]
    np.testing.assert_array_equal(dataset.batches(dataset.train, 20, augment="resize-centre-crop")[0][0], middles)
    with pytest.raises(ValueError, match=r"too large to be held in memory at once; read it with `dataset.batches"):
        dataset.normalized(dataset.train)


def test_other_means_and_deviations_replace_the_datasets_own(digits):
    images, _ = digits.batches(digits.test, 360, mean=(0.5,), std=(2.0,))[0]
    np.testing.assert_array_equal(images, digits.normalized(digits.test, (0.5,), (2.0,)))


def test_a_bad_picture_stops_the_batch_or_is_skipped_and_listed(photos):
    broken = list(photos)
    broken[4] = replace(broken[4], content=broken[4].content[:300])
    broken[11] = replace(broken[11], content=b"nothing")
    dataset = dataset_of(broken)
    with pytest.raises(datasets.BadImageError, match=r"^4\.jpg cannot be read"):
        list(dataset.batches(dataset.train, 8))
    dataset = dataset_of(broken, "skip")
    found = list(dataset.batches(dataset.train, 8))
    assert [len(labels) for _, labels in found] == [7, 7, 4]
    assert sorted(np.concatenate([labels for _, labels in found])) == [n for n in range(20) if n not in (4, 11)]
    assert {skipped.name for skipped in dataset.train.skipped} == {"4.jpg", "11.jpg"}
    # What is left is what it would have been: the other images' augmentation does not depend on who is missing.
    options = {"shuffle": True, "augment": "random-resized-crop-flip"}
    intact = dataset_of(photos).batches(dataset.train, 8, **options)
    whole = {int(label): image for batch in intact for image, label in zip(*batch, strict=True)}
    for images, labels in dataset.batches(dataset.train, 8, **options):
        np.testing.assert_array_equal(images, [whole[int(label)] for label in labels])
    with pytest.raises(ValueError, match="None of a batch's 1 images can be read"):
        dataset.batches(dataset.train, 1)[4]


def test_check_reads_every_picture_and_lists_the_bad_ones(photos):
    broken = [*photos[:3], Encoded("bad.jpg", b"nothing"), *photos[3:5]]
    assert [(bad.name, bad.reason) for bad in dataset_of(broken).train.check()] == [
        ("bad.jpg", "no known image format")
    ]


@pytest.mark.parametrize("threads", [1, 3])
def test_batches_are_prepared_ahead_in_order_but_never_more_than_a_few(threads):
    begun = []

    def prepare(number):
        begun.append(number)
        time.sleep(0.001 * (number % 5))
        return number

    source = ahead(prepare, 100, threads)
    assert next(source) == 0
    time.sleep(0.2)  # time to run far ahead, if that were possible
    assert len(begun) <= threads + 2
    assert list(source) == list(range(1, 100))
    source = ahead(prepare, 100, threads)
    next(source)
    begun.clear()
    source.close()
    assert len(begun) <= threads + 1


def test_an_error_reaches_the_consumer_and_ends_the_thread():
    def prepare(number):
        if number == 2:
            raise RuntimeError("broken")
        return number

    before = threading.active_count()
    source = ahead(prepare, 10)
    assert [next(source), next(source)] == [0, 1]
    with pytest.raises(RuntimeError, match="broken"):
        next(source)
    assert threading.active_count() == before


def test_stopping_early_leaves_no_thread_behind(photos):
    before = threading.active_count()
    dataset = dataset_of(photos)
    for _ in dataset.batches(dataset.train, 2):
        break
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0; it is a whole number from 1 on"),
        ({"start": -1}, "start is -1"),
        ({"start": 999}, "start is 999, and the epoch has 15 batches"),
        ({"seed": 0.5}, "seed is 0.5"),
        ({"epoch": -1}, "epoch is -1"),
        ({"rank": 2, "world": 2}, "rank is 2; of 2 processes the last one's is 1"),
        ({"last": "some"}, "last is 'some'; it is one of keep, fill, drop"),
        ({"world": 3, "last": "fill"}, "batch_size is 100, which 3 processes cannot share equally"),
        ({"layout": "CHWN"}, "layout is 'CHWN'; it is one of NCHW, NHWC"),
        ({"augment": "mixup"}, "There is no augmentation 'mixup'"),
    ],
)
def test_what_makes_no_sense_is_refused(digits, options, message):
    with pytest.raises(ValueError, match=message):
        digits.batches(digits.train, **({"batch_size": 100} | options))
