"""The real CIFAR-10, for tests that need it: a process decodes its 60,000 pictures once."""

import os
from functools import cache
from pathlib import Path

from resnet_lessons import datasets

import pytest

_FOLDER = Path(os.environ.get(datasets.VARIABLE, "/nowhere"), "uoft-cs", "cifar10")
needs_cifar10 = pytest.mark.skipif(
    not _FOLDER.is_dir(),
    reason=f"needs CIFAR-10 (the hub's parquet files) in {datasets.VARIABLE}/uoft-cs/cifar10 (README, section Data)",
)


@cache
def cifar10():
    """What `load_dataset` makes of it; nobody changes it."""
    return datasets.load_dataset("cifar10")
