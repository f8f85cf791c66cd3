"""What networks made of Stable Video Diffusion take of a card's memory, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..job.errors import JobFailed
from . import memory
from .parts import Nets
from .svd import use_channels_last, use_one_token

# Intermediate results, in copies of the network's widest layer of one frame's latents, and in full-size pictures of the decoder.
# The feed-forward of a transformer is 8 + 4 times as wide as its layer; skips, residuals and hints are the rest.
DENOISING = 30
DECODING = 10


def prepare(nets: Nets, compiled: bool = False) -> None:
    """Exact shortcuts; the networks' repeated blocks are `compiled` if that is wanted, which takes a minute once."""
    for net in (nets.unet, nets.controlnet):
        use_one_token(net)
        if nets.dtype != torch.float32:
            use_channels_last(net)
        if compiled:
            net.compile_repeated_blocks()


def needs(nets: Nets, size: tuple[int, int], frames: int, at_once: int = 1, more: int = 0) -> memory.Needs:
    """For calls of `at_once` x `frames` pictures of `size` px; `more` copies of the widest layer of `frames` are kept beside the work."""
    item = nets.unet.conv_in.weight.element_size()
    layer = nets.unet.config["block_out_channels"][0] * (size[0] // 8) * (size[1] // 8) * frames * item
    decoding = DECODING * nets.vae.config["block_out_channels"][0] * size[0] * size[1] * 4
    parts = {"unet": nets.unet, "controlnet": nets.controlnet, "vae": nets.vae, "image_encoder": nets.image_encoder}
    return memory.Needs(
        parts={name: memory.size_of(net) for name, net in parts.items()},
        stages=(("image_encoder", "vae"), ("unet", "controlnet"), ("vae",)),
        work=(decoding, layer * (DENOISING * at_once + more), 0),
        decoding=decoding,
        group=max(p.numel() * p.element_size() for p in nets.unet.parameters()) * 4,
    )


@contextmanager
def explained(plan: memory.Plan, device: torch.device, size: tuple[int, int], frames: int, other: str = "") -> Iterator[None]:
    """Whatever runs out of memory inside is told as what to do about it; `other` is what else can be done. Raises JobFailed."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not memory.exhausted(error):
            raise
        if device.type == "cuda" and plan.mode != memory.GROUPS:
            text = "The card's memory did not suffice: set Memory to Groups, or close other programs that use the card."
        else:
            smaller = max(64, max(size) // 2 // 64 * 64)
            text = f"The memory did not suffice for {frames} drawings of {size[0]} x {size[1]} px at once: "
            text += f"set Longer Side to {smaller}{other}."
        raise JobFailed(text) from error
