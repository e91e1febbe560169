"""How training and evaluation on the command line come to their images, and what a run remembers of it."""

import json
import re

from resnet_lessons import pretrained, resnet_config, training
from resnet_lessons.cli import run
from resnet_lessons.datasets import resolve
from resnet_lessons.frameworks import FRAMEWORKS
from tests.mirrors import isolate, write_folders

import pytest

QUICK = ["--depth", "8", "--width", "4", "--batch-size", "4", "--epochs", "1", "--precision", "float32"]


@pytest.fixture
def pets(monkeypatch, tmp_path):
    """Photographs of two classes, one of which is damaged."""
    isolate(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    write_folders(tmp_path / "pets", {"train": {"cat": 5, "dog": 4}, "test": {"cat": 3, "dog": 2}})
    (tmp_path / "pets/train/dog/1.jpg").write_bytes(b"no picture")
    (tmp_path / "pets/test/dog/1.jpg").write_bytes(b"no picture")
    return tmp_path


def said(capsys, *arguments, status=0):
    assert run(arguments) == status
    captured = capsys.readouterr()
    return captured.err if status else captured.out


def test_size_and_bad_images_are_remembered_by_resume_and_evaluate(pets, capsys):
    reading = ["--image-size", "32", "--on-bad-image", "skip"]
    output = said(capsys, "train", "--data", "./pets", *reading, *QUICK, "--run", "runs/first")
    (accuracy,) = [line for line in output.splitlines() if line.startswith("test accuracy")]
    assert re.search(r"left out, since they cannot be read: pets/train/dog/1.jpg \(no known .*\), and 1 more", output)
    facts = json.loads((pets / "runs/first/run.json").read_text())
    assert facts["data"]["options"] == {"image_size": 32}
    assert facts["on_bad_image"] == "skip"
    assert accuracy in said(capsys, "train", "--resume", "first")
    for framework in FRAMEWORKS:
        evaluated = said(capsys, "evaluate", "first", "--framework", framework).splitlines()
        assert re.fullmatch(rf"{accuracy.partition(',')[0]} \(\d of 4\)", evaluated[1]), "the fifth cannot be read"
        assert evaluated[2] == "left out, since they cannot be read: pets/test/dog/1.jpg (no known image format)"
    refused = said(capsys, "train", "--resume", "first", "--image-size", "48", status=2)
    assert "data.options.image_size: 32 there, 48 here" in refused
    assert "cannot be read as an image" in said(capsys, "evaluate", "first", "--on-bad-image", "raise", status=2)


def test_a_run_that_a_bad_image_stopped_goes_on_without_it(pets, capsys):
    options = ["--data", "./pets", "--image-size", "32", *QUICK, "--run", "runs/first"]
    assert "leave such images out with --on-bad-image skip." in said(capsys, "train", *options, status=2)
    output = said(capsys, "train", "--resume", "first", "--on-bad-image", "skip")
    assert "left out, since they cannot be read: " in output


def test_the_hub_is_asked_only_with_download(pets, capsys, monkeypatch):
    asked = []

    def refuse(name):
        asked.append(name)
        raise ValueError("the hub was asked")

    monkeypatch.setattr(resolve, "check_online", refuse)
    pretrained.save(training.new_network("pytorch", resnet_config(8, family="cifar", width=4)), "colour.safetensors")
    for command in (["train", "--data", "cifar100"], ["evaluate", "colour.safetensors", "--data", "cifar100"]):
        assert "fetch it with `resnet-lessons data get cifar100`" in said(capsys, *command, status=2)
        assert asked == []
        assert "the hub was asked" in said(capsys, *command, "--download", status=2)
        assert asked.pop() == "cifar100"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--image-size", "0"], "image_size is 0"),
        (["--image-size", "large"], "invalid value 'large'"),
        (["--on-bad-image", "ignore"], "on_bad_image is 'ignore'; it is one of"),
        (["--data", "digits", "--image-size", "32"], "image_size is for pictures in files of their own"),
        (["--data", "./nowhere"], "There is no folder or file ./nowhere"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_written(pets, capsys, options, message):
    assert message.lower() in said(capsys, "train", "--data", "./pets", *options, status=2).lower()
    assert not (pets / "runs").exists()
