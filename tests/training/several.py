"""A training on two devices: torchrun … several.py pytorch RUN OUT, or python several.py tensorflow RUN OUT.

Each process writes into OUT what it holds at the end. `--die N`: the last process is killed after update N.
"""

import argparse
import json
import os
import signal

import resnet_lessons  # noqa: F401  # first: it keeps TensorFlow's import quiet
from resnet_lessons import parity, training
from resnet_lessons.training import checkpoints
from tests.training.small import network, small

import numpy as np

RECIPE = training.Recipe(
    epochs=3, batch_size=32, ema=0.9, clip=1.0, weight_decay=1e-3, momentum_form="pytorch", precision="float64"
)
IMAGES = 201  # which two processes cannot share equally


def two_devices():
    import tensorflow as tf

    tf.config.threading.set_inter_op_parallelism_threads(1)
    processor = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * 2)
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def replicas(framework, net, strategy):
    """The tensors of every replica that this process holds."""
    if framework == "pytorch":
        return [parity.state_of(net)]
    values = [strategy.experimental_local_results(variable.value) for variable in net.variables]
    return [{str(i): value[device].numpy() for i, value in enumerate(values)} for device in range(2)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("framework")
    parser.add_argument("run")
    parser.add_argument("out")
    parser.add_argument("--die", type=int)
    asked = parser.parse_args()
    rank = int(os.environ.get("RANK", "0"))
    strategy = two_devices() if asked.framework == "tensorflow" else None
    if rank:

        def not_mine(*_):
            raise AssertionError("only the first process writes")

        checkpoints.write = checkpoints.write_file = not_mine

    def on_step(session):
        last = session.held.rank == session.held.world - 1
        if session.step == asked.die and last:
            os.kill(os.getpid(), signal.SIGKILL)

    if strategy is None:
        net = network(asked.framework, dtype="float64")
    else:
        with strategy.scope():
            net = network(asked.framework, dtype="float64")
    history = training.fit(
        net, small(IMAGES), RECIPE, run=asked.run, resume=True, save_steps=2, progress=False, on_step=on_step
    )
    for number, tensors in enumerate(replicas(asked.framework, net, strategy)):
        np.savez(f"{asked.out}-{rank + number}.npz", **tensors)
    with open(f"{asked.out}-{rank}.json", "w") as file:
        json.dump(history, file)


if __name__ == "__main__":
    main()
