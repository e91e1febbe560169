"""Write the recordings that stand in for the other framework on a single route: resnet_lessons/reference/*.safetensors.

    .venv/bin/python tools/record_references.py

Each holds a basic block's weights (random BN tensors among them), images, and what one framework computed in float64:
outputs, gradients, running statistics after one training step. A test computes them again in both frameworks.
"""

from resnet_lessons import parity, tf_resnet, torch_resnet
from resnet_lessons.tf_layers import dtype_of_layers

import keras
import numpy as np

CHANNELS, SIZE, BATCH = 8, (6, 7), 4


def main() -> None:
    """Build the block in both frameworks with the same weights, and record each."""
    net = torch_resnet.BasicBlock(CHANNELS, CHANNELS).double()
    with dtype_of_layers("float64"):
        x = keras.Input((None, None, CHANNELS), dtype="float64")
        twin = keras.Model(x, tf_resnet.BasicBlock(CHANNELS, CHANNELS)(x))
    generator = np.random.default_rng(0)
    for tensor in parity.wrap(net).tensors().values():
        tensor.write(0.1 * generator.standard_normal(tensor.shape))
    parity.randomize_batch_norm(net)
    parity.copy_weights(source=net, target=twin)
    images = np.abs(generator.standard_normal((BATCH, CHANNELS, *SIZE)))  # what enters a block has passed a ReLU
    parity.REFERENCE_FOLDER.mkdir(exist_ok=True)
    for name, network in [("pytorch", net), ("tensorflow", twin)]:
        path = parity.REFERENCE_FOLDER / f"basic_block_{name}.safetensors"
        parity.record(network, images, path)
        path.chmod(0o644)  # safetensors writes for the owner alone
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
