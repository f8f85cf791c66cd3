"""LVCD: long shots from one colored drawing, after Huang and others, 2024 (arXiv 2409.12960)."""

from .adapter import Lvcd


def load(device: str) -> Lvcd:
    """The model; its networks are loaded by the job that needs them. Raises nothing before that."""
    return Lvcd(device)
