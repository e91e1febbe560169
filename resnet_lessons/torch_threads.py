"""How many of the processor's cores PyTorch uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread(when: bool = True) -> Iterator[None]:
    """Compute in one thread inside the `with` block, if `when` holds.

    Maps of a few pixels gain nothing from a second thread, and where other programs use the cores, PyTorch's threads wait
    for each other many times longer than the work takes.
    """
    import torch

    before = torch.get_num_threads()
    if when:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
