"""What ToonCrafter takes of a card's memory, and where its networks wait."""

from dataclasses import dataclass

import torch

from ...diffusion import memory
from ...diffusion.needs import DENOISING
from ...diffusion.svd import use_channels_last
from .nets import Nets
from .networks import FRAMES

# Intermediate results, in pictures of a key or of all frames as wide as the widest layer of the autoencoder at full size.
ENCODING = 10
TOGETHER = 6  # of the decoder's layers that connect the frames
APART = 10  # of those that do not, were all frames to go through them at once


@dataclass(frozen=True)
class Ready:
    """Networks where they work: `light` places encoders and decoder, which come and go as wholes, `heavy` the denoiser, which may be fed a
    few layers at a time. `together` whether both halves of its guidance have room at once."""

    nets: Nets
    plan: memory.Plan
    light: memory.Placement
    heavy: memory.Placement
    together: bool = False

    @property
    def device(self) -> torch.device:
        return self.heavy.device


def needs(nets: Nets, size: tuple[int, int], halves: int) -> memory.Needs:
    """For clips of pictures of `size` px and so many `halves` of the guidance at once. `decoding` is that of the layers that take frames
    one by one."""
    item = nets.unet.conv_in.weight.element_size()
    pixels = size[0] * size[1]
    layer = nets.unet.config["block_out_channels"][0] * pixels // 64 * FRAMES * item
    wide = nets.vae.config["block_out_channels"][0] * pixels * item
    parts = {"unet": nets.unet, "vae": nets.vae, "text": nets.text_encoder, "image": nets.image_encoder, "projector": nets.projector}
    if nets.sketch_encoder is not None:
        parts["sketch"] = nets.sketch_encoder
    sizes = {name: memory.size_of(net) for name, net in parts.items()}
    denoisers = tuple(name for name in ("unet", "sketch") if name in parts)
    largest = max(p.numel() * p.element_size() for p in nets.unet.parameters())
    return memory.Needs(
        parts=sizes,
        stages=(("text", "image", "projector"), ("vae",), denoisers, ("vae",)),
        work=(0, ENCODING * 2 * wide, DENOISING * layer * halves, TOGETHER * FRAMES * wide),
        decoding=APART * wide,
        group=max(4 * largest, sizes["text"] + sizes["image"] + sizes["projector"]),
    )


def ready(nets: Nets, size: tuple[int, int], device: torch.device, wanted: str) -> Ready:
    """Networks where they can make the largest clip, the fastest way that fits. Raises JobFailed when there is no room for it."""
    free, both = memory.free_bytes(device), needs(nets, size, 2)
    together = memory.bytes_of(both, memory.WHOLE if wanted == "auto" else wanted, 1) <= free
    plan = memory.plan(both if together else needs(nets, size, 1), free, wanted)
    if nets.dtype != torch.float32:
        use_channels_last(nets.unet)
    return placed(nets, plan, device, together)


def placed(nets: Nets, plan: memory.Plan, device: torch.device, together: bool = False) -> Ready:
    """Networks where a plan wants them."""
    nets.vae.step = plan.chunk
    heavy = [net for net in (nets.unet, nets.sketch_encoder) if net is not None]
    light = [nets.vae, nets.text_encoder, nets.image_encoder, nets.projector]
    mode = memory.WHOLE if plan.mode == memory.WHOLE else memory.STAGES
    return Ready(nets, plan, memory.Placement(mode, device, light), memory.Placement(plan.mode, device, heavy), together)
