"""Streams: ImageNet's schema read from front to back, from files here and from the hub."""

from resnet_lessons import datasets
from resnet_lessons.datasets import resolve
from resnet_lessons.datasets.images import Encoded
from tests.mirrors import encoded, isolate, pixels, write_parquet, write_published

import numpy as np
import pytest

TRAIN, TEST, FILES = 23, 9, 4
NAMES = [f"class {number}" for number in range(1000)]


@pytest.fixture(scope="module")
def photographs():
    sizes = np.random.default_rng(0).integers(30, 60, (TRAIN, 2))
    return [encoded(pixels(1, tuple(size), seed=n)[0], "JPEG") for n, size in enumerate(sizes)]


@pytest.fixture
def imagenet(monkeypatch, tmp_path, photographs):
    """A small mirror of ILSVRC/imagenet-1k: the label is the image's number."""
    data = isolate(monkeypatch, tmp_path)
    folder = data / "ILSVRC" / "imagenet-1k" / "data"
    for file in range(FILES):
        numbers = list(range(file, TRAIN, FILES))
        write_parquet(
            folder / f"train-{file:05}-of-{FILES:05}.parquet", [photographs[n] for n in numbers], numbers, NAMES
        )
    write_parquet(folder / "validation-00000-of-00001.parquet", photographs[:TEST], list(range(TEST)), NAMES)
    write_parquet(folder / "test-00000-of-00001.parquet", photographs[:2], [0, 0], NAMES)  # not what one evaluates on
    return datasets.load_dataset("imagenet", image_size=24)


def labels_of(batches):
    return [labels.tolist() for _, labels in batches]


def test_imagenet_is_a_stream_that_evaluates_on_the_validation_part(imagenet, photographs):
    assert isinstance(imagenet.train, datasets.Stream)
    assert (len(imagenet.train), len(imagenet.test), imagenet.image_shape) == (TRAIN, TEST, (3, 24, 24))
    assert len(imagenet.class_names) == 1000
    batches = imagenet.batches(imagenet.test, 4)
    assert len(batches) == 3
    assert labels_of(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    # The same bytes as a part that is read in any order.
    part = datasets.Photos([Encoded(str(n), photographs[n]) for n in range(TEST)], np.arange(TEST), 24)
    for (images, _), (others, _) in zip(batches, imagenet.batches(part, 4), strict=True):
        np.testing.assert_array_equal(images, others)


def test_a_shuffled_stream_is_another_one_for_every_seed_and_epoch_and_the_same_when_repeated(imagenet):
    def order(**options):
        batches = imagenet.batches(imagenet.train, 5, shuffle=True, **options)
        return np.concatenate(labels_of(batches)).tolist()

    first = order(seed=0, epoch=1)
    assert sorted(first) == list(range(TRAIN))
    assert order(seed=0, epoch=1) == first
    assert first not in (order(seed=1, epoch=0), order(seed=0, epoch=2), list(range(TRAIN)))


def test_a_small_buffer_mixes_what_it_holds_and_loses_nothing(monkeypatch):
    monkeypatch.setattr(datasets.Stream, "BUFFER", 10)
    part = datasets.Stream(lambda piece: ((piece, n) for n in range(piece * 100, piece * 100 + 100)), 3, 300, 300, 24)
    order = [number for _, number in part.rows([0, 0], 0, 1)]
    assert sorted(order) == list(range(300))
    pieces = np.array(order) // 100
    assert len({next(part.rows([seed, 0], 0, 1))[1] // 100 for seed in range(20)}) == 3  # any of them comes first,
    assert (np.diff(pieces) != 0).sum() < 60  # but one comes after the other
    assert abs(np.diff(order)).mean() > 5


@pytest.mark.parametrize("start", [1, 3, 5])
def test_a_stream_resumed_in_the_middle_gives_the_same_batches(imagenet, start):
    options = {"shuffle": True, "seed": 7, "epoch": 1, "augment": "random-resized-crop-flip"}
    whole = list(imagenet.batches(imagenet.train, 5, **options))
    batches = imagenet.batches(imagenet.train, 5, start=start, **options)
    rest = list(batches)
    assert len(batches) == len(rest) == 5 - start
    for (images, labels), (others, other_labels) in zip(whole[start:], rest, strict=True):
        np.testing.assert_array_equal(images, others)
        np.testing.assert_array_equal(labels, other_labels)


@pytest.mark.parametrize("world", [2, 3, 4])
def test_several_processes_read_disjoint_images_that_are_all_of_them(imagenet, world):
    shares = [
        labels_of(imagenet.batches(imagenet.train, 2 * world, shuffle=True, rank=rank, world=world))
        for rank in range(world)
    ]
    assert sorted(n for share in shares for batch in share for n in batch) == list(range(TRAIN))
    for last in ("fill", "drop"):
        batches = [imagenet.batches(imagenet.train, 2 * world, rank=r, world=world, last=last) for r in range(world)]
        sizes = [[len(batch) for batch in labels_of(share)] for share in batches]
        steps = TRAIN // (2 * world) + (last == "fill")
        assert sizes == [[2] * steps] * world
        assert {len(share) for share in batches} == {steps}


def test_a_stream_is_read_from_front_to_back(imagenet):
    batches = imagenet.batches(imagenet.train, 4)
    with pytest.raises(TypeError, match="iterate over the batches, with `start` to begin later"):
        batches[0]
    with pytest.raises(ValueError, match="start is 7, and the epoch has 6 batches"):
        imagenet.batches(imagenet.train, 4, start=7)
    with pytest.raises(ValueError, match="batch_size is 5, which 2 processes cannot share"):
        imagenet.batches(imagenet.train, 5, world=2)


def test_a_stream_of_unknown_length_says_so():
    part = datasets.Stream(lambda piece: iter(()), 1, None, 10, 24)
    dataset = datasets.Dataset("", part, part, ("a",) * 10, 255, (0.5,) * 3, (0.5,) * 3)
    with pytest.raises(TypeError, match="not known before it has been read"):
        len(part)
    with pytest.raises(TypeError, match="not known before it has been read"):
        len(dataset.batches(part, 4))
    with pytest.raises(ValueError, match="several processes cannot agree on a number of steps"):
        dataset.batches(part, 4, world=2, last="fill")
    assert list(dataset.batches(part, 4)) == []


def test_bad_images_and_labels_of_a_stream_are_named(photographs):
    def stream(labels, contents, on_bad_image="raise"):
        rows = [
            (Encoded(f"{n}.jpg", content), label)
            for n, (content, label) in enumerate(zip(contents, labels, strict=True))
        ]
        part = datasets.Stream(lambda piece: iter(rows), 1, len(rows), 3, 24, on_bad_image=on_bad_image)
        return datasets.Dataset("", part, part, tuple("abc"), 255, (0.5,) * 3, (0.5,) * 3)

    wrong = stream([0, 1, 7], photographs[:3])
    with pytest.raises(ValueError, match=r"2\.jpg has the label 7, and the classes are 0 to 2"):
        list(wrong.batches(wrong.train, 2))
    broken = [photographs[0], photographs[1][:200], photographs[2]]
    raising = stream([0, 1, 2], broken)
    with pytest.raises(datasets.BadImageError, match=r"1\.jpg cannot be read"):
        list(raising.batches(raising.train, 2))
    skipping = stream([0, 1, 2], broken, "skip")
    assert labels_of(skipping.batches(skipping.train, 2)) == [[0], [2]]
    assert [bad.name for bad in skipping.train.skipped] == ["1.jpg"]


def test_a_stream_holds_no_more_than_a_few_batches(photographs):
    """A hundred thousand pictures: only those of the batches that are prepared ahead are read."""
    seen = []

    def read(piece):
        for number in range(100_000):
            seen.append(number)
            yield Encoded(str(number), photographs[0]), 0

    part = datasets.Stream(read, 1, 100_000, 1, 24)
    dataset = datasets.Dataset("", part, part, ("a",), 255, (0.5,) * 3, (0.5,) * 3)
    for number, _ in enumerate(dataset.batches(part, 10)):
        if number == 3:
            break
    assert len(seen) <= 10 * (4 + 3)


def test_what_is_not_on_this_machine_is_streamed_from_the_hub_when_allowed(monkeypatch, tmp_path, photographs):
    """The hub's answer is played by files; how it is asked is what is looked at."""
    import datasets as hub

    isolate(monkeypatch, tmp_path)
    home = write_published(tmp_path / "hub-side", "imagenet", photographs[:6], photographs[:3])
    monkeypatch.setattr(resolve, "check_online", lambda name: None)
    load, asked = hub.load_dataset, []

    def load_dataset(path, *, split, streaming, **options):
        if path != "ILSVRC/imagenet-1k":
            return load(path, split=split, streaming=streaming, **options)
        asked.append((path, split, streaming))
        return load("parquet", data_files=str(home / "data" / f"{split}-*.parquet"), split="train", streaming=True)

    monkeypatch.setattr(hub, "load_dataset", load_dataset)
    with pytest.raises(ValueError, match=r"stream it from the hub with load_dataset\('imagenet', download=True\)"):
        datasets.load_dataset("imagenet")
    assert asked == []
    found = datasets.load_dataset("imagenet", download=True)
    assert asked == [("ILSVRC/imagenet-1k", "train", True), ("ILSVRC/imagenet-1k", "validation", True)]
    assert (len(found.train), len(found.test)) == (1_281_167, 50_000)
    assert labels_of(found.batches(found.test, 2)) == [[0, 1], [2]]

    def gated(*_, **__):
        raise hub.exceptions.DatasetNotFoundError("Dataset 'ILSVRC/imagenet-1k' is a gated dataset on the Hub.")

    monkeypatch.setattr(hub, "load_dataset", gated)
    with pytest.raises(ValueError, match=r"only to those who accepted its terms: accept them .* `hf auth login`"):
        datasets.load_dataset("imagenet", download=True)
