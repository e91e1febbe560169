"""What reading and augmenting CIFAR-10 costs a training: the same steps on the pipeline's batches and on one held in memory.

    python benchmarks/data_pipeline.py [--framework pytorch|tensorflow] [--precision float32|bfloat16] [--threads 1]

Rounds of the two alternate, so that a machine that gets slower meanwhile slows both. The last lines are the median over the
rounds of the speed that is lost, by the clock and by the processors' time. The second also holds on a machine that others
use, if there is one thread: several wait for one another, which counts as work. Without CIFAR-10 here, noise of the same
size takes its place.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator

from resnet_lessons import datasets, resnet_config, training

import numpy as np

Step = Callable[[np.ndarray, np.ndarray], None]


def main() -> None:
    """Measure, and print what was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--framework", choices=("pytorch", "tensorflow"), default="pytorch")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="bfloat16")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=30, help="a round")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, help="of the training; all cores if not given")
    chosen = parser.parse_args()
    dataset = cifar10()
    step = (torch_step if chosen.framework == "pytorch" else keras_step)(chosen.precision, chosen.threads)
    batches = endless(dataset, chosen.batch_size)
    held = next(batches)
    lost = []
    for number in range(chosen.rounds + 1):
        alone = seconds(step, itertools.repeat(held), chosen.steps)
        with_data = seconds(step, batches, chosen.steps)
        if number:  # the first round warms up
            lost.append(1 - alone / with_data)
            speeds = chosen.steps * chosen.batch_size / np.array([alone[0], with_data[0]])
            print(
                f"round {number}: {speeds[0]:,.0f} images/s on one batch, {speeds[1]:,.0f} with the pipeline",
                flush=True,
            )
    clock, processors = np.median(lost, axis=0)
    print(f"{chosen.framework}, {chosen.precision}: {clock:.1%} of the speed lost to the pipeline by the clock,")
    print(f"{processors:.1%} by the processors' time")


def cifar10() -> datasets.Dataset:
    """CIFAR-10 if it is here, otherwise noise of its size."""
    try:
        return datasets.load_dataset("cifar10")
    except ValueError as error:
        print(f"{error}\nUsing noise of the same size.")
    pixels = np.random.default_rng(0).integers(0, 256, (50_000, 32, 32, 3), np.uint8)
    part = datasets.Part(pixels, np.arange(len(pixels)) % 10)
    return datasets.Dataset("noise", part, part, tuple("0123456789"), 255, (0.5,) * 3, (0.25,) * 3)


def endless(dataset: datasets.Dataset, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Epoch after epoch of augmented batches, channels last: PyTorch sees them through a view, without a copy."""
    for epoch in itertools.count():
        yield from dataset.batches(
            dataset.train, batch_size, shuffle=True, epoch=epoch, augment="pad-crop-flip", last="drop", layout="NHWC"
        )


def seconds(step: Step, batches: Iterator[tuple[np.ndarray, np.ndarray]], steps: int) -> np.ndarray:
    """The time that some steps take: by the clock, and that of all processors together."""
    start = np.array([time.perf_counter(), time.process_time()])
    for images, labels in itertools.islice(batches, steps):
        step(images, labels)
    return np.array([time.perf_counter(), time.process_time()]) - start


def torch_step(precision: str, threads: int | None) -> Step:
    """A training step of ResNet-20 in PyTorch, channels last."""
    import torch
    import torch.nn.functional as F

    if threads:
        torch.set_num_threads(threads)
    net = training.new_network("pytorch", resnet_config(20, family="cifar")).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    net.train()

    def step(images: np.ndarray, labels: np.ndarray) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = net(torch.from_numpy(images).permute(0, 3, 1, 2))
        loss = F.cross_entropy(logits.float(), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def keras_step(precision: str, threads: int | None) -> Step:
    """A training step of ResNet-20 in Keras."""
    from resnet_lessons.training import tf_loop

    import keras
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    if precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    net = training.new_network("tensorflow", resnet_config(20, family="cifar"), dtype=None)
    net.compile(keras.optimizers.SGD(0.01, momentum=0.9), tf_loop.cross_entropy(net), jit_compile=False)
    return lambda images, labels: net.train_on_batch(images, labels)


if __name__ == "__main__":
    main()
