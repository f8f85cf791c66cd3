"""What ToonCrafter takes of a device's memory, and where its networks wait."""

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

# Intermediate results, in pictures of a key or of all frames as wide as the widest layer of the autoencoder at full size.
ENCODING = 10
TOGETHER = 6  # of the decoder's layers that connect the frames
APART = 10  # of those that do not, were all frames to go through them at once


def estimate_needs(networks: ToonCrafterNetworks, size: tuple[int, int], halves: int) -> MemoryNeeds:
    """For clips of pictures of `size` px and so many `halves` of the guidance at once. `decoding` is that of the layers that take frames
    one by one."""
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
    """How each network waits: encoders and decoder come and go as wholes, the denoiser may be fed a few layers at a time."""
    light = memory.WHOLE if mode == memory.WHOLE else memory.STAGES
    heavy = [net for net in (networks.unet, networks.sketch_encoder) if net is not None]
    encoders = (networks.vae, networks.text_encoder, networks.image_encoder, networks.projector)
    modes: dict[nn.Module, str] = dict.fromkeys(encoders, light)
    modes |= dict.fromkeys(heavy, mode)
    return modes


def place_for_job(
    networks: ToonCrafterNetworks, size: tuple[int, int], options: Mapping[str, object], device: torch.device
) -> LoadedPipeline[ToonCrafterPipeline]:
    """ToonCrafter's pipeline where it can make clips of `size` (width, height) px, by the options of a job. Raises JobFailed when there is
    no room for that."""
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
