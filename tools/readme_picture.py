"""Draw the README's picture, docs/blocks.svg, from the descriptions that build the networks.

    .venv/bin/python tools/readme_picture.py

The same descriptions give the same bytes; a test draws it again and compares.
"""

from pathlib import Path

from resnet_lessons import figures, resnet_config

PATH = Path(__file__).resolve().parent.parent / "docs" / "blocks.svg"


def draw() -> figures.Figure:
    """Draw the course's line of thought: a plain block, the basic block, the bottleneck, the pre-activation bottleneck."""
    networks = [
        resnet_config(34, shortcut="none"),
        resnet_config(34),
        resnet_config(50),
        resnet_config(50, "v2"),
    ]
    return figures.block_diagrams(networks, "layer1.1")


def main() -> None:
    """Write the picture, and print its text alternative."""
    picture = draw()
    PATH.parent.mkdir(exist_ok=True)
    print(f"{picture.save(PATH).name}: {picture.alt}")


if __name__ == "__main__":
    main()
