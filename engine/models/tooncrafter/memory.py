"""ToonCrafter's memory needs, and the placement of its networks."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from ...diffusion import memory
from ...diffusion.loaded import LoadedPipeline, place_networks
from ...diffusion.memory import MemoryNeeds
from ...diffusion.parts import DENOISING
from ...diffusion.svd import use_channels_last
from .networks import FRAMES
from .pipeline import ToonCrafterPipeline, ToonCrafterSettings
from .weights import ToonCrafterNetworks

# Memory of intermediate results, in full-size pictures with as many channels as the first level of the autoencoder.
ENCODING = 10
TOGETHER = 6  # of the decoder's layers that connect frames
APART = 10  # of those that do not, for each frame that they process at once


def estimate_needs(networks: ToonCrafterNetworks, size: tuple[int, int], halves: int) -> MemoryNeeds:
    """The needs for clips of `size` px and 1 or 2 `halves` of the guidance at once. `decoding` is for the layers that process frames
    separately."""
    item = networks.unet.conv_in.weight.element_size()
    pixels = size[0] * size[1]
    layer = networks.unet.config["block_out_channels"][0] * pixels // 64 * FRAMES * item
    wide = networks.vae.config["block_out_channels"][0] * pixels * item
    parts = {
        "unet": networks.unet,
        "vae": networks.vae,
        "text": networks.text_encoder,
        "image": networks.image_encoder,
        "projector": networks.projector,
    }
    if networks.sketch_encoder is not None:
        parts["sketch"] = networks.sketch_encoder
    sizes = {name: memory.count_parameter_bytes(net) for name, net in parts.items()}
    denoisers = tuple(name for name in ("unet", "sketch") if name in parts)
    largest = max(p.numel() * p.element_size() for p in networks.unet.parameters())
    return MemoryNeeds(
        parts=sizes,
        stages=(("text", "image", "projector"), ("vae",), denoisers, ("vae",)),
        work=(0, ENCODING * 2 * wide, DENOISING * layer * halves, TOGETHER * FRAMES * wide),
        decoding=APART * wide,
        group=max(4 * largest, sizes["text"] + sizes["image"] + sizes["projector"]),
    )


def choose_modes(networks: ToonCrafterNetworks, mode: str) -> dict[nn.Module, str]:
    """The mode of each network: encoders and decoder are moved as a whole, the denoiser may be loaded a few layers at a time."""
    light = memory.WHOLE if mode == memory.WHOLE else memory.STAGES
    heavy = [net for net in (networks.unet, networks.sketch_encoder) if net is not None]
    encoders = (networks.vae, networks.text_encoder, networks.image_encoder, networks.projector)
    modes: dict[nn.Module, str] = dict.fromkeys(encoders, light)
    modes |= dict.fromkeys(heavy, mode)
    return modes


def place_for_job(
    networks: ToonCrafterNetworks, size: tuple[int, int], options: Mapping[str, object], device: torch.device
) -> LoadedPipeline[ToonCrafterPipeline]:
    """Place ToonCrafter's pipeline for clips of `size` (width, height) px, with the options of a job. Raises JobFailed when memory is too
    small."""
    settings = ToonCrafterSettings(
        steps=int(str(options["steps"])), guidance=float(str(options["guidance"])), fps=float(str(options["fps"]))
    )
    if networks.dtype != torch.float32:
        use_channels_last(networks.unet)
    loaded = place_networks(
        lambda placement, batched_cfg: ToonCrafterPipeline(networks, placement, replace(settings, batched_cfg=batched_cfg)),
        lambda halves: estimate_needs(networks, size, halves),
        lambda mode: choose_modes(networks, mode),
        device,
        str(options["memory"]),
        FRAMES,
    )
    networks.vae.step = loaded.plan.chunk
    return loaded
