"""`resnet-lessons data`: what there is, fetching it, and reading all of it."""

from dataclasses import replace

from resnet_lessons import datasets
from resnet_lessons.cli import run
from resnet_lessons.datasets.catalogue import CATALOGUE
from tests.mirrors import encoded, isolate, pixels, write_folders, write_parquet, write_published

import pytest

IMAGES = [encoded(image) for image in pixels(20)]


@pytest.fixture
def data(monkeypatch, tmp_path):
    """The folder that RESNET_LESSONS_DATA names, empty; CIFAR-10 and ImageNet are published with 20 + 10 images."""
    for name in ("cifar10", "imagenet"):
        monkeypatch.setitem(CATALOGUE, name, replace(CATALOGUE[name], counts=(20, 10)))
    monkeypatch.setitem(CATALOGUE, "fashion_mnist", replace(CATALOGUE["fashion_mnist"], elsewhere=()))
    monkeypatch.chdir(tmp_path)
    return isolate(monkeypatch, tmp_path)


def said(capsys, *arguments, status=0):
    assert run(["data", *arguments]) == status
    captured = capsys.readouterr()
    return captured.out if status < 2 else captured.err


def test_the_list_says_of_each_dataset_where_it_is_or_how_to_get_it(data, capsys):
    home = write_published(data, "cifar10", IMAGES, IMAGES[:10])
    folder = write_published(data, "cifar100", IMAGES, IMAGES) / "cifar100"
    (folder / "train-00000-of-00001.parquet").rename(folder / "train-00000-of-00002.parquet")
    rows = {line.split()[0]: line for line in said(capsys).splitlines()[2:] if line}
    assert list(rows)[: len(datasets.NAMES)] == list(datasets.NAMES)
    assert rows["digits"].split() == ["digits", "1,437", "360", "10", "built", "in"]
    assert rows["cifar10"].split() == ["cifar10", "20", "10", "10", "144", "MB", str(home)]
    assert "incomplete: " in rows["cifar100"]
    assert "train-00001-of-00002.parquet is missing" in rows["cifar100"]
    assert rows["imagenette"].endswith("not here; resnet-lessons data get imagenette")
    assert rows["imagenet"].endswith("not here; --download streams it from the hub")
    assert f"RESNET_LESSONS_DATA is {data}." in rows["RESNET_LESSONS_DATA"]


def test_only_what_is_not_here_is_fetched(data, capsys, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(datasets, "download", lambda name: asked.append(name) or tmp_path / "fetched")
    home = write_published(data, "cifar10", IMAGES, IMAGES)
    assert said(capsys, "get", "digits") == "digits is built in.\n"
    for name in ("cifar10", "uoft-cs/cifar10"):
        assert said(capsys, "get", name) == f"cifar10 is here already: {home}\n"
    assert asked == []
    assert said(capsys, "get", "cifar100") == f"cifar100 is in {tmp_path / 'fetched'}\n"
    assert asked == ["cifar100"]


def test_what_cannot_be_fetched_is_said_in_one_line(data, capsys):
    assert "There is no dataset 'mnist' to download; there are cifar10" in said(capsys, "get", "mnist", status=2)
    assert "imagenet is 150 GB; it is not downloaded but read as a stream: --download." in said(
        capsys, "get", "imagenet", status=2
    )


def cells(output, part):
    return next(line.split() for line in output.splitlines() if line.startswith(part))[1:]


@pytest.mark.parametrize("name", ["cifar10", "uoft-cs/cifar10", "imagenet"])
def test_a_whole_dataset_is_read_and_nothing_found(data, capsys, name, monkeypatch):
    monkeypatch.setitem(CATALOGUE, "imagenet", replace(CATALOGUE["imagenet"], classes=10))
    home = write_published(data, datasets.catalogue.find(name).name, IMAGES, IMAGES[:10])
    output = said(capsys, "check", name)
    assert f"parquet in {home}" in output
    assert cells(output, "train") == ["20", "10", "2", "32", "32"]
    assert cells(output, "test") == ["10", "10", "1", "32", "32"]
    assert "classes: class 0, class 1, " in output
    assert output.endswith("every image can be read, and every label is one of the classes\n")


def test_photographs_of_many_sizes_are_measured(data, capsys, tmp_path):
    for size, name in (((80, 100), "cat"), ((70, 120), "dog")):
        write_folders(tmp_path / "pets", {"train": {name: 3}, "test": {name: 2}}, size)
    output = said(capsys, "check", "./pets")
    assert cells(output, "train") == ["6", "2", "3", "70–80", "100–120"]
    assert cells(output, "test") == ["4", "2", "2", "70–80", "100–120"]


def test_images_that_cannot_be_read_are_all_listed(data, capsys, tmp_path):
    write_folders(tmp_path / "pets", {"train": {"cat": 3, "dog": 3}, "test": {"cat": 3, "dog": 3}})
    for number in (0, 2):
        (tmp_path / f"pets/train/dog/{number}.jpg").write_bytes(b"no picture")
    photo = tmp_path / "pets/test/cat/1.jpg"
    photo.write_bytes(photo.read_bytes()[:500])
    output = said(capsys, "check", str(tmp_path / "pets"), status=1)
    assert cells(output, "train")[:3] == ["6", "2", "1–3"]
    assert "3 problems:\n" in output
    for file in ("train/dog/0.jpg", "train/dog/2.jpg", "test/cat/1.jpg"):
        assert f"{tmp_path}/pets/{file} cannot be read as an image (" in output
    write_published(
        data, "cifar10", [*IMAGES[:19], b"no picture"], IMAGES[:10]
    )  # these are decoded while they are loaded
    output = said(capsys, "check", "cifar10", status=1)
    assert cells(output, "train")[:3] == ["20", "10", "1–2"]
    assert "1 problem:\n" in output
    assert "row 19" in output


def test_a_stream_is_read_to_its_end(data, capsys, monkeypatch):
    monkeypatch.setitem(CATALOGUE, "imagenet", replace(CATALOGUE["imagenet"], classes=10))
    write_published(
        data, "imagenet", [*IMAGES[:19], b"no picture"], IMAGES[:10], ([0, 1, *range(10), *range(8)], [-1] * 10)
    )
    output = said(capsys, "check", "imagenet", status=1)
    assert "11 problems:\n" in output
    assert "has the label -1, and the classes are 0 to 9: -1 stands for a label that is kept secret" in output
    assert cells(output, "train")[:2] == ["20", "10"]


def test_labels_files_and_classes_that_cannot_be_are_problems(data, capsys, tmp_path):
    def problem(name):
        output = said(capsys, "check", name, status=1)
        assert output.startswith("1 problem:\n")
        return output

    write_parquet(tmp_path / "wrong/train.parquet", IMAGES[:4], [0, 1, 0, 1], ["a", "b"])
    write_parquet(tmp_path / "wrong/test.parquet", IMAGES[:4], [0, 1, 0, 1], ["a", "c"])
    assert "the training part lacks 'c' and the test part lacks 'b'" in problem("./wrong")
    (tmp_path / "empty").mkdir()
    assert "./empty holds no dataset" in problem("./empty")
    write_published(data, "cifar10", IMAGES, IMAGES[:10], ([0] * 19 + [-1], [0] * 10))
    assert "row 19 has the label -1, and the classes are 0 to 9" in problem("cifar10")
    folder = write_published(data, "cifar10", IMAGES, IMAGES[:10]) / "plain_text"
    (folder / "train-00000-of-00001.parquet").rename(folder / "train-00000-of-00002.parquet")
    assert "train-00001-of-00002.parquet is missing" in problem("cifar10")


def test_fewer_images_than_were_published_and_classes_without_any_are_problems(data, capsys):
    write_published(data, "cifar10", IMAGES[:9], IMAGES[:10])
    output = said(capsys, "check", "cifar10", status=1)
    assert "2 problems:\n" in output
    assert "There is no image to train on of 'class 9'." in output
    assert "'train' has 9 images, and cifar10 was published with 20" in output


def test_what_is_not_here_cannot_be_checked(data, capsys):
    assert "cifar10 is not on this machine" in said(capsys, "check", "cifar10", status=2)
    assert "There is no dataset 'mnist'" in said(capsys, "check", "mnist", status=2)
    assert "There is no folder or file ./nowhere" in said(capsys, "check", "./nowhere", status=2)
