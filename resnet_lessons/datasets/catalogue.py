"""The datasets that have a name, as the Hugging Face hub publishes them."""

from __future__ import annotations

from dataclasses import dataclass

# Sorted by WordNet number, which is the order of ImageNet's classes.
IMAGENETTE = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
FASHION = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@dataclass(frozen=True)
class Published:
    """A dataset on the hub: parquet files of encoded images."""

    name: str
    hub_id: str
    columns: tuple[str, str]  # the image's and the label's
    classes: int
    counts: tuple[int, int]  # images to train on and to test on
    megabytes: int  # to download
    test: str = "test"  # the part that one evaluates on
    channels: int = 3
    small: bool = False  # whether all images are of one small size: then they are held in memory
    streamed: bool = False  # whether it is read from front to back, and never copied
    revision: str = "main"
    folder: str = ""  # of the parquet files, below the dataset's own, where there are several to choose from
    elsewhere: tuple[str, ...] = ()  # other places to look at: below RESNET_LESSONS_DATA, or on the system
    class_names: tuple[str, ...] | None = None  # where files do not name them


CATALOGUE = {
    published.name: published
    for published in (
        Published("cifar10", "uoft-cs/cifar10", ("img", "label"), 10, (50_000, 10_000), 144, small=True),
        Published("cifar100", "uoft-cs/cifar100", ("img", "fine_label"), 100, (50_000, 10_000), 142, small=True),
        Published(
            "fashion_mnist",
            "zalando-datasets/fashion_mnist",
            ("image", "label"),
            10,
            (60_000, 10_000),
            36,
            channels=1,
            small=True,
            elsewhere=("/usr/share/datasets/fashion-mnist",),  # Debian's dataset-fashion-mnist
            class_names=FASHION,
        ),
        Published("oxford_iiit_pet", "timm/oxford-iiit-pet", ("image", "label"), 37, (3_680, 3_669), 791),
        Published(
            "imagenette",
            "frgfm/imagenette",
            ("image", "label"),
            10,
            (9_469, 3_925),
            350,
            test="validation",
            revision="refs/convert/parquet",  # its main branch holds a loading script, which no longer runs
            folder="320px",
            elsewhere=("imagenette2-320", "imagenette2", "imagenette2-160"),  # as fast.ai's archives unpack
        ),
        Published(
            "imagenet",
            "ILSVRC/imagenet-1k",
            ("image", "label"),
            1000,
            (1_281_167, 50_000),  # Russakovsky et al. 2014 (arXiv 1409.0575), table 2
            150_000,
            test="validation",  # the labels of its test part are kept secret: -1
            streamed=True,
        ),
    )
}


def find(name: str) -> Published | None:
    """Return the dataset of a name, the course's or the hub's, or None."""
    return CATALOGUE.get(name) or next((known for known in CATALOGUE.values() if known.hub_id == name), None)
