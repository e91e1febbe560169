"""A course on residual networks, built twice, in PyTorch and in TensorFlow, and proven equal.

Importing the package loads neither framework. Its modules are loaded when they are first asked for, so that a learner
of one framework never needs the other.
"""

from __future__ import annotations

from .quiet_tensorflow import install as _keep_tensorflow_quiet

TYPE_CHECKING = False  # type checkers take this for true; `typing` itself would be most of this module's import time
if TYPE_CHECKING:
    from .architecture import resnet_config, trace

__version__ = "0.1.0"
__all__ = ["__version__", "resnet_config", "trace"]

_FROM_ARCHITECTURE = ("resnet_config", "trace")
_MODULES = (
    "architecture",
    "checks",
    "datasets",
    "figures",
    "labs",
    "parity",
    "pretrained",
    "progress",
    "routes",
    "tf_resnet",
    "torch_resnet",
    "training",
)

_keep_tensorflow_quiet()


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name in (*_FROM_ARCHITECTURE, *_MODULES):
        from .first_cell import check_python

        check_python()
    if name in _FROM_ARCHITECTURE:
        value = getattr(import_module(".architecture", __name__), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__dir__())}")


def __dir__() -> list[str]:
    return sorted({"__version__", *_FROM_ARCHITECTURE, *_MODULES})
