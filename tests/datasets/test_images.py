"""Bad images: named, or made what users expect of them."""

import io
import struct
import subprocess
import sys
import zlib

from resnet_lessons.datasets import BadImageError
from resnet_lessons.datasets.images import Encoded, Reader, decode, stack
from tests.mirrors import encoded, pixels

import numpy as np
import pytest
from PIL import Image

PHOTO = np.asarray(Image.linear_gradient("L").resize((40, 30)).convert("RGB")).copy()
PHOTO[:, :20, 0] = 255  # the left half is reddish


def saved(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def read(content: bytes, channels: int = 3) -> np.ndarray:
    return np.asarray(decode(Encoded("photo", content), channels))


def png_of(width: int, height: int) -> bytes:
    """A PNG file that announces so many pixels and holds none."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(b"\0"), b"IEND"]
    framed = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(framed)


BAD = {
    "empty": (b"", "no known image format"),
    "text": (b"<html>404 Not Found</html>", "no known image format"),
    "truncated JPEG": (encoded(pixels(1, (90, 90))[0], "JPEG")[:1500], "truncated"),
    "truncated PNG": (encoded(PHOTO)[:-60], "."),
    "damaged PNG": (encoded(PHOTO)[:60] + b"\0" * 40 + encoded(PHOTO)[100:], "."),
    "only a header": (encoded(PHOTO, "JPEG")[:20], "."),
    "billions of pixels": (png_of(65_536, 65_536), "pixels"),
    "no pixels": (png_of(10, 10), "."),
    "kind F": (saved(Image.fromarray(np.full((4, 4), 0.5, np.float32)), "TIFF"), "'F'"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.filterwarnings("error")
def test_what_cannot_be_read_is_named_with_the_cure(kind):
    content, reason = BAD[kind]
    with pytest.raises(BadImageError, match=reason) as caught:
        decode(Encoded("cats/7.jpg", content), 3)
    said = str(caught.value)
    assert said.startswith("cats/7.jpg cannot be read as an image (")
    assert said.endswith('Replace or remove it, or leave such images out with on_bad_image="skip".')
    assert "\n" not in said


def test_a_file_that_went_away_is_named(tmp_path):
    with pytest.raises(BadImageError, match=r"gone\.jpg cannot be read as an image \(No such file"):
        decode(Encoded(str(tmp_path / "gone.jpg"), tmp_path / "gone.jpg"), 3)


def test_grey_among_colour_is_grey_in_all_channels():
    grey = PHOTO[..., 1]
    np.testing.assert_array_equal(read(encoded(grey)), np.stack([grey] * 3, axis=-1))
    np.testing.assert_array_equal(read(encoded(grey), channels=1), grey)


def test_colour_among_grey_becomes_grey_by_its_brightness():
    # ITU-R 601-2, which Pillow follows: 299 R + 587 G + 114 B
    expected = (PHOTO @ np.array([0.299, 0.587, 0.114])).round()
    assert abs(read(encoded(PHOTO), channels=1) - expected).max() <= 1


def test_cmyk_has_its_colours():
    found = read(saved(Image.fromarray(PHOTO).convert("CMYK"), "JPEG", quality=100))
    assert abs(found.astype(int) - PHOTO).mean() < 4


def test_what_is_transparent_becomes_white_whatever_colour_hides_there():
    alpha = np.zeros((30, 40, 1), np.uint8)
    alpha[:, 30:] = 255
    found = read(encoded(np.concatenate([PHOTO, alpha], axis=-1)))
    assert (found[:, :30] == 255).all()
    np.testing.assert_array_equal(found[:, 30:], PHOTO[:, 30:])
    palette = Image.new("P", (4, 4))
    palette.putpalette([0, 0, 255] + [0] * 765)
    assert (read(saved(palette, transparency=0)) == 255).all()
    assert (read(saved(palette)) == [0, 0, 255]).all()


def test_16_bits_become_8_and_not_white():
    wide = np.linspace(0, 65535, 100).astype(np.uint16).reshape(10, 10)
    np.testing.assert_array_equal(read(saved(Image.fromarray(wide)), channels=1), wide // 257)
    assert read(saved(Image.fromarray(wide))).shape == (10, 10, 3)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [(1, PHOTO), (2, PHOTO[:, ::-1]), (3, PHOTO[::-1, ::-1]), (6, np.rot90(PHOTO, -1)), (8, np.rot90(PHOTO))],
)
def test_the_orientation_that_a_camera_notes_is_followed(orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    np.testing.assert_array_equal(read(saved(Image.fromarray(PHOTO), exif=exif)), upright)


def test_damaged_exif_data_leave_the_picture_as_it_is_and_say_nothing(tmp_path):
    exif = b"Exif\0\0MM\0*\0\0\xff\xffnonsense"
    (tmp_path / "photo.jpg").write_bytes(saved(Image.fromarray(PHOTO), "JPEG", exif=exif))
    program = (
        "from pathlib import Path; from resnet_lessons.datasets.images import Encoded, decode; "
        f"print(decode(Encoded('photo', Path({str(tmp_path / 'photo.jpg')!r})), 3).size)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("(40, 30)\n", "")


def test_skipping_counts_and_lists():
    images = [Encoded(f"{n}.png", content) for n, content in enumerate([encoded(PHOTO), b"", encoded(PHOTO), b"no"])]
    reader = Reader("skip")
    found, labels = stack(images, np.array([5, 6, 7, 8]), 3, reader)
    assert found.shape == (2, 30, 40, 3)
    np.testing.assert_array_equal(labels, [5, 7])
    assert [skipped.name for skipped in reader.skipped] == ["1.png", "3.png"]
    assert {skipped.reason for skipped in reader.skipped} == {"no known image format"}
    with pytest.raises(ValueError, match="None of the images could be read"):
        stack(images[1:2], np.array([0]), 3, reader)


def test_an_image_of_another_size_is_named():
    images = [Encoded("0.png", encoded(PHOTO)), Encoded("1.png", encoded(PHOTO[:-1]))]
    with pytest.raises(ValueError, match=r"1\.png is 40×29 pixels where others are 40×30; give image_size"):
        stack(images, np.zeros(2, int), 3, Reader())


def test_there_are_two_policies():
    with pytest.raises(ValueError, match="on_bad_image is 'ignore'; it is one of"):
        Reader("ignore")
