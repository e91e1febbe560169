"""Keras's SGD with what PyTorch's has: coupled weight decay, the same clipping, and momentum that follows the rate."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops


@keras.saving.register_keras_serializable("resnet_lessons")
class CoupledSGD(keras.optimizers.SGD):
    """SGD whose weight decay is part of the gradient, as in the papers and in PyTorch.

    The `weight_decay` of Keras's own optimizers is decoupled: it shrinks the weights beside the gradient and its
    momentum. (An L2 penalty λ‖w‖² on the layers would be coupled, with 2λ in place of the decay, and counts as loss.)

    Parameters
    ----------
    decay
        What of each weight is added to its gradient.
    decay_all
        Whether BN's γ and β and the biases decay, too.
    clip
        Largest norm of all gradients together; computed as in `torch.nn.utils.clip_grad_norm_`.
    """

    def __init__(self, *arguments: Any, decay: float = 0.0, decay_all: bool = False, clip: Any = None, **options: Any):
        super().__init__(*arguments, **options)
        self.decay, self.decay_all, self.clip = decay, decay_all, clip
        self._scale: Any = None

    def apply(self, grads: Any, trainable_variables: Any = None) -> Any:
        """Clip, then update."""
        if self.clip is not None:
            grads = self._clipped(grads)
        return super().apply(grads, trainable_variables)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable: Keras's own lines, with the decay added to the gradient, and no number rounded to float32."""
        rate, momentum = (_number(value, variable) for value in (learning_rate, self.momentum))
        gradient = ops.cast(gradient, variable.dtype)
        if self.decay and (self.decay_all or len(variable.shape) > 1):
            gradient = gradient + _number(self.decay, variable) * variable
        step = -rate * gradient
        if self.momentum:
            velocity = self.momentums[self._get_variable_index(variable)]
            self.assign(velocity, momentum * velocity + step)
            step = momentum * velocity + step if self.nesterov else velocity
        self.assign_add(variable, step)

    def follow(self, rate: float, change: float) -> None:
        """Set the rate of the next update, and scale the momentum by the change of the rate.

        Keras's momentum is a sum of steps, rate included, and PyTorch's a sum of gradients. Without the scaling, old
        gradients go on at the rate of their own time.
        """
        if change != 1 and self.momentum:
            if self._scale is None:
                # One graph for all: a call for each variable takes as long as a small network's whole step.
                scale = tf.function(self._scale_momenta, autograph=False)
                self._scale = scale.get_concrete_function(tf.TensorSpec((), "float64"))
            self._scale(tf.constant(change, "float64"))
        self.learning_rate = rate

    def _scale_momenta(self, change: Any) -> None:
        for momentum in self.momentums:
            momentum.assign(momentum * ops.cast(change, momentum.dtype))

    def finalize_variable_values(self, var_list: Any) -> None:
        """Leave the weights as they are: Keras would put the running averages in their place after every `fit`."""

    def get_config(self) -> dict[str, Any]:
        """Return what `keras.saving` needs to build it again."""
        return {**super().get_config(), "decay": self.decay, "decay_all": self.decay_all, "clip": self.clip}

    def _clipped(self, grads: Any) -> Any:
        replicas = tf.distribute.get_replica_context()
        if replicas is not None and replicas.num_replicas_in_sync > 1:  # the norm is that of the sum over replicas
            grads = replicas.all_reduce(tf.distribute.ReduceOp.SUM, [tf.convert_to_tensor(grad) for grad in grads])
            share = replicas.num_replicas_in_sync
        else:
            share = 1
        norm = ops.sqrt(sum(ops.sum(ops.square(grad)) for grad in grads))
        scale = ops.minimum(self.clip / (norm + 1e-6), 1.0) / share
        return [grad * scale for grad in grads]


def _number(value: Any, like: Any) -> Any:
    """Return a number in a variable's dtype. (`ops.cast` of a Python number goes by way of float32.)"""
    return ops.cast(value, like.dtype) if ops.is_tensor(value) else ops.convert_to_tensor(value, like.dtype)
