"""The placement of LVCD in a device's memory."""

from collections.abc import Mapping

import torch

from ...diffusion.loaded import LoadedPipeline, place_networks
from ...diffusion.parts import SvdNetworks, apply_shortcuts, estimate_needs
from .pipeline import AGAIN, CHUNK, PRESETS, SLOTS, LvcdPipeline

MORE = 6  # additional memory of attention to two slots, in copies of the widest layer


def place_for_job(
    networks: SvdNetworks, size: tuple[int, int], options: Mapping[str, object], device: torch.device
) -> LoadedPipeline[LvcdPipeline]:
    """Place LVCD's pipeline for pictures of `size` (width, height) px, with the options of a job. Raises JobFailed when memory is too
    small."""
    apply_shortcuts(networks)
    return place_networks(
        lambda placement, batched_cfg: LvcdPipeline(networks, placement, PRESETS[str(options["preset"])]),
        lambda halves: estimate_needs(networks, size, SLOTS, more=MORE),
        lambda mode: dict.fromkeys(networks.all, mode),
        device,
        str(options["memory"]),
        SLOTS,
        batched_cfg=False,  # there is no guidance
        chunks=range(AGAIN + 2, CHUNK + 1),
    )
