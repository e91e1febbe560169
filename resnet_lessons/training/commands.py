"""What `resnet-lessons train`, `evaluate`, `predict`, `runs` and `compare` do, without the reading of options."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from resnet_lessons import datasets, pretrained, training
from resnet_lessons import summary as report
from resnet_lessons.architecture import ResNetConfig
from resnet_lessons.frameworks import check_framework
from resnet_lessons.training import saved
from resnet_lessons.training.pictures import name_pictures
from resnet_lessons.training.run_folder import new_name

import numpy as np

RECIPE_FOR = {"digits": "digits", "fashion_mnist": "fashion", "cifar10": "fast-cifar", "cifar100": "fast-cifar"}
DEFAULTS = {"data": "digits", "framework": "pytorch", "depth": 20, "version": "v1", "family": None, "shortcut": None}
NETWORK_FIELDS = ("depth", "version", "family", "shortcut", "width")
READING = ("image_size", "on_bad_image", "test_share")  # options of `load_dataset` that a run keeps to
RECIPE_FIELDS = {"epochs": "epochs", "batch_size": "batch_size", "rate": "peak_rate", "precision": "precision"}
TOP = 5
BAR = 30  # signs of a full bar


def train(
    asked: Mapping[str, Any], run: Path | None, resume: Path | None, save_minutes: float, download: bool = False
) -> None:
    """Train a network in a run's folder, new or resumed; `asked` holds the options that were given."""
    given = {name: value for name, value in asked.items() if value is not None}
    if resume is not None and run is not None:
        raise ValueError("--resume names the run's folder already; leave --run out.")
    before = None if resume is None else saved.read_run(resume)
    if before is not None:
        given = {**_of_run(before), **given}
    settings = {**DEFAULTS, **given}
    framework, data, seed = settings["framework"], settings["data"], settings.get("seed", 0)
    recipe = _recipe(settings, before)
    check_framework(framework)
    dataset = datasets.load_dataset(data, download=download, **_reading(settings))
    training.check_batch_size(recipe, dataset)
    config = _config(settings, dataset)
    path = before.path if before is not None else run or new_name(f"{_stem(config)}-{_stem_of_data(data)}-{framework}")
    net = training.new_network(framework, config, seed, dtype="float64" if recipe.precision == "float64" else "float32")
    path.mkdir(parents=True, exist_ok=True)  # or say at once why not
    first = int(os.environ.get("RANK", "0")) == 0  # of several processes, one talks
    if first:
        shown = f"{config.name}, {config.parameters:,} parameters, on {len(dataset.train):,} images of {data}"
        print(shown, flush=True)
    history = training.fit(
        net, dataset, recipe, run=path, resume=before is not None, label=config.name, save_minutes=save_minutes
    )
    if first:
        accuracy = _share_of(dataset.test, history["test_accuracy"][-1])
        print(f"test accuracy {accuracy}, training accuracy {history['train_accuracy'][-1]:.2%}")
        _tell_skipped(dataset.skipped)
        print(
            f"{history['seconds'][-1]:.0f} s; all of it in {path}; `resnet-lessons evaluate {path}` reads the weights"
        )


def _recipe(settings: Mapping[str, Any], before: saved.Run | None) -> training.Recipe:
    name = settings.get("recipe")
    if name is not None and name not in training.RECIPES:
        raise ValueError(f"There is no recipe {name!r}; there are {', '.join(training.RECIPES)}.")
    if name is None and before is not None:
        recipe = before.recipe
    else:
        recipe = training.RECIPES[name or RECIPE_FOR.get(settings["data"], "finetune")]
    changes = {field: settings[option] for option, field in RECIPE_FIELDS.items() if option in settings}
    if "epochs" in changes:
        changes["iterations"] = None
    if "seed" in settings:
        changes["seed"] = settings["seed"]
    return replace(recipe, **changes)


def _config(settings: Mapping[str, Any], dataset: Any) -> ResNetConfig:
    fields = {name: settings.get(name) for name in ("shortcut", "width")}
    config, _ = report.choose_config(
        settings["depth"],
        settings["version"],
        settings["family"],
        in_channels=dataset.image_shape[0],
        num_classes=len(dataset.class_names),
        **fields,
    )
    return config


def _of_run(run: saved.Run) -> dict[str, Any]:
    """The options that a run was begun with."""
    data, policy = run.facts["data"], {"on_bad_image": run.facts.get("on_bad_image", "raise")}
    network = {name: run.facts["network"][name] for name in NETWORK_FIELDS}
    return {
        "data": data["name"], "framework": run.facts["framework"], **policy, **data.get("options", {}), **network
    }  # fmt: skip


def _reading(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: settings[name] for name in READING if name in settings}


def _share_of(part: Any, accuracy: float) -> str:
    """An accuracy, with the numbers behind it unless some images may have been left out when it was measured."""
    if not isinstance(part, datasets.Part) and part.reader.on_bad_image == "skip":
        return f"{accuracy:.2%}"
    return share(round(accuracy * len(part)), len(part))


def _tell_skipped(skipped: Sequence[datasets.Skipped]) -> None:
    if skipped:
        first, more = skipped[0], f", and {len(skipped) - 1:,} more" if len(skipped) > 1 else ""
        print(f"left out, since they cannot be read: {first.name} ({first.reason}){more}")


def _stem(config: ResNetConfig) -> str:
    return config.name.replace(" ", "-").lower()


def _stem_of_data(data: str) -> str:
    return Path(data).name.replace(":", "-")


def evaluate(
    weights: Path,
    data: str | None,
    framework: str,
    version: str | None,
    normalization: str,
    *,
    download: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> None:
    """Count the test images that a network with given weights gets right; `reading` holds options of `load_dataset`."""
    check_framework(framework)
    if normalization not in ("dataset", "imagenet"):
        raise ValueError(f"normalization is {normalization!r}; it is one of dataset, imagenet.")
    file = saved.find_weights(weights)
    told: dict[str, Any] = {"version": version} if version else {}
    net, about = pretrained.load(file, framework=framework, **told), saved.about(file)
    trained_on = about.get("data", "digits")
    data = data or trained_on
    before = about.get("options", {}) if data == trained_on else {}
    given = {name: value for name, value in (reading or {}).items() if value is not None}
    dataset = datasets.load_dataset(data, download=download, **{**before, **given})
    wanted = (dataset.image_shape[0], len(dataset.class_names))
    if (net.config.in_channels, net.config.num_classes) != wanted:
        raise ValueError(
            f"{file} is for images of {net.config.in_channels} channels and {net.config.num_classes} classes; {data} has "
            f"{wanted[0]} and {wanted[1]}."
        )
    recipe = training.Recipe()
    mean, std = (datasets.IMAGENET_MEAN, datasets.IMAGENET_STD) if normalization == "imagenet" else (None, None)
    if normalization == "dataset" and np.ndim(about.get("mean", 0)) == 3:
        recipe = training.Recipe(normalization="pixel")
    right, images = 0, 0
    for batch, labels in training.part_to_test_on(dataset, recipe, mean=mean, std=std):
        right += int((training.predict(net, batch).argmax(axis=1) == labels).sum())
        images += len(labels)
    print(f"{net.config.name}, {net.config.parameters:,} parameters, {framework}, {data}:")
    print(f"test accuracy {share(right, images)}")
    _tell_skipped(dataset.test.skipped)


def predict(pictures: Sequence[Path], weights: Path | None, framework: str) -> None:
    """Print the five likeliest classes of each picture."""
    check_framework(framework)
    named = name_pictures(pictures, framework, weights)  # all of them, before any is shown
    source = "the course's own weights" if weights is None else f"weights in {named.weights}"
    lines = [f"{named.config.name}, {framework}, trained on {named.about['data']}, {source}"]
    width = max(map(len, named.about["classes"]))
    for picture, chances in zip(pictures, named.chances, strict=True):
        lines += ["", str(picture)]
        for name, chance in list(chances.items())[:TOP]:
            lines.append(f"  {name:<{width}}  {chance:7.2%}  {'█' * round(BAR * chance)}".rstrip())
    report.write("\n".join(lines) + "\n")


def runs(folder: Path) -> None:
    """Print a table of past runs."""
    there = saved.all_runs(folder)
    if not there:
        print(f"There are no runs in {folder}; `resnet-lessons train` makes one.")
        return
    report.write(report.table(saved.runs_table(there)))


def compare(paths: Sequence[Path], output: Path | None) -> None:
    """Print where runs differ and how they went, and draw their curves."""
    if len(paths) < 2:
        raise ValueError("Name two runs or more to compare.")
    there = [saved.read_run(path) for path in paths]
    empty = [str(run.path) for run in there if not run.history]
    if empty:
        raise ValueError(f"{', '.join(empty)} has no finished epoch yet, so there is nothing to compare.")
    lines = report.table(saved.runs_table(there))
    for other in there[1:]:
        ours, theirs = (
            {n: run.facts.get(n) for n in ("recipe", "network", "data", "framework")} for run in (there[0], other)
        )
        differ = training.differences(ours, theirs)
        lines += f"\n{there[0].name} here, {other.name} there: {'; '.join(differ) or 'the same training'}\n"
    lines += "\ntest accuracy by epoch\n" + report.table(_by_epoch(there))
    report.write(lines)
    if output is not None:
        from resnet_lessons import figures

        curves = figures.curves({run.name: run.history for run in there}, "test_accuracy", title="test accuracy")
        print(f"curves in {curves.save(output)}")


def _by_epoch(there: Sequence[saved.Run], most: int = 12) -> list[list[str]]:
    longest = max(len(run.history["epoch"]) for run in there)
    shown = sorted({round(place) for place in np.linspace(1, longest, min(most, longest))})
    rows = [["epoch", *(run.name for run in there)]]
    for epoch in shown:
        cells = [run.history["test_accuracy"][epoch - 1 : epoch] for run in there]
        rows.append([str(epoch), *(f"{cell[0]:.2%}" if cell else "" for cell in cells)])
    return rows


def share(right: int, images: int) -> str:
    """97.22% (350 of 360)"""
    return f"{right / images:.2%} ({right:,} of {images:,})"
