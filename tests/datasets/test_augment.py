"""Augmentation: what the papers say, a pure function, and the same for every consumer."""

from resnet_lessons.datasets import AUGMENTATIONS, epoch_order
from resnet_lessons.datasets.augment import (
    PadCropFlip,
    RandomResizedCropFlip,
    ResizeCentreCrop,
    augmentation,
    uniforms,
)

import numpy as np
import pytest
from PIL import Image


def test_random_numbers_belong_to_the_image_not_to_the_batch():
    whole = uniforms(5, 2, np.arange(1000), 3)
    some = np.array([999, 3, 500])
    np.testing.assert_array_equal(uniforms(5, 2, some, 3), whole[some])
    assert (uniforms(5, 3, some, 3) != whole[some]).all()
    assert (uniforms(6, 2, some, 3) != whole[some]).all()


def test_random_numbers_are_spread_evenly_and_independent_of_one_another():
    numbers = uniforms(0, 0, np.arange(50_000), 3)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    for column in numbers.T:
        # chi-squared of 100 boxes: 99 expected, standard deviation 14
        counts = np.histogram(column, bins=100, range=(0, 1))[0]
        assert ((counts - 500) ** 2 / 500).sum() < 99 + 5 * 14
    assert abs(np.corrcoef(numbers.T) - np.eye(3)).max() < 0.02
    assert abs(np.corrcoef(numbers[:-1, 0], numbers[1:, 0])[0, 1]) < 0.02


def test_the_order_of_an_epoch_is_the_one_that_trainings_had_so_far():
    np.testing.assert_array_equal(epoch_order(100, 4, 7), np.random.default_rng([4, 7]).permutation(100))


def test_pad_crop_flip_is_a_window_of_the_padded_image_or_its_mirror_image():
    images = np.random.default_rng(0).normal(size=(1000, 3, 6, 8)).astype(np.float32)
    draws = uniforms(0, 0, np.arange(1000), 3)
    found = PadCropFlip(padding=2).batch(images, draws)
    seen = set()
    for image, cut, (top, left, flip) in zip(images, found, draws, strict=True):
        padded = np.pad(image, ((0, 0), (2, 2), (2, 2)))  # zeros: the mean colour of normalised images
        row, column = int(top * 5), int(left * 5)
        window = padded[:, row : row + 6, column : column + 8]
        np.testing.assert_array_equal(cut, window[..., ::-1] if flip < 0.5 else window)
        seen.add((row, column, bool(flip < 0.5)))
    assert len(seen) == 50  # all 5 · 5 places, both ways round


def test_a_random_part_has_8_to_100_percent_of_the_area_and_sides_of_3_to_4_at_most():
    step = RandomResizedCropFlip()
    draws = uniforms(1, 0, np.arange(2000), step.draws)
    boxes = np.array([step.box(350, 350, row) for row in draws])
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    assert boxes.min() >= 0
    assert boxes[:, 2].max() <= 350
    assert boxes[:, 3].max() <= 350
    share, ratio = wide * high / 350**2, wide / high
    assert share.min() == pytest.approx(0.08, abs=0.01)
    assert share.max() > 0.95
    assert ratio.min() == pytest.approx(3 / 4, abs=0.02)
    assert ratio.max() == pytest.approx(4 / 3, abs=0.02)
    assert np.median(np.log(ratio)) == pytest.approx(0, abs=0.05)  # flat as often as upright
    assert abs((boxes[:, 0] + boxes[:, 2]).mean() - 350) < 10


@pytest.mark.parametrize(("size", "part"), [((1000, 20), (27, 20)), ((20, 1000), (20, 27))])
def test_a_picture_too_long_for_any_part_gives_its_middle(size, part):
    step = RandomResizedCropFlip()
    left, top, right, bottom = step.box(*size, np.ones(step.draws) * 0.999)
    assert (right - left, bottom - top) == part
    assert left + right in (size[0], size[0] + 1, size[0] - 1)
    assert top + bottom in (size[1], size[1] + 1, size[1] - 1)


def test_a_random_part_is_cut_out_resized_and_mirrored():
    array = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    step, picture = RandomResizedCropFlip(), Image.fromarray(array)
    for draws in uniforms(0, 0, np.arange(10), step.draws):
        found = np.asarray(step.picture(picture, (24, 24), draws))
        part = picture.crop(step.box(80, 60, draws)).resize((24, 24), Image.Resampling.BILINEAR)
        expected = np.asarray(part)
        np.testing.assert_array_equal(found, expected[:, ::-1] if draws[-1] < 0.5 else expected)


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (256, 256), (60, 40), (1000, 257)])
def test_resize_centre_crop_is_what_networks_for_imagenet_are_tested_on(size):
    """Shorter side to 256, the middle 224×224 of it: torchvision's Resize(256), CenterCrop(224), to the pixel."""
    array = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)
    picture = Image.fromarray(array)
    width, height = (256, int(256 * size[1] / size[0])) if size[0] <= size[1] else (int(256 * size[0] / size[1]), 256)
    scaled = picture.resize((width, height), Image.Resampling.BILINEAR)
    left, top = round((width - 224) / 2), round((height - 224) / 2)
    expected = scaled.crop((left, top, left + 224, top + 224))
    found = ResizeCentreCrop().picture(picture, (224, 224), np.empty(0))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_augmentations_are_chosen_by_name():
    assert augmentation(None) is None
    assert augmentation("pad-crop-flip") == PadCropFlip()
    assert augmentation(PadCropFlip(padding=1)).padding == 1
    with pytest.raises(ValueError, match=f"no augmentation 'mixup'; there are {', '.join(AUGMENTATIONS)}"):
        augmentation("mixup")
