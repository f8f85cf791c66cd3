"""How Animate Anyone is placed in a device's memory."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from ...diffusion import memory
from ...diffusion.loaded import LoadedPipeline, place_networks
from ...diffusion.memory import MemoryNeeds
from ...diffusion.parts import DECODING, DENOISING
from ...diffusion.svd import use_channels_last
from .networks import AnimateAnyoneNetworks
from .pipeline import FEW, AnimateAnyonePipeline, AnimateAnyoneSettings


def estimate_needs(networks: AnimateAnyoneNetworks, size: tuple[int, int], frames: int, halves: int) -> MemoryNeeds:
    """For calls of `halves` of the guidance and `frames` pictures of `size` px. What reads the reference is smaller than what paints, and
    gone by then."""
    unet, dtype = networks.denoising_unet, networks.dtype
    layer = unet.config["block_out_channels"][0] * (size[0] // 8) * (size[1] // 8) * frames * dtype.itemsize  # type: ignore[index]
    decoding = DECODING * networks.vae.config["block_out_channels"][0] * size[0] * size[1] * 4
    parts = {"denoising_unet": unet, "pose_guider": networks.pose_guider, "vae": networks.vae}
    return MemoryNeeds(
        parts={name: memory.count_parameter_bytes(net) for name, net in parts.items()},
        stages=(("denoising_unet", "pose_guider"), ("vae",)),
        work=(layer * (DENOISING * halves + FEW), 0),
        decoding=decoding,
        group=max(p.numel() * p.element_size() for p in unet.parameters()) * 4,
    )


def choose_modes(networks: AnimateAnyoneNetworks, mode: str) -> dict[nn.Module, str]:
    """How each network waits: what reads the reference leaves the card again in every mode."""
    early = memory.STAGES if mode == memory.WHOLE else mode
    modes: dict[nn.Module, str] = dict.fromkeys((networks.reference_unet, networks.image_encoder), early)
    modes |= dict.fromkeys((networks.denoising_unet, networks.pose_guider, networks.vae), mode)
    return modes


def apply_shortcuts(networks: AnimateAnyoneNetworks) -> None:
    """The order of weights that tensor cores read."""
    if networks.dtype != torch.float32:
        for net in (networks.denoising_unet, networks.reference_unet, networks.pose_guider):
            use_channels_last(net)


def place_for_job(
    networks: AnimateAnyoneNetworks, size: tuple[int, int], frames: int, options: Mapping[str, object], device: torch.device
) -> LoadedPipeline[AnimateAnyonePipeline]:
    """Animate Anyone's pipeline where it can paint windows of `frames` pictures of `size` (width, height) px, by the options of a job.
    Raises JobFailed when there is no room for that."""
    settings = AnimateAnyoneSettings(int(str(options["steps"])), float(str(options["guidance"])), str(options["schedule"]))
    apply_shortcuts(networks)
    return place_networks(
        lambda placement, batched_cfg: AnimateAnyonePipeline(networks, placement, replace(settings, batched_cfg=batched_cfg)),
        lambda halves: estimate_needs(networks, size, frames, halves),
        lambda mode: choose_modes(networks, mode),
        device,
        str(options["memory"]),
        frames,
        advice=f" or Window to {max(2, frames // 2)}",
    )
