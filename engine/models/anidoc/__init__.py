"""AniDoc: reference-guided video diffusion, after Meng and others, 2024 (arXiv 2412.14173)."""

from .adapter import AniDoc


def load(device: str) -> AniDoc:
    """The model. Its networks are loaded by the first job that needs them; nothing is raised before that."""
    return AniDoc(device)
