"""Write the recordings that stand in for the other framework on a single route: resnet_lessons/reference/*.safetensors.

    .venv/bin/python tools/record_references.py

Each holds a block's weights (random BN tensors among them), images, and what one framework computed in float64: outputs,
gradients, running statistics after one training step. A test computes them again in both frameworks.
"""

from typing import Any

from resnet_lessons import parity, tf_resnet, torch_resnet
from resnet_lessons.tf_layers import dtype_of_layers

import keras
import numpy as np

SIZE, BATCH = (6, 7), 4
VERSIONS = {"stride_move": "v1.5"}  # of the blocks that are not built as their class is by default
# The block's class, and what both frameworks are given: input channels, width, stride. Those with stride 2 show a wrong padding,
# since the images' height is even.
BLOCKS: dict[str, tuple[str, tuple[int, ...]]] = {
    "basic_block": ("BasicBlock", (8, 8, 1)),
    "projection_block": ("BasicBlock", (8, 16, 2)),
    "bottleneck": ("Bottleneck", (8, 4, 2)),
    "stride_move": ("Bottleneck", (8, 4, 2)),
    "pre_activation": ("PreActBasicBlock", (8, 16, 2)),
}


def main() -> None:
    """Build each block in both frameworks with the same weights, and record each."""
    parity.REFERENCE_FOLDER.mkdir(exist_ok=True)
    for block, (kind, arguments) in BLOCKS.items():
        options = {"version": VERSIONS[block]} if block in VERSIONS else {}
        net = getattr(torch_resnet, kind)(*arguments, **options).double()
        with dtype_of_layers("float64"):
            x = keras.Input((None, None, arguments[0]), dtype="float64")
            twin = keras.Model(x, getattr(tf_resnet, kind)(*arguments, **options)(x))
        record_both(block, net, twin, arguments[0])


def record_both(block: str, net: Any, twin: Any, channels: int) -> None:
    """Draw weights and images for one block, and record what each framework makes of them."""
    generator = np.random.default_rng(0)
    for tensor in parity.wrap(net).tensors().values():
        tensor.write(0.1 * generator.standard_normal(tensor.shape))
    parity.randomize_batch_norm(net)
    parity.copy_weights(source=net, target=twin)
    images = np.abs(generator.standard_normal((BATCH, channels, *SIZE)))  # what enters a block has passed a ReLU
    for name, network in [("pytorch", net), ("tensorflow", twin)]:
        path = parity.REFERENCE_FOLDER / f"{block}_{name}.safetensors"
        parity.record(network, images, path)
        path.chmod(0o644)  # safetensors writes for the owner alone
        print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
