"""LVCD: long shots from one colored drawing, after Huang and others, 2024 (arXiv 2409.12960)."""

from .model import LVCD


def load(device: str) -> LVCD:
    """The model; its networks are loaded by the job that needs them. Raises nothing before that."""
    return LVCD(device)
