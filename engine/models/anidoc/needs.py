"""What AniDoc takes of a card's memory, and what it is told to do about it."""

from dataclasses import replace

import torch

from ...diffusion import memory
from ...diffusion.svd import use_channels_last, use_one_token
from .nets import Nets
from .sampler import Settings

# Intermediate results, in copies of the network's widest layer of one frame's latents, and in full-size pictures of the decoder.
# The feed-forward of a transformer is 8 + 4 times as wide as its layer; skips, residuals and hints are the rest.
DENOISING = 30
DECODING = 10
KEPT = 50  # of attention outputs that are used again


def prepare(nets: Nets, compiled: bool) -> None:
    """Exact shortcuts; the networks' repeated blocks are `compiled` if that is wanted, which takes a minute once."""
    for net in (nets.unet, nets.controlnet):
        use_one_token(net)
    if nets.dtype != torch.float32:
        for net in (nets.unet, nets.controlnet):
            use_channels_last(net)
    if compiled:
        for net in (nets.unet, nets.controlnet):
            net.compile_repeated_blocks()


def needs(nets: Nets, size: tuple[int, int], frames: int, together: bool, reuse: bool = False) -> memory.Needs:
    """For windows of `frames` pictures of `size` px; the guidance's halves one after the other take half of the work's memory.
    With `reuse` attention is kept for both halves."""
    item = nets.unet.conv_in.weight.element_size()
    latents = size[0] // 8 * size[1] // 8
    layer = nets.unet.config["block_out_channels"][0] * latents * frames * item
    work = layer * (DENOISING * (2 if together else 1) + (KEPT if reuse else 0))
    decoding = DECODING * nets.vae.config["block_out_channels"][0] * size[0] * size[1] * 4
    parts = {"unet": nets.unet, "controlnet": nets.controlnet, "vae": nets.vae, "image_encoder": nets.image_encoder}
    return memory.Needs(
        parts={name: memory.size_of(net) for name, net in parts.items()},
        stages=(("image_encoder", "vae"), ("unet", "controlnet"), ("vae",)),
        work=(decoding, work, 0),
        decoding=decoding,
        group=max(p.numel() * p.element_size() for p in nets.unet.parameters()) * 4,
    )


def plan(
    nets: Nets, size: tuple[int, int], frames: int, settings: Settings, device: torch.device, wanted: str
) -> tuple[memory.Plan, Settings]:
    """The fastest way that fits into the device's free memory, and the settings for it. Raises JobFailed when there is none."""
    free = memory.free_bytes(device)
    if settings.order != "correct":
        return memory.plan(needs(nets, size, frames, True, settings.reuse > 1), free, wanted), settings
    halves = needs(nets, size, frames, False, settings.reuse > 1)
    try_whole = needs(nets, size, frames, True, settings.reuse > 1)
    together = memory.bytes_of(try_whole, memory.WHOLE if wanted == "auto" else wanted, 1) <= free
    return memory.plan(try_whole if together else halves, free, wanted), replace(settings, together=together)


def advice(plan: memory.Plan, device: torch.device, size: tuple[int, int], frames: int) -> str:
    """What to tell when the memory did not suffice after all."""
    if device.type == "cuda" and plan.mode != memory.GROUPS:
        return "The card's memory did not suffice: set Memory to Groups, or close other programs that use the card."
    return (
        f"The memory did not suffice for {frames} drawings of {size[0]} x {size[1]} px at once: "
        f"set Longer Side to {max(64, max(size) // 2 // 64 * 64)} or Window to {max(2, frames // 2)}."
    )
