"""ToonCrafter: the pictures between two painted keys, after Xing and others, 2024 (arXiv 2405.17933)."""

from .adapter import ToonCrafter


def load(device: str) -> ToonCrafter:
    """The model. Its networks are loaded by the first job that needs them; nothing is raised before that."""
    return ToonCrafter(device)
