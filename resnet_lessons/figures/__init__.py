"""The course's pictures: block diagrams, maps of whole networks, curves and grids of images.

The diagrams are drawn from `architecture.ResNetConfig` and `architecture.trace`, never by hand. Each function returns a
`Figure`, which shows itself as the last value of a notebook cell, carries its own text alternative (`.alt`) and can be
saved (`.save("block.svg")`). Importing this package loads neither matplotlib nor a framework.
"""

from .blocks import block_diagram, block_diagrams
from .grids import images
from .network import architecture_map
from .picture import Figure
from .plots import curves, profile

__all__ = ["Figure", "architecture_map", "block_diagram", "block_diagrams", "curves", "images", "profile"]
