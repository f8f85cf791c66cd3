"""LVCD: long shots from one colored drawing, after Huang and others, 2024 (arXiv 2409.12960)."""

from .adapter import Lvcd


def load(device: str) -> Lvcd:
    """The model. Its networks are loaded by the first job that needs them; nothing is raised before that."""
    return Lvcd(device)
