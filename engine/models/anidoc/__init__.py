"""AniDoc: reference-guided video diffusion, after Meng and others, 2024 (arXiv 2412.14173)."""

from .adapter import AniDoc


def load(device: str) -> AniDoc:
    """The model; its networks are loaded by the job that needs them. Raises nothing before that."""
    return AniDoc(device)
