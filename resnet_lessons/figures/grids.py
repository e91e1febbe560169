"""A grid of small images with captions. Pixels stay pixels, and the same images give the same bytes."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .picture import Figure
from .svg import RIM, Drawing, number, text_width, wrap

if TYPE_CHECKING:
    import numpy as np

MARGIN, GAP, WIDTH = 22.0, 18.0, 720.0


def images(
    arrays: Any,
    labels: Sequence[object] | None = None,
    *,
    columns: int | None = None,
    size: int = 88,
    limits: tuple[float, float] | None = None,
    title: str = "",
    alt: str | None = None,
) -> Figure:
    """Show images in a grid.

    Parameters
    ----------
    arrays
        Images of one shape: (height, width), (height, width, channels) or (channels, height, width), with one channel
        or three. Arrays, or tensors on the CPU.
    labels
        One caption an image.
    columns
        Images in a row. Default: as many as fit.
    size
        Longer side of an image on the page, in CSS pixels.
    limits
        The values shown black and white. Default: 0 and 255 for whole bytes, else the smallest and largest value there
        is, over all images.
    title
        Heading of the grid.
    alt
        Text alternative, where a better one exists than the labels in their order.

    Raises
    ------
    ValueError
        If the shapes differ or are no images, or labels are missing.

    Examples
    --------
    >>> import numpy as np
    >>> images(np.zeros((2, 8, 8)), ["first", "second"], limits=(0, 1))
    <Figure: 2 images of 8×8>
    """
    import numpy as np

    pictures = [_to_bytes_layout(np.asarray(array)) for array in arrays]
    captions = [str(label) for label in labels] if labels is not None else []
    if not pictures:
        raise ValueError("images needs at least one image; the list is empty.")
    if len(shapes := sorted({picture.shape for picture in pictures})) > 1:
        raise ValueError(f"The images of a grid have one shape; these have {', '.join(map(str, shapes))}.")
    if labels is not None and len(captions) != len(pictures):
        raise ValueError(f"There are {len(pictures)} images and {len(captions)} labels; give one label an image.")
    pixels = _scaled(pictures, limits)

    height, width = pixels[0].shape[:2]
    scale = size / max(height, width)
    tile_width, tile_height = width * scale, height * scale
    cell = max([tile_width, *(text_width(word, 12) for caption in captions for word in caption.split())])
    columns = columns or max(1, min(len(pixels), int((WIDTH - 2 * MARGIN + GAP) // (cell + GAP))))
    lines = [wrap(caption, 12, cell) for caption in captions]
    drawing = Drawing()
    top = MARGIN
    if title:
        drawing.text(MARGIN, top + 8, title, 15, bold=True)
        top += 30
    for start in range(0, len(pixels), columns):
        for column, index in enumerate(range(start, min(start + columns, len(pixels)))):
            middle = MARGIN + column * (cell + GAP) + cell / 2
            _draw_picture(drawing, pixels[index], middle - tile_width / 2, top, tile_width, tile_height)
            for row, line in enumerate(lines[index] if lines else []):
                drawing.text(middle, top + tile_height + 14 + 16 * row, line, 12, anchor="middle", caption=str(index))
        rows = max((len(block) for block in lines[start : start + columns]), default=0)
        top += tile_height + GAP + (6 + 16 * rows if rows else 0)
    used = min(columns, len(pixels))
    page = (
        max(used * (cell + GAP) - GAP, text_width(title, 15, True)) + 2 * MARGIN,
        top - GAP + MARGIN,
    )
    description = f"{len(pixels)} images of {height}×{width}"
    listed = f", labelled in reading order: {', '.join(captions)}" if captions else ""
    alt = alt or f"{title + ': ' if title else ''}grid of {len(pixels)} images of {height}×{width} pixels{listed}."
    svg = drawing.render(round(page[0]), round(page[1]), title or description, alt)
    return Figure(description, alt, svg=svg, width=round(page[0]), height=round(page[1]))


def _to_bytes_layout(array: np.ndarray) -> np.ndarray:
    """Height, width, channels."""
    if array.ndim == 2:
        return array[:, :, None]
    if array.ndim == 3 and array.shape[-1] in (1, 3):
        return array
    if array.ndim == 3 and array.shape[0] in (1, 3):
        return array.transpose(1, 2, 0)
    raise ValueError(
        f"An image has the shape (height, width), (height, width, channels) or (channels, height, width) with 1 or 3 "
        f"channels; one of these has {array.shape}."
    )


def _scaled(pictures: list[np.ndarray], limits: tuple[float, float] | None) -> list[np.ndarray]:
    import numpy as np

    values = np.stack(pictures)
    if limits is None:
        limits = (0, 255) if values.dtype == np.uint8 else (float(values.min()), float(values.max()))
    low, high = limits
    if not np.isfinite(values.astype(np.float64)).all():
        raise ValueError("An image holds values that are not finite (NaN or infinity), which have no grey.")
    spread = (high - low) or 1.0
    return list(np.clip(np.rint((values.astype(np.float64) - low) / spread * 255), 0, 255).astype(np.uint8))


def _draw_picture(drawing: Drawing, pixels: np.ndarray, x: float, y: float, width: float, height: float) -> None:
    data = base64.b64encode(encode_png(pixels)).decode("ascii")
    drawing.elements.append(
        f'<image x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}" '
        f'preserveAspectRatio="none" image-rendering="pixelated" style="image-rendering:pixelated" '
        f'href="data:image/png;base64,{data}"/>'
    )
    drawing.box(x - 0.5, y - 0.5, width + 1, height + 1, fill="none", rim=RIM, radius=0, stroke=1)


def encode_png(pixels: np.ndarray) -> bytes:
    """Write bytes of shape (height, width, 1 or 3) as PNG.

    The data are stored, not compressed: compressors differ from one build of zlib to the next, stored bytes do not.
    """
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    blocks = [rows[start : start + 65535] for start in range(0, len(rows), 65535)]
    stream = b"\x78\x01"
    for index, block in enumerate(blocks):
        stream += struct.pack("<BHH", index == len(blocks) - 1, len(block), len(block) ^ 0xFFFF) + block
    stream += struct.pack(">I", zlib.adler32(rows))
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if channels == 1 else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", stream) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
