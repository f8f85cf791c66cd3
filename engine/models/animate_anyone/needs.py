"""How Animate Anyone is placed in a card's memory."""

from dataclasses import dataclass, replace

import torch

from ...diffusion import memory
from ...diffusion.needs import DECODING, DENOISING
from ...diffusion.svd import use_channels_last
from .nets import Nets
from .sampler import FEW, Settings


@dataclass(frozen=True)
class Places:
    """`early` places what reads the reference, which leaves the card again in every mode; `late` all else."""

    early: memory.Placement
    late: memory.Placement


def needs(nets: Nets, size: tuple[int, int], frames: int, halves: int) -> memory.Needs:
    """For calls of `halves` of the guidance and `frames` pictures of `size` px. What reads the reference is smaller than what paints, and
    gone by then."""
    unet, dtype = nets.denoising_unet, nets.dtype
    layer = unet.config["block_out_channels"][0] * (size[0] // 8) * (size[1] // 8) * frames * dtype.itemsize  # type: ignore[index]
    decoding = DECODING * nets.vae.config["block_out_channels"][0] * size[0] * size[1] * 4
    parts = {"denoising_unet": unet, "pose_guider": nets.pose_guider, "vae": nets.vae}
    return memory.Needs(
        parts={name: memory.size_of(net) for name, net in parts.items()},
        stages=(("denoising_unet", "pose_guider"), ("vae",)),
        work=(layer * (DENOISING * halves + FEW), 0),
        decoding=decoding,
        group=max(p.numel() * p.element_size() for p in unet.parameters()) * 4,
    )


def plan(
    nets: Nets, size: tuple[int, int], frames: int, settings: Settings, device: torch.device, wanted: str
) -> tuple[memory.Plan, Settings]:
    """The fastest way that fits into the device's free memory, and the settings for it. Raises JobFailed when there is none."""
    free, both = memory.free_bytes(device), needs(nets, size, frames, 2)
    together = memory.bytes_of(both, memory.WHOLE if wanted == "auto" else wanted, 1) <= free
    chosen = both if together else needs(nets, size, frames, 1)
    return memory.plan(chosen, free, wanted), replace(settings, together=together)


def place(nets: Nets, mode: str, device: torch.device) -> Places:
    """The networks where the mode has them wait."""
    early = memory.STAGES if mode == memory.WHOLE else mode
    late = (nets.denoising_unet, nets.pose_guider, nets.vae)
    return Places(memory.Placement(early, device, (nets.reference_unet, nets.image_encoder)), memory.Placement(mode, device, late))


def prepare(nets: Nets) -> None:
    """The order of weights that tensor cores read."""
    if nets.dtype != torch.float32:
        for net in (nets.denoising_unet, nets.reference_unet, nets.pose_guider):
            use_channels_last(net)
