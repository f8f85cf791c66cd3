"""Flats: the default model. Regions between the lines, each in one swatch of the reference."""

from .adapter import Flats


def load(device: str) -> Flats:
    """The model, ready to run. It works on the processor whatever the device."""
    return Flats()
