"""The placement of AniDoc in a device's memory."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from ...diffusion.loaded import LoadedPipeline, place_networks
from ...diffusion.memory import MemoryNeeds
from ...diffusion.parts import apply_shortcuts, estimate_needs
from .networks import AniDocNetworks
from .pipeline import PRESETS, AniDocPipeline, AniDocSettings

KEPT = 50  # memory of reused attention, in copies of the widest layer, for both halves of the guidance


def place_pipeline(
    networks: AniDocNetworks, size: tuple[int, int], frames: int, settings: AniDocSettings, device: torch.device, wanted: str
) -> LoadedPipeline[AniDocPipeline]:
    """Place AniDoc's pipeline for windows of `frames` pictures of `size` (width, height) px. `wanted` is the option Memory. Raises
    JobFailed when memory is too small."""

    def estimate(halves: int) -> MemoryNeeds:
        return estimate_needs(networks, size, frames, halves, KEPT if settings.reuse > 1 else 0)

    return place_networks(
        lambda placement, batched_cfg: AniDocPipeline(networks, placement, replace(settings, batched_cfg=batched_cfg)),
        estimate,
        lambda mode: dict.fromkeys(networks.all, mode),
        device,
        wanted,
        frames,
        batched_cfg=None if settings.context_order == "correct" else True,
        advice=f" or Window to {max(2, frames // 2)}",
    )


def place_for_job(
    networks: AniDocNetworks, size: tuple[int, int], frames: int, options: Mapping[str, object], device: torch.device
) -> LoadedPipeline[AniDocPipeline]:
    """The same with the options of a job, and with all exact shortcuts."""
    settings = replace(PRESETS[str(options["preset"])], context_order=str(options["context_order"]), reuse=int(str(options["reuse"])))
    apply_shortcuts(networks, bool(options["compile"]))
    return place_pipeline(networks, size, frames, settings, device, str(options["memory"]))
