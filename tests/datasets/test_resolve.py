"""Where datasets are looked for, in which order, and what is said where there is none."""

import socket
import time
from dataclasses import replace

from resnet_lessons import datasets
from resnet_lessons.datasets import resolve
from resnet_lessons.datasets.catalogue import CATALOGUE
from tests.mirrors import encoded, isolate, pixels, write_folders, write_idx, write_published

import numpy as np
import pytest
from huggingface_hub import constants, errors

SMALL = [name for name, published in CATALOGUE.items() if not published.streamed]
IMAGES = [encoded(image) for image in pixels(3)]


@pytest.fixture
def data(monkeypatch, tmp_path):
    """The folder that RESNET_LESSONS_DATA names, empty; caches of the hub, empty."""
    without_debian = replace(CATALOGUE["fashion_mnist"], elsewhere=())
    monkeypatch.setitem(CATALOGUE, "fashion_mnist", without_debian)
    return isolate(monkeypatch, tmp_path)


@pytest.fixture
def no_network(monkeypatch):
    """Any attempt to use the network fails the test."""

    def refuse(*arguments, **_):
        raise AssertionError(f"asked for the network: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.parametrize("name", CATALOGUE)
def test_what_is_not_here_is_said_in_one_sentence_without_asking_the_network(data, no_network, name):
    start = time.perf_counter()
    with pytest.raises(ValueError) as caught:
        datasets.load_dataset(name)
    assert time.perf_counter() - start < 2
    said = str(caught.value)
    assert f"{name} is not on this machine ({data} holds no {CATALOGUE[name].hub_id}/" in said
    assert f"load_dataset({name!r}, download=True)" in said
    assert datasets.VARIABLE in said
    assert "digits" in said
    assert said.count(". ") == 0
    assert "\n" not in said


def test_the_variable_is_named_where_it_is_not_set(data, no_network, monkeypatch):
    monkeypatch.delenv(datasets.VARIABLE)
    with pytest.raises(ValueError, match="cifar10 is not on this machine \\(RESNET_LESSONS_DATA is not set\\)"):
        datasets.load_dataset("cifar10")


@pytest.mark.parametrize("name", ["cifar10", "imagenet"])
@pytest.mark.parametrize("endpoint", ["http://192.0.2.1", "http://nowhere.invalid", "http://127.0.0.1:9"])
def test_without_network_asking_for_a_download_fails_in_two_seconds(data, monkeypatch, name, endpoint):
    """An address that never answers (192.0.2.0/24 is reserved), one that does not exist, one that refuses."""
    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=f"{name} is not on this machine .* does not answer"):
        datasets.load_dataset(name, download=True)
    assert time.perf_counter() - start < 2


def test_the_hubs_own_switch_forbids_asking(data, no_network, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE forbids"):
        datasets.load_dataset("cifar10", download=True)


def test_a_proxy_is_where_the_hub_is_reached(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    assert resolve._door("https://hub.example/x") == ("proxy.example", 3128)
    monkeypatch.setenv("no_proxy", "hub.example")
    assert resolve._door("https://hub.example/x") == ("hub.example", 443)
    assert resolve._door("http://hub.example:81") == ("hub.example", 81)


def test_folders_of_the_working_directory_do_not_matter(data, no_network, monkeypatch, tmp_path):
    """A folder of that name, or of the hub's name, would shadow the dataset in the `datasets` library itself."""
    for name in ("cifar10", "uoft-cs/cifar10"):
        (tmp_path / name).mkdir(parents=True)
        write_folders(tmp_path / name, {"train": {"cat": 2}, "test": {"cat": 2}})
    monkeypatch.chdir(tmp_path)
    for name in ("cifar10", "uoft-cs/cifar10"):
        with pytest.raises(ValueError, match="cifar10 is not on this machine"):
            datasets.load_dataset(name)
    write_published(data, "cifar10", IMAGES, IMAGES)
    for name in ("cifar10", "uoft-cs/cifar10"):
        assert len(datasets.load_dataset(name).train) == 3
    assert datasets.load_dataset("./cifar10").class_names == ("cat",)


def test_the_folder_that_the_variable_names_comes_before_the_hubs_cache(data, no_network, monkeypatch, tmp_path):
    snapshot = cache(tmp_path, "cifar10", 3)
    found = datasets.locate("cifar10")
    assert snapshot in found.root.parents or found.root == snapshot
    assert len(datasets.load_dataset("cifar10").train) == 3
    write_published(data, "cifar10", IMAGES[:2], IMAGES)
    assert len(datasets.load_dataset("cifar10").train) == 2
    monkeypatch.delenv(datasets.VARIABLE)
    assert len(datasets.load_dataset("cifar10").train) == 3


def cache(tmp_path, name, images):
    """Put a dataset into the hub's cache, as a download leaves it there; return the snapshot's folder."""
    published = CATALOGUE[name]
    home = tmp_path / "hub" / f"datasets--{published.hub_id.replace('/', '--')}"
    revision = home / "refs" / published.revision
    revision.parent.mkdir(parents=True)
    revision.write_text("0" * 40)
    write_published(tmp_path / "made", name, IMAGES[:images], IMAGES)
    snapshot = home / "snapshots" / ("0" * 40)
    snapshot.parent.mkdir(parents=True)
    (tmp_path / "made" / published.hub_id).rename(snapshot)
    return snapshot


@pytest.mark.parametrize("name", SMALL)
def test_a_download_is_found_again_without_network(data, monkeypatch, tmp_path, name):
    asked = []

    def snapshot_download(hub_id, *, local_files_only=False, **options):
        if local_files_only:
            return original(hub_id, local_files_only=True, **options)
        asked.append((hub_id, options))
        return str(cache(tmp_path, name, 3))

    import huggingface_hub

    original = huggingface_hub.snapshot_download
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    monkeypatch.setattr(resolve, "check_online", lambda name: None)
    with pytest.raises(ValueError, match="not on this machine"):
        datasets.load_dataset(name)
    assert asked == []
    assert len(datasets.load_dataset(name, download=True).train) == 3
    assert len(datasets.load_dataset(name, download=True).train) == 3
    assert len(datasets.load_dataset(name).train) == 3
    ((hub_id, options),) = asked  # only once
    assert hub_id == CATALOGUE[name].hub_id
    assert options["repo_type"] == "dataset"
    assert options["revision"] == CATALOGUE[name].revision
    assert options["allow_patterns"].endswith("*.parquet")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (errors.GatedRepoError, "only to those who accepted its terms: accept them .* `hf auth login`"),
        (errors.RepositoryNotFoundError, "could not be fetched from the hub .*; try again later"),
        (OSError, "could not be fetched from the hub .*; try again later"),
    ],
)
def test_what_the_hub_refuses_is_said_in_one_sentence(data, monkeypatch, error, message):
    import httpx
    import huggingface_hub

    def refuse(*_, local_files_only=False, **__):
        if local_files_only:
            raise errors.LocalEntryNotFoundError("not here")
        if error is OSError:
            raise OSError("connection reset\nby peer")
        raise error("no\nentry", response=httpx.Response(403, request=httpx.Request("GET", "https://hub.example")))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    monkeypatch.setattr(resolve, "check_online", lambda name: None)
    with pytest.raises(ValueError, match=message) as caught:
        datasets.load_dataset("oxford_iiit_pet", download=True)
    assert "\n" not in str(caught.value)


def test_imagenet_is_not_downloaded_whole(data):
    with pytest.raises(ValueError, match="imagenet is 150 GB; it is not downloaded but read as a stream"):
        datasets.download("imagenet")
    with pytest.raises(ValueError, match="no dataset 'mnist' to download"):
        datasets.download("mnist")


def test_a_missing_file_among_several_is_named(data):
    folder = write_published(data, "cifar10", IMAGES, IMAGES) / "plain_text"
    (folder / "train-00000-of-00001.parquet").rename(folder / "train-00000-of-00003.parquet")
    with pytest.raises(
        ValueError, match=r"1 of the 3 files of the part 'train'; train-00001-of-00003\.parquet is missing"
    ):
        datasets.load_dataset("cifar10")


def test_debians_fashion_mnist_is_found_by_itself(data, no_network, monkeypatch, tmp_path):
    package = tmp_path / "usr" / "share" / "datasets" / "fashion-mnist"
    for prefix, count in (("train", 20), ("t10k", 10)):
        write_idx(package / f"{prefix}-images-idx3-ubyte.gz", pixels(count, (28, 28))[..., 0])
        write_idx(package / f"{prefix}-labels-idx1-ubyte.gz", np.arange(count).astype(np.uint8) % 10)
    monkeypatch.setitem(CATALOGUE, "fashion_mnist", replace(CATALOGUE["fashion_mnist"], elsewhere=(str(package),)))
    for _ in range(2):
        found = datasets.load_dataset("fashion_mnist")
        assert (len(found.train), len(found.test), found.image_shape) == (20, 10, (1, 28, 28))
        assert found.class_names[9] == "Ankle boot"
        monkeypatch.delenv(datasets.VARIABLE, raising=False)


def test_imagenette_is_found_as_its_archive_unpacks(data):
    names = dict.fromkeys(datasets.catalogue.IMAGENETTE, 2)
    write_folders(data / "imagenette2-320", {"train": names, "val": names})
    found = datasets.load_dataset("imagenette")
    assert found.class_names[:2] == ("tench", "English springer")
    assert (len(found.train), len(found.test)) == (20, 20)


@pytest.mark.parametrize("name", ["mnist", "cats"])
def test_an_unknown_name_lists_the_known_ones(monkeypatch, tmp_path, name):
    (tmp_path / "cats").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match=f"There is no dataset {name!r}; there are {', '.join(datasets.NAMES)}"
    ) as caught:
        datasets.load_dataset(name)
    assert ("the folder of that name here is ./cats" in str(caught.value)) == (name == "cats")
    with pytest.raises(ValueError, match=r"There is no folder or file \./nowhere"):
        datasets.load_dataset("./nowhere")


def test_importing_loads_neither_a_framework_nor_the_hub():
    import subprocess
    import sys

    program = (
        "import sys; from resnet_lessons import datasets; datasets.load_dataset('digits');"
        "print([m for m in ('torch', 'tensorflow', 'datasets', 'huggingface_hub') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
