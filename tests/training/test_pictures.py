"""Pictures named by the weights that come with the course."""

from resnet_lessons import cli, pretrained, training
from resnet_lessons.frameworks import FRAMEWORKS
from resnet_lessons.training import pictures, saved
from tests.real_cifar10 import cifar10, needs_cifar10

import pytest


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_cat_is_a_cat(framework):
    named = pictures.name_pictures([pictures.CAT], framework)
    chances = named.chances[0]
    assert next(iter(chances)) == "cat"
    assert len(chances) == 10
    assert sum(chances.values()) == pytest.approx(1)
    assert list(chances.values()) == sorted(chances.values(), reverse=True)
    assert (named.config.depth, named.config.parameters) == (20, 272_474)


def test_both_frameworks_say_the_same_of_any_photograph():
    files = list(pictures.samples().values())
    ours, theirs = (pictures.name_pictures(files, framework).chances for framework in FRAMEWORKS)
    for one, other in zip(ours, theirs, strict=True):
        assert other == pytest.approx(one, abs=1e-4)


@needs_cifar10
def test_the_weights_that_come_with_the_course_score_what_their_record_says():
    """In PyTorch, where they come from; in TensorFlow they name the same classes."""
    record, data = training.recorded("cifar10_pytorch"), cifar10()
    images = data.normalized(data.test)
    ours, theirs = (pretrained.load(pictures.WEIGHTS, framework=framework) for framework in FRAMEWORKS)
    named = training.predict(ours, images).argmax(axis=1)
    right = int((named == data.test.labels).sum())
    assert right == round(10_000 * record["runs"][0]["history"]["test_accuracy"][-1])
    assert (training.predict(theirs, images[:2000]).argmax(axis=1) == named[:2000]).all()


def test_they_know_what_they_were_trained_on():
    about = saved.about(pictures.WEIGHTS)
    assert about["data"] == "cifar10"
    assert about["shape"] == [3, 32, 32]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_predict_needs_nothing_but_a_picture(framework, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["predict", str(pictures.CAT), "--framework", framework]) == 0
    first, _, name, best, *others = capsys.readouterr().out.splitlines()
    assert first == f"ResNet-20 v1, {framework}, trained on cifar10, the course's own weights"
    assert name == str(pictures.CAT)
    assert best.split()[0] == "cat"
    assert "█" in best
    assert len(others) == 4
