"""Animate Anyone's memory needs, and the placement of its networks."""

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
    """The needs of calls with `halves` of the guidance and `frames` pictures of `size` px. The networks that read the reference are
    smaller, and are unloaded by then."""
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
    """The mode of each network. Those that read the reference are unloaded from the GPU in every mode."""
    early = memory.STAGES if mode == memory.WHOLE else mode
    modes: dict[nn.Module, str] = dict.fromkeys((networks.reference_unet, networks.image_encoder), early)
    modes |= dict.fromkeys((networks.denoising_unet, networks.pose_guider, networks.vae), mode)
    return modes


def apply_shortcuts(networks: AnimateAnyoneNetworks) -> None:
    """Use the memory format of tensor cores for the weights."""
    if networks.dtype != torch.float32:
        for net in (networks.denoising_unet, networks.reference_unet, networks.pose_guider):
            use_channels_last(net)


def place_for_job(
    networks: AnimateAnyoneNetworks, size: tuple[int, int], frames: int, options: Mapping[str, object], device: torch.device
) -> LoadedPipeline[AnimateAnyonePipeline]:
    """Place Animate Anyone's pipeline for windows of `frames` pictures of `size` (width, height) px, with the options of a job. Raises
    JobFailed when memory is too small."""
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
