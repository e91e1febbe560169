"""Where a dataset is: a folder that a variable names, the hub's cache on this machine, the hub. Never the working directory."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from resnet_lessons.datasets.catalogue import CATALOGUE, Published

VARIABLE = "RESNET_LESSONS_DATA"
TRAIN, TESTS = ("train", "training"), ("test", "validation", "valid", "val")
IMAGE_SUFFIXES = frozenset(  # compared in lower case
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm")
)


@dataclass(frozen=True)
class Location:
    """Files of a dataset, by what they are."""

    kind: str  # "parquet" | "idx" | "folders"
    parts: dict[str, tuple[Path, ...]]  # "train", "test", or "all" where they are not told apart: files, or one folder
    root: Path


def locate(name: str) -> Location | None:
    """Return where a dataset with a name is on this machine, or None; nothing is downloaded.

    Looked at in this order: the folder that RESNET_LESSONS_DATA names, by the hub's name for the dataset and by the names
    that its archives unpack to; the system's package, where there is one; the hub's cache.

    Raises
    ------
    ValueError
        If files are missing among those that are there.
    """
    published = CATALOGUE[name]
    for root in _roots(published):
        found = inspect(root, published.test) if root.exists() else None
        if found is not None:
            return found
    return None


def _roots(published: Published) -> list[Path]:
    roots = []
    folder = os.environ.get(VARIABLE)
    if folder:
        roots = [_chosen(Path(folder, published.hub_id), published)]
        roots += [Path(folder, other) for other in published.elsewhere if not os.path.isabs(other)]
    roots += [Path(other) for other in published.elsewhere if os.path.isabs(other)]
    cached = _cached(published)
    return [*roots, _chosen(cached, published)] if cached else roots


def _chosen(root: Path, published: Published) -> Path:
    """Return the variant's folder, where a dataset has several."""
    return root / published.folder if (root / published.folder).is_dir() else root


def _cached(published: Published) -> Path | None:
    """Return the hub's cache of a dataset, found without asking the hub."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = snapshot_download(
            published.hub_id, repo_type="dataset", revision=published.revision, local_files_only=True
        )
    except LocalEntryNotFoundError:
        return None
    return Path(found)


def inspect(root: Path, test: str | None = None) -> Location | None:
    """Look at a folder or a file and tell what it holds, or None: idx files, parquet files, or folders of classes.

    Raises
    ------
    ValueError
        If files are missing among those that are there.
    """
    if root.is_file():
        return Location("parquet", {"all": (root,)}, root) if root.suffix == ".parquet" else None
    idx = _idx(root)
    if idx is not None:
        return idx
    files = sorted(path for path in (*root.glob("*.parquet"), *root.glob("*/*.parquet")) if not _hidden(path, root))
    if files:
        return _parquet(files, root, test)
    folders = _subfolders(root)
    train = next((folders[name] for name in TRAIN if name in folders), None)
    if train is not None and _subfolders(train):  # without folders in it, it may be a class of vehicles
        parts: dict[str, tuple[Path, ...]] = {"train": (train,)}
        test = next((name for name in _tests(test) if name in folders), None)
        return Location("folders", parts if test is None else parts | {"test": (folders[test],)}, root)
    if any(_holds_images(folder) for folder in folders.values()):
        return Location("folders", {"all": (root,)}, root)
    return None


def _idx(root: Path) -> Location | None:
    parts: dict[str, tuple[Path, ...]] = {}
    for part, prefix in (("train", "train"), ("test", "t10k")):
        # The sources differ in one character: train-images-idx3-ubyte, train-images.idx3-ubyte.
        found = [sorted(root.glob(f"{prefix}-{kind}-ubyte*")) for kind in ("images[-.]idx3", "labels[-.]idx1")]
        if all(found):
            parts[part] = (found[0][0], found[1][0])
    return Location("idx", parts, root) if parts else None


def _parquet(files: Sequence[Path], root: Path, test: str | None) -> Location:
    by_name: dict[str, list[Path]] = {}
    for path in files:
        by_name.setdefault(_part_of(path, root), []).append(path)
    for part, found in by_name.items():
        _check_complete(part, found)
    tests = [name for name in _tests(test) if name in by_name]
    train = [name for name in TRAIN if name in by_name]
    if not train:
        return Location("parquet", {"all": tuple(files)}, root)
    parts = {"train": tuple(by_name[train[0]])}
    return Location("parquet", parts | ({"test": tuple(by_name[tests[0]])} if tests else {}), root)


def _tests(first: str | None) -> tuple[str, ...]:
    """What the part to test on may be called, in the order of preference."""
    return TESTS if first is None else (first, *TESTS)


def _part_of(path: Path, root: Path) -> str:
    """`train-00000-of-00005.parquet` and `train/0000.parquet` are of the part "train"."""
    for name in (path.stem, path.parent.name if path.parent != root else ""):
        part = re.match(r"[a-z]+", name.lower())
        if part and part[0] in TRAIN + TESTS:
            return part[0]
    return "all"


def _check_complete(part: str, files: Sequence[Path]) -> None:
    numbers = [re.search(r"-(\d{5})-of-(\d{5})", path.name) for path in files]
    found = {int(number[1]) for number in numbers if number}
    total = max((int(number[2]) for number in numbers if number), default=0)
    missing = sorted(set(range(total)) - found)
    if missing:
        raise ValueError(
            f"{files[0].parent} holds {len(found)} of the {total} files of the part {part!r}; "
            f"{part}-{missing[0]:05}-of-{total:05}.parquet is missing: get it from where the others came from."
        )


def _subfolders(root: Path) -> dict[str, Path]:
    with os.scandir(root) as entries:
        return {entry.name: Path(entry.path) for entry in entries if entry.is_dir() and not entry.name.startswith(".")}


def _holds_images(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        return any(os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES for entry in entries)


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


# The hub --------------------------------------------------------------------------------------------------------------


def download(name: str) -> Path:
    """Fetch a dataset from the hub into its cache on this machine, where `load_dataset` finds it; return the folder.

    Raises
    ------
    ValueError
        If there is no such dataset, it is one that is streamed, or the hub cannot be reached or refuses.
    """
    published = CATALOGUE.get(name)
    if published is None:
        raise ValueError(f"There is no dataset {name!r} to download; there are {', '.join(CATALOGUE)}.")
    if published.streamed:
        raise ValueError(
            f"{name} is {published.megabytes / 1000:.0f} GB; it is not downloaded but read as a stream: "
            f"load_dataset({name!r}, download=True)."
        )
    check_online(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    pattern = f"{published.folder}/*.parquet" if published.folder else "*.parquet"
    try:
        return Path(
            snapshot_download(
                published.hub_id, repo_type="dataset", revision=published.revision, allow_patterns=pattern
            )
        )
    except (HfHubHTTPError, OSError) as error:
        raise ValueError(refused(published, error)) from error


def refused(published: Published, error: Exception) -> str:
    """Say in one sentence why the hub did not give a dataset."""
    from huggingface_hub.errors import GatedRepoError

    if isinstance(error, GatedRepoError) or "gated" in str(
        error
    ):  # the `datasets` library has no type of its own for it
        return (
            f"The hub gives {published.hub_id} only to those who accepted its terms: accept them on its page there, then "
            "run `hf auth login`."
        )
    return f"{published.hub_id} could not be fetched from the hub ({str(error).splitlines()[0]}); try again later."


def check_online(name: str, seconds: float = 1.2) -> None:
    """Ask for a connection to the hub, so that a machine without network learns it at once.

    Raises
    ------
    ValueError
        If there is none; the message says what to do.
    """
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise ValueError(not_here(name, "and HF_HUB_OFFLINE forbids asking the hub"))
    connected = threading.Event()

    def connect() -> None:
        with contextlib.suppress(OSError), socket.create_connection(_door(constants.ENDPOINT), timeout=seconds):
            connected.set()

    # In a thread, because looking up a name can take longer than any timeout allows.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    if not connected.is_set():
        raise ValueError(not_here(name, f"and {constants.ENDPOINT} does not answer"))


def _door(address: str) -> tuple[str, int]:
    """Host and port through which an address is reached: its own, or the proxy's."""
    wanted = urlsplit(address)
    proxy = getproxies().get(wanted.scheme)
    door = urlsplit(proxy) if proxy and not proxy_bypass(wanted.hostname or "") else wanted
    return door.hostname or "", door.port or (443 if door.scheme == "https" else 80)


def not_here(name: str, why: str = "") -> str:
    """Say in one sentence that a dataset is not on this machine and what can be done."""
    published = CATALOGUE[name]
    folder = os.environ.get(VARIABLE)
    where = f"{folder} holds no {published.hub_id}/…/*.parquet" if folder else f"{VARIABLE} is not set"
    get = f"fetch it with load_dataset({name!r}, download=True) ({published.megabytes:,} MB)"
    if published.streamed:
        get = f"stream it from the hub with load_dataset({name!r}, download=True)"
    small = "use digits, which is built in" if published.small else "take a smaller one: digits is built in"
    return (
        f"{name} is not on this machine ({where}{', ' + why if why else ''}): {get}, put the hub's parquet files into a "
        f"folder {published.hub_id} and let {VARIABLE} name the folder above, give the path of a folder, or {small}."
    )
