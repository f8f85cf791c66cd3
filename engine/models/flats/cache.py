from ...cache import Cache, holds, pack

__all__ = ["Cache", "holds", "pack"]
