"""How AniDoc is placed in a card's memory."""

from dataclasses import replace

import torch

from ...diffusion import memory
from ...diffusion.needs import needs
from .nets import Nets
from .sampler import Settings

KEPT = 50  # copies of the widest layer that attention takes which is used again, for both halves of the guidance


def plan(
    nets: Nets, size: tuple[int, int], frames: int, settings: Settings, device: torch.device, wanted: str
) -> tuple[memory.Plan, Settings]:
    """The fastest way that fits into the device's free memory, and the settings for it. Raises JobFailed when there is none."""
    free, more = memory.free_bytes(device), KEPT if settings.reuse > 1 else 0
    whole = needs(nets, size, frames, 2, more)
    if settings.order != "correct":
        return memory.plan(whole, free, wanted), settings
    together = memory.bytes_of(whole, memory.WHOLE if wanted == "auto" else wanted, 1) <= free
    return memory.plan(whole if together else needs(nets, size, frames, 1, more), free, wanted), replace(settings, together=together)
