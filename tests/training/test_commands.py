"""Training from the command line."""

import json
import re

from resnet_lessons import pretrained, resnet_config, training
from resnet_lessons.cli import run
from resnet_lessons.frameworks import FRAMEWORKS
from tests.command_line import assert_one_line

import pytest


def test_train_and_evaluate_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    quick = ["--depth", "8", "--width", "4", "--epochs", "2", "--framework"]
    for framework, other in (FRAMEWORKS, FRAMEWORKS[::-1]):
        assert run(["train", *quick, framework]) == 0
        said = capsys.readouterr().out
        weights = f"resnet-8-v1-digits-{framework}.safetensors"
        assert weights in said
        share = said.split("test accuracy ")[1].split(" (")[0]
        assert run(["evaluate", weights, "--framework", other]) == 0
        assert f"test accuracy {share}" in capsys.readouterr().out
        assert pretrained.load(weights, framework=other).config.width == 4
    assert run(["train", *quick, "pytorch"]) == 0
    assert "resnet-8-v1-digits-pytorch-2.safetensors" in capsys.readouterr().out
    from safetensors import safe_open

    with safe_open("resnet-8-v1-digits-pytorch-2.safetensors", framework="numpy") as file:
        assert json.loads(file.metadata()["resnet_lessons"])["depth"] == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--framework", "jax"], "framework is 'jax'; it is one of pytorch, tensorflow"),
        (["train", "--depth", "37"], "There is no ResNet-37"),
        (["train", "--version", "v1.5"], "There is no ResNet-20 v1.5"),
        (["train", "--data", "mnist"], "There is no dataset 'mnist'"),
        (["train", "--epochs", "0"], "epochs is 0"),
        (["train", "--epochs", "many"], "invalid value 'many'"),
        (["train", "--seed", "-1"], "seed is -1; it is a whole number from 0 on."),
        (["train", "--batch-size", "5000"], "there are only 1,437 training images"),
        (["train", "--output", "weights.pth"], "let it end in .safetensors"),
        (["train", "--output", "there.safetensors"], "exists already"),
        (["train", "--output", "nowhere/w.safetensors"], "no folder that can be written to"),
        (["evaluate", "nothing.safetensors"], "There is no file nothing.safetensors"),
        (["evaluate", "."], "'.' is a folder; give a weights file"),
        (["evaluate", "there.safetensors"], "truncated or damaged"),
        (["evaluate", "colour.safetensors"], "images of 3 channels and 10 classes; digits has 1 and 10"),
        (["evaluate", "colour.safetensors", "--normalization", "none"], "one of dataset, imagenet"),
        (["evaluate"], "missing argument"),
    ],
)
def test_what_is_asked_wrongly_gets_one_line_and_status_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.safetensors").write_bytes(b"nonsense")
    pretrained.save(training.new_network("pytorch", resnet_config(8, family="cifar", width=4)), "colour.safetensors")
    assert_one_line(arguments, f"(?i){re.escape(message)}", capsys)
