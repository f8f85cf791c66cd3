"""How LVCD is placed in a device's memory."""

from collections.abc import Mapping

import torch

from ...diffusion.loaded import LoadedPipeline, place_networks
from ...diffusion.parts import SvdNetworks, apply_shortcuts, estimate_needs
from .pipeline import AGAIN, CHUNK, PRESETS, SLOTS, LvcdPipeline

MORE = 6  # copies of the widest layer that attention to two slots takes beside what it takes anyway


def place_for_job(
    networks: SvdNetworks, size: tuple[int, int], options: Mapping[str, object], device: torch.device
) -> LoadedPipeline[LvcdPipeline]:
    """LVCD's pipeline where it can paint pictures of `size` (width, height) px, by the options of a job. Raises JobFailed when there is no
    room for that."""
    apply_shortcuts(networks)
    return place_networks(
        lambda placement, batched_cfg: LvcdPipeline(networks, placement, PRESETS[str(options["preset"])]),
        lambda halves: estimate_needs(networks, size, SLOTS, more=MORE),
        lambda mode: dict.fromkeys(networks.all, mode),
        device,
        str(options["memory"]),
        SLOTS,
        batched_cfg=False,  # it is not guided
        chunks=range(AGAIN + 2, CHUNK + 1),
    )
