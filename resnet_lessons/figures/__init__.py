"""The course's pictures: block diagrams, maps of whole networks, curves and grids of images.

The diagrams are drawn from `architecture.ResNetConfig` and `architecture.trace`, never by hand. Each function returns a
`Figure`, which shows itself as the last value of a notebook cell, carries its own text alternative (`.alt`) and can be
saved (`.save("block.svg")`). Importing this package loads neither matplotlib nor a framework.
"""

from .blocks import block_diagram, block_diagrams
from .dots import dots
from .fields import receptive_fields
from .grids import images
from .network import architecture_map
from .picture import Figure
from .pixel_maps import pixel_maps
from .plots import curves, profile
from .shapes import shape_pair
from .windows import strided_windows

__all__ = [
    "Figure",
    "architecture_map",
    "block_diagram",
    "block_diagrams",
    "curves",
    "dots",
    "images",
    "pixel_maps",
    "profile",
    "receptive_fields",
    "shape_pair",
    "strided_windows",
]
