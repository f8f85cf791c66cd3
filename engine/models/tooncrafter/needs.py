"""What ToonCrafter takes of a card's memory, and what it is told to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ...diffusion import memory
from ...diffusion.svd import use_channels_last
from ...errors import JobFailed
from .nets import Nets
from .networks import FRAMES

# Intermediate results: in copies of the UNet's widest layer of a clip's latents, and of the decoder's widest layer of a clip's frames.
DENOISING = 30
ENCODING = 10  # of the two keys
TOGETHER = 6  # of the decoder's layers that connect the frames
APART = 10  # of those that do not, were all frames to go through them at once


@dataclass(frozen=True)
class Ready:
    """Networks where they work. Encoders and decoder come and go as wholes; the denoiser may be fed a few layers at a time."""

    nets: Nets
    plan: memory.Plan
    light: memory.Placement
    heavy: memory.Placement

    @property
    def device(self) -> torch.device:
        return self.heavy.device

    @contextmanager
    def at_work(self, size: tuple[int, int]) -> Iterator[None]:
        """Whatever runs out of memory here is told as what to do about it. Raises JobFailed."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not memory.exhausted(error):
                raise
            raise JobFailed(advice(self.plan, self.device, size)) from error


def needs(nets: Nets, size: tuple[int, int]) -> memory.Needs:
    """For clips of pictures of `size` px. `decoding` is that of the layers that take frames one by one."""
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
        work=(0, ENCODING * 2 * wide, DENOISING * layer * len(denoisers), TOGETHER * FRAMES * wide),
        decoding=APART * wide,
        group=max(4 * largest, sizes["text"] + sizes["image"] + sizes["projector"]),
    )


def ready(nets: Nets, size: tuple[int, int], device: torch.device, wanted: str) -> Ready:
    """Networks where they can make the largest clip. Raises JobFailed when there is no room for it."""
    plan = memory.plan(needs(nets, size), memory.free_bytes(device), wanted)
    if nets.dtype != torch.float32:
        use_channels_last(nets.unet)
    return placed(nets, plan, device)


def placed(nets: Nets, plan: memory.Plan, device: torch.device) -> Ready:
    """Networks where a plan wants them."""
    nets.vae.step = plan.chunk
    heavy = [net for net in (nets.unet, nets.sketch_encoder) if net is not None]
    light = [nets.vae, nets.text_encoder, nets.image_encoder, nets.projector]
    mode = memory.WHOLE if plan.mode == memory.WHOLE else memory.STAGES
    return Ready(nets, plan, memory.Placement(mode, device, light), memory.Placement(plan.mode, device, heavy))


def advice(plan: memory.Plan, device: torch.device, size: tuple[int, int]) -> str:
    """What to tell when the memory did not suffice after all."""
    if device.type == "cuda" and plan.mode != memory.GROUPS:
        return "The card's memory did not suffice: set Memory to Groups, or close other programs that use the card."
    half = max(64, max(size) // 2 // 64 * 64)
    return f"The memory did not suffice for sixteen frames of {size[0]} x {size[1]} px: set Longer Side to {half}."
