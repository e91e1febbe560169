"""A small training that is killed: python victim.py FRAMEWORK RUN [--resume] [--step N | --write N].

It kills itself with SIGKILL after update N, or within the N-th time that a file is brought to the disk. `tools/stress.py`
lets others kill it at random moments.
"""

import argparse
import importlib
import os
import signal
from dataclasses import replace

from resnet_lessons import datasets, resnet_config, training

RECIPE = training.Recipe(
    epochs=3, batch_size=32, momentum_form="pytorch", weight_decay=1e-3, ema=0.9, label_smoothing=0.1
)


def dataset(images=200):
    """The first digits, a number of them that the batch size does not divide."""
    digits = datasets.load_dataset("digits")
    parts = {
        name: datasets.Part(getattr(digits, name).images[:images], getattr(digits, name).labels[:images])
        for name in ("train", "test")
    }
    return replace(digits, **parts)


def network(framework):
    return training.new_network(framework, resnet_config(8, family="cifar", in_channels=1, width=4))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("framework")
    parser.add_argument("run")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--step", type=int)
    parser.add_argument("--write", type=int)
    parser.add_argument("--again", help="train once more, in this folder, without being killed")
    asked = parser.parse_args()

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    sync, writes = os.fsync, iter(range(1, 1_000_000))

    def fsync(handle):
        if next(writes) == asked.write:
            die()
        sync(handle)

    os.fsync = fsync
    options = {"progress": False, "save_steps": 3}
    on_step = lambda session: session.step == asked.step and die()  # noqa: E731
    net, data = network(asked.framework), dataset()
    importlib.import_module(f"resnet_lessons.training.{'torch' if asked.framework == 'pytorch' else 'tf'}_loop")
    print("begins", flush=True)
    training.fit(net, data, RECIPE, run=asked.run, resume=asked.resume, on_step=on_step, **options)
    if asked.again:
        asked.write = None
        training.fit(network(asked.framework), dataset(), RECIPE, run=asked.again, **options)


if __name__ == "__main__":
    main()
