"""Animate Anyone: a character in given poses, after Hu and others, 2023 (arXiv 2311.17117), for the weights of Moore Threads."""

from .adapter import AnimateAnyone


def load(device: str) -> AnimateAnyone:
    """The model. Its networks are loaded by the first job that needs them; nothing is raised before that."""
    return AnimateAnyone(device)
