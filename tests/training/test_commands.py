"""Training from the command line."""

import re

from resnet_lessons import datasets, pretrained, resnet_config, training
from resnet_lessons.cli import run
from resnet_lessons.frameworks import FRAMEWORKS
from tests.command_line import assert_one_line

import pytest
from PIL import Image


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a run of each framework in runs/."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for framework, rate in zip(FRAMEWORKS, ("0.1", "0.05"), strict=True):
            quick = ["--depth", "8", "--width", "4", "--epochs", "2", "--rate", rate, "--framework", framework]
            assert run(["train", *quick]) == 0
    return folder


@pytest.fixture
def there(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


def said(capsys, *arguments):
    assert run(arguments) == 0
    return capsys.readouterr().out


def test_a_run_of_either_framework_is_evaluated_in_the_other(there, capsys):
    for framework, other in (FRAMEWORKS, FRAMEWORKS[::-1]):
        folder = f"runs/resnet-8-v1-digits-{framework}"
        history = (there / folder / "history.csv").read_text().splitlines()
        share = float(dict(zip(history[0].split(","), history[-1].split(","), strict=True))["test_accuracy"])
        for weights in (folder, f"resnet-8-v1-digits-{framework}", f"{folder}/weights.safetensors"):
            assert f"test accuracy {share:.2%} (" in said(capsys, "evaluate", weights, "--framework", other)
        assert pretrained.load(there / folder / "weights.safetensors", framework=other).config.width == 4


def test_a_second_run_of_the_same_gets_a_name_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("resnet-8-v1-digits-pytorch", "resnet-8-v1-digits-pytorch-2"):
        assert f"all of it in runs/{name};" in said(capsys, "train", "--depth", "8", "--width", "4", "--epochs", "1")
        assert (tmp_path / "runs" / name / "weights.safetensors").exists()


def test_a_run_is_resumed_by_its_name_alone_and_refused_with_what_differs(there, capsys):
    output = said(capsys, "train", "--resume", "resnet-8-v1-digits-pytorch")
    assert "ResNet-8 v1, 4," in output
    assert "in runs/resnet-8-v1-digits-pytorch;" in output
    for change, differs in (
        (["--rate", "0.2"], "recipe.peak_rate: 0.1 there, 0.2 here"),
        (["--depth", "14"], "network.depth: 8 there, 14 here"),
        (["--recipe", "digits"], "recipe.epochs: 2 there, 20 here"),
    ):
        assert run(["train", "--resume", "resnet-8-v1-digits-pytorch", *change]) == 2
        assert differs in capsys.readouterr().err


def test_runs_are_listed_and_compared(there, capsys, tmp_path):
    names = [f"resnet-8-v1-digits-{framework}" for framework in FRAMEWORKS]
    table = said(capsys, "runs").splitlines()
    assert table[0].split() == ["run", "network", "data", "framework", "epochs", "best", "last", "time", "state"]
    assert [line.split()[0] for line in table[2:]] == names
    assert all("2/2" in line and line.endswith("finished") for line in table[2:])
    compared = said(capsys, "compare", *names, "--output", str(tmp_path / "curves.png"))
    assert "recipe.peak_rate: 0.05 there, 0.1 here" in compared
    assert "framework: 'tensorflow' there, 'pytorch' here" in compared
    assert [line.split()[0] for line in compared.splitlines()[-3:-1]] == ["1", "2"]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "There are no runs" in said(capsys, "runs", str(tmp_path))


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_predict_names_the_five_likeliest_classes(framework, there, tmp_path, capsys):
    """Digits as pictures of another size and mode are seen as `evaluate` sees them."""
    digits = datasets.load_dataset("digits")
    net = pretrained.load(there / "runs" / "resnet-8-v1-digits-pytorch" / "weights.safetensors")
    best = training.predict(net, digits.normalized(digits.test)[:3]).argmax(axis=1)
    pictures = []
    for number in range(3):
        pixels = (digits.test.images[number][..., 0].astype(float) * 255 / 16).round().astype("uint8")
        pictures.append(str(tmp_path / f"{number}.png"))
        Image.fromarray(pixels).convert("RGB").save(pictures[-1])
    shown = said(
        capsys, "predict", *pictures, "--weights", "resnet-8-v1-digits-pytorch", "--framework", framework
    ).splitlines()
    assert shown[0].startswith(f"ResNet-8 v1, {framework}, trained on digits")
    for number, picture in enumerate(pictures):
        start = shown.index(picture)
        rows = [line.split() for line in shown[start + 1 : start + 6]]
        assert rows[0][0] == str(best[number])
        shares = [float(row[1].rstrip("%")) for row in rows]
        assert shares == sorted(shares, reverse=True)
        assert len(rows[0][2]) == round(30 * shares[0] / 100)


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
        (["train", "--recipe", "slow"], "There is no recipe 'slow'; there are digits, fashion, fast-cifar"),
        (["train", "--precision", "half"], "precision is 'half'; it is one of float32"),
        (
            ["train", "--resume", "nothing"],
            "nothing is no run's folder (it would hold a run.json); there is: nothing in runs/",
        ),
        (["train", "--resume", "a", "--run", "b"], "--resume names the run's folder already"),
        (["train", "--run", "there.safetensors/run"], "Not a directory"),
        (["predict", "none.png"], "There is no file none.png"),
        (["predict", "there.safetensors"], "there.safetensors cannot be read as an image: no known image format"),
        (["predict", "none.png", "--weights", "colour.safetensors"], "does not say which classes"),
        (["compare", "one"], "Name two runs or more"),
        (["compare", "one", "two"], "one is no run's folder"),
        (["evaluate", "nothing.safetensors"], "There is no file nothing.safetensors"),
        (["evaluate", "."], "'.' is a folder without weights; give a weights file"),
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
