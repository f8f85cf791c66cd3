"""Shiage paints 2-D animation: registration, and nothing else."""

from .operators.scene import settings

_MODULES = (settings,)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
