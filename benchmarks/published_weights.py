"""Record what published CIFAR-10 weights score in the course's networks, in both frameworks.

    .venv/bin/python benchmarks/published_weights.py

Needs CIFAR-10 and akamaster's two files in the folder that RESNET_LESSONS_DATA names (see the README's section on data).
Writes resnet_lessons/records/published_weights.json: how many of the test images each gets right. Which they are, and that
the numbers are those published, tests/test_pretrained.py checks.
"""

import itertools
import os
from pathlib import Path

from resnet_lessons import datasets, pretrained, training
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.training.records import provenance, write_record

FILES = ("akamaster_resnet20-12fca82f.th", "akamaster_resnet32-d509ac18.th")


def main() -> None:
    """Load, count, and write the record."""
    folder = Path(os.environ[datasets.VARIABLE], "weights")
    dataset = datasets.load_dataset("cifar10")
    images = dataset.normalized(dataset.test, datasets.IMAGENET_MEAN, datasets.IMAGENET_STD)
    runs = []
    for file, framework in itertools.product(FILES, FRAMEWORKS):
        net = pretrained.load(folder / file, framework=framework)
        right = int((training.predict(net, images).argmax(axis=1) == dataset.test.labels).sum())
        about = {"weights": file, "network": net.config.name, "framework": framework}
        runs.append({**about, "right": right, "images": len(images)})
    write_record("published_weights", provenance("benchmarks/published_weights.py", data="cifar10"), runs)


if __name__ == "__main__":
    main()
