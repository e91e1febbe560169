"""The two frameworks by name: whether one can be used here, and how to build a network in it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from resnet_lessons.architecture import ResNetConfig

PACKAGES = {"pytorch": "torch", "tensorflow": "tensorflow"}
FRAMEWORKS = tuple(PACKAGES)


def check_framework(framework: str) -> None:
    """Refuse a framework that does not exist or is not installed, without importing it.

    Raises
    ------
    ValueError
        The message says what to choose or to install.
    """
    if framework not in FRAMEWORKS:
        raise ValueError(f"framework is {framework!r}; it is one of {', '.join(FRAMEWORKS)}.")
    package = PACKAGES[framework]
    if find_spec(package) is None:
        other = next(name for name in FRAMEWORKS if name != framework)
        raise ValueError(
            f"{framework} is not installed here. Install it with `pip install {package}`, or choose {other}."
        )


def framework_name(framework: str) -> str:
    """Return ``"pytorch"`` or ``"tensorflow"`` for what people call them.

    Raises
    ------
    ValueError
        If it is neither.
    """
    known = {
        "pytorch": "pytorch",
        "torch": "pytorch",
        "tensorflow": "tensorflow",
        "tf": "tensorflow",
        "keras": "tensorflow",
    }
    name = known.get(str(framework).lower())
    if name is None:
        raise ValueError(f"there is no framework {framework!r} here; choose 'pytorch' or 'tensorflow'")
    return name


def build(framework: str, config: ResNetConfig, *, dtype: str | None = None, image_size: Any = None) -> Any:
    """Build a network in a framework; only that one is imported. `image_size` is for TensorFlow, which may fix it."""
    check_framework(framework)
    if framework == "pytorch":
        from resnet_lessons import torch_resnet

        return torch_resnet.resnet(config=config, dtype=dtype)
    from resnet_lessons import tf_resnet

    return tf_resnet.resnet(config=config, dtype=dtype, image_size=image_size)
