"""Training throughput on this machine, side by side in one run: plain loops against `training.fit`.

    .venv/bin/python benchmarks/throughput.py
    .venv/bin/python benchmarks/throughput.py --depth 20 --batch-size 128 --steps 20 --rounds 3 --frameworks pytorch

ResNet-20 on 32×32 images. Plain PyTorch: float32, channels first, the loop of every first tutorial. Plain Keras:
`compile` and `fit` as they come. Ours: `fit` with precision "auto", which measures and chooses. The rounds take turns; the
quickest half of all updates counts, since other programs only ever slow one down. Quote ratios: the numbers are of this hour.
"""

import argparse
import json
import platform
import time
from dataclasses import replace

import resnet_lessons  # noqa: F401  # first: it keeps TensorFlow's import quiet
from resnet_lessons import datasets, resnet_config, training

import numpy as np

CONFIG = {"family": "cifar", "shortcut": "B"}


def main() -> None:
    """Measure, print, and say whether the aims are met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--depth", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20, help="updates in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--frameworks", nargs="+", default=["pytorch", "tensorflow"])
    parser.add_argument("--aims", type=float, nargs=2, default=(2.0, 1.3), metavar=("PYTORCH", "KERAS"))
    asked = parser.parse_args()
    config = resnet_config(asked.depth, **CONFIG)
    data = random_images(asked.steps * asked.batch_size)
    recipe = training.Recipe(epochs=1, batch_size=asked.batch_size, precision="auto", channels_last=True)
    results = {}
    for framework, aim in zip(("pytorch", "tensorflow"), asked.aims, strict=True):
        if framework not in asked.frameworks:
            continue
        plain = {"pytorch": plain_pytorch, "tensorflow": plain_keras}[framework]
        from resnet_lessons.training import speed

        chosen, measured = speed.settle(training.new_network(framework, config), data, recipe, None, False)
        print(f"{framework}: {speed.wording(measured)}", flush=True)
        times: dict[str, list[float]] = {"plain": [], "fit": []}
        for _ in range(asked.rounds):
            times["plain"] += plain(training.new_network(framework, config), data, recipe)
            times["fit"] += ours(training.new_network(framework, config), data, chosen)
        rates = {name: asked.batch_size / quickest_half(seconds) for name, seconds in times.items()}
        ratio = rates["fit"] / rates["plain"]
        results[framework] = {**rates, "ratio": ratio, "chosen": measured["name"]}
        verdict = f"aim {aim}: {'met' if ratio >= aim else 'missed'}"
        print(
            f"{framework}: plain {rates['plain']:.0f}, fit {rates['fit']:.0f} images/s, ratio {ratio:.2f} ({verdict})"
        )
    print(json.dumps({"machine": platform.machine(), "python": platform.python_version(), **results}))


def random_images(count: int) -> datasets.Dataset:
    """Return images of CIFAR's shape with nothing on them."""
    generator = np.random.default_rng(0)
    part = datasets.Part(
        generator.integers(0, 256, (count, 32, 32, 3), np.uint8), generator.integers(0, 10, count, np.int64)
    )
    test = datasets.Part(part.images[:8], part.labels[:8])
    return datasets.Dataset("noise", part, test, tuple("0123456789"), 255, (0.5,) * 3, (0.25,) * 3)


def quickest_half(seconds: list[float]) -> float:
    """Return the mean of the quicker half."""
    return float(np.mean(sorted(seconds)[: max(1, len(seconds) // 2)]))


def plain_pytorch(net: object, data: datasets.Dataset, recipe: training.Recipe) -> list[float]:
    """The seconds of each update of a plain loop."""
    import torch
    import torch.nn.functional as F

    assert isinstance(net, torch.nn.Module)
    optimizer = torch.optim.SGD(net.parameters(), lr=recipe.peak_rate, momentum=recipe.momentum)
    images, labels = torch.from_numpy(data.normalized(data.train)), torch.from_numpy(data.train.labels)
    net.train()
    ended = [time.perf_counter()]
    for indices in torch.randperm(len(labels)).split(recipe.batch_size):
        logits = net(images[indices])
        loss = F.cross_entropy(logits, labels[indices])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        ended.append(time.perf_counter())
    return np.diff(ended)[2:].tolist()


def plain_keras(net: object, data: datasets.Dataset, recipe: training.Recipe) -> list[float]:
    """The seconds of each update of a plain `fit`."""
    import keras

    ended: list[float] = []
    stamp = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: ended.append(time.perf_counter()))
    assert isinstance(net, keras.Model)
    net.compile(
        keras.optimizers.SGD(recipe.peak_rate, recipe.momentum),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    images = np.ascontiguousarray(data.normalized(data.train).transpose(0, 2, 3, 1))
    net.fit(images, data.train.labels, batch_size=recipe.batch_size, epochs=1, verbose=0, callbacks=[stamp])
    return np.diff(ended)[2:].tolist()


def ours(net: object, data: datasets.Dataset, recipe: training.Recipe) -> list[float]:
    """The seconds of each update of `training.fit`."""
    ended: list[float] = []
    training.fit(net, data, replace(recipe), progress=False, on_step=lambda _: ended.append(time.perf_counter()))
    return np.diff(ended)[2:].tolist()


if __name__ == "__main__":
    main()
