"""Animate Anyone: a character in given poses, after Hu and others, 2023 (arXiv 2311.17117), for the weights of Moore Threads."""

from .adapter import AnimateAnyone


def load(device: str) -> AnimateAnyone:
    """The model; its networks are loaded by the job that needs them. Raises nothing before that."""
    return AnimateAnyone(device)
