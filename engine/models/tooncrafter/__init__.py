"""ToonCrafter: the pictures between two painted keys, after Xing and others, 2024 (arXiv 2405.17933)."""

from .adapter import ToonCrafter


def load(device: str) -> ToonCrafter:
    """The model; its networks are loaded by the job that needs them. Raises nothing before that."""
    return ToonCrafter(device)
