"""Shiage paints 2-D animation: registration, and nothing else."""

from . import panels
from .operators import animate, colorize, colors, corrections, engine, inbetween, jobs, marking, pins, references, shell, weights
from .operators.scene import settings
from .panels import arcs, skeleton, translations

# In this order: panels and shell show what is registered before them; the preferences are looked at by the engine.
_MODULES = (
    *(settings, translations, panels, engine, weights, jobs, references, colors),
    *(colorize, corrections, inbetween, pins, animate, marking, skeleton, arcs, shell),
)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()
