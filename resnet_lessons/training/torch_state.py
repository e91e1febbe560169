"""What a training in PyTorch holds: network, optimizer, running average, and the processes that share the work."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from resnet_lessons.parity import state_of
from resnet_lessons.training.recipe import Recipe
from resnet_lessons.training.weights import write_weights
from resnet_lessons.training.wording import wrong_dtype

import numpy as np
import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.utils import broadcast_object_list
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class TorchState:
    """Network and optimizer, prepared for one process or several, and how a checkpoint gets at them."""

    framework = "pytorch"

    def __init__(self, net: nn.Module, recipe: Recipe):
        check_dtype(net, recipe)
        # Each process keeps its own running statistics; `agree` averages them, where DDP would take the first one's.
        apart = DistributedDataParallelKwargs(broadcast_buffers=False)
        self.accelerator = Accelerator(cpu=on_the_processor(), kwargs_handlers=[apart])
        self.net, self.recipe, self.home = net, recipe, next(net.parameters()).device
        self.rank, self.world = self.accelerator.process_index, self.accelerator.num_processes
        self.devices = self.world
        self.layout = "NHWC" if recipe.channels_last else "NCHW"
        if recipe.channels_last:
            net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        optimizer = torch.optim.SGD(
            decayed_and_not(net, recipe),
            lr=recipe.peak_rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov and recipe.momentum > 0,
        )
        with warnings.catch_warnings():
            # PyTorch 2.13 announces another name for `broadcast_buffers`, which Accelerate does not know yet.
            warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
            self.model, self.optimizer = self.accelerator.prepare(net, optimizer)
        self.device = self.accelerator.device
        self.dtype = next(net.parameters()).dtype
        self.average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(recipe.ema)) if recipe.ema else None

    @property
    def tested(self) -> nn.Module:
        """What one evaluates: the network, or the running average of its weights."""
        return self.net if self.average is None else self.average.module

    def to_device(self, images: np.ndarray, labels: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a batch as tensors: images (B, C, H, W), in whichever order of memory the recipe wants."""
        one_channel = self.world == 1 and images.shape[1] == 1 and self.layout == "NCHW"
        height, width = images.shape[1:3] if self.layout == "NHWC" else images.shape[2:]
        # NumPy leaves the stride of an axis of length 1 open, by which PyTorch chooses a convolution: so flatten first.
        batch = torch.from_numpy(images).to(self.device, self.dtype, non_blocking=True).reshape(-1)
        if self.layout == "NHWC" or one_channel:
            batch = batch.view(len(images), height, width, -1).permute(0, 3, 1, 2)  # "channels last": no byte is moved
        else:
            batch = batch.view(images.shape)
        return batch, torch.from_numpy(labels).to(self.device, non_blocking=True)

    def autocast(self) -> torch.autocast:
        """Compute convolutions in bfloat16 where the recipe says so; weights, sums and the loss stay float32."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.recipe.precision == "bfloat16")

    def set_rate(self, rate: float, change: float) -> None:
        """Set the rate of the next update.

        PyTorch's buffer holds a sum of gradients, Keras's one of steps, rate included. Both forms give the same weights as
        long as the rate does not change; dividing the buffer by the change makes PyTorch's go on as Keras's would
        (Goyal et al. 2017, section 3, "momentum correction").
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self.recipe.momentum_form == "keras" and change != 1:
            for state in self.optimizer.state.values():
                if state.get("momentum_buffer") is not None:
                    state["momentum_buffer"].div_(change)

    def clip(self) -> None:
        """Scale all gradients down together where their norm is larger than the recipe allows."""
        if self.recipe.clip is not None:
            self.accelerator.clip_grad_norm_(self.net.parameters(), self.recipe.clip)

    def over_processes(self, loss: float, correct: int, images: int, stop: bool) -> tuple[float, int, int, bool]:
        """Return the mean loss, hits and images of a batch over all processes, and whether any was asked to stop."""
        if self.world == 1:
            return loss, correct, images, stop
        here = torch.tensor([loss * images, correct, images, stop], dtype=torch.float64, device=self.device)
        total = self.accelerator.reduce(here, "sum").tolist()
        return total[0] / total[2], int(total[1]), int(total[2]), total[3] > 0

    # For the session ------------------------------------------------------------------------------------------------

    def weights(self) -> dict[str, np.ndarray]:
        return state_of(self.tested)

    def training(self) -> dict[str, np.ndarray]:
        found = {f"raw/{name}": array for name, array in self._raw().items()}
        for name, parameter in self.net.named_parameters():
            if (buffer := self.optimizer.state[parameter].get("momentum_buffer")) is not None:
                found[f"momentum/{name}"] = array_of(buffer)
        found["random/torch"] = torch.get_rng_state().numpy()
        return found

    def restore(self, weights: Mapping[str, np.ndarray], training: Mapping[str, np.ndarray]) -> None:
        write_weights(self.tested, weights)
        raw = {n.removeprefix("raw/"): torch.from_numpy(a) for n, a in training.items() if n.startswith("raw/")}
        if self.average is not None:
            self.average.n_averaged.copy_(raw.pop("n_averaged"))
        self.net.load_state_dict(raw, strict=self.average is not None)
        for name, parameter in self.net.named_parameters():
            if (array := training.get(f"momentum/{name}")) is not None:
                buffer = torch.empty_like(parameter).copy_(torch.from_numpy(array))  # in the parameter's memory format
                self.optimizer.state[parameter]["momentum_buffer"] = buffer
        torch.set_rng_state(torch.from_numpy(training["random/torch"]))

    def _raw(self) -> dict[str, np.ndarray]:
        """What is not among the weights that one evaluates: counters; and the trained weights, where an average is."""
        counters = {name: b for name, b in self.net.state_dict().items() if name.endswith("num_batches_tracked")}
        if self.average is None:
            return {name: array_of(buffer) for name, buffer in counters.items()}
        trained = {name: array_of(tensor) for name, tensor in self.net.state_dict().items()}
        return {**trained, "n_averaged": array_of(self.average.n_averaged)}

    def agree(self) -> None:
        if self.world == 1:
            return
        for module in self.net.modules():
            if isinstance(module, NORMS) and module.track_running_stats:
                for statistic in (module.running_mean, module.running_var):
                    assert statistic is not None
                    statistic.copy_(self.accelerator.reduce(statistic, "mean"))
        if self.average is not None:
            for ours, theirs in zip(self.average.module.buffers(), self.net.buffers(), strict=True):
                ours.copy_(theirs)

    def share(self, found: Any) -> Any:
        if self.world == 1:
            return found
        return broadcast_object_list([found])[0]

    def finish(self) -> None:
        """Leave the network with what was tested in it, in the usual memory format, on the device it came from."""
        if self.average is not None:
            self.net.load_state_dict(self.average.module.state_dict())
        self.net.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.net.to(self.home)


def on_the_processor() -> bool:
    """Whether Accelerate must be told to stay there.

    It must where torchrun started several processes on a machine without accelerator, and on Macs: their GPU has no float64.
    """
    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    return torch.backends.mps.is_available() or (several and not torch.accelerator.is_available())


def decayed_and_not(net: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the parameters in two groups: those that decay, and BN's γ and β and the biases, which the recipe may spare."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for parameter in net.parameters():
        if parameter.requires_grad:
            groups[recipe.decay_all or parameter.ndim > 1].append(parameter)
    return [
        {"params": parameters, "weight_decay": recipe.weight_decay if decays else 0.0}
        for decays, parameters in groups.items()
        if parameters
    ]


def check_dtype(net: nn.Module, recipe: Recipe) -> None:
    """Refuse a recipe in another precision than the network was built in."""
    built = str(next(net.parameters()).dtype).removeprefix("torch.")
    wanted = "float64" if recipe.precision == "float64" else "float32"
    if built != wanted:
        raise ValueError(wrong_dtype(recipe.precision, built, wanted))


def array_of(tensor: torch.Tensor) -> np.ndarray:
    """Return a copy of a tensor."""
    return tensor.detach().cpu().contiguous().numpy().copy()


@contextmanager
def evaluating(net: nn.Module) -> Iterator[None]:
    """Switch to evaluation mode and back."""
    was_training = net.training
    net.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        net.train(was_training)
