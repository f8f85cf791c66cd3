"""Measures Animate Anyone, lever by lever: seconds a clip, peak memory, the share of the card's matrix rate, and how far the latents are
from those without any lever; then where the time goes.

    python -m lab.models.animate_anyone.bench [--size 512x768] [--frames 24] [--steps 30] [--profile FILE]

Full-size networks of random weights, so that time and memory are real and no weights are needed; it takes an NVIDIA card. `--weights DIR
--device cpu` measures other networks on the processor.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.diffusion.memory import GROUPS, STAGES, WHOLE
from engine.diffusion.svd import use_channels_last
from engine.models.animate_anyone import memory, networks, pipeline
from engine.models.animate_anyone.pipeline import AnimateAnyoneSettings
from engine.models.animate_anyone.weights import load_networks

from ...diffusion import bench

VAE = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512],
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 256,
}
ENCODER = {
    "hidden_size": 1024,
    "projection_dim": 768,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "hidden_act": "quick_gelu",
    "image_size": 224,
    "patch_size": 14,
}
STEP_FLOPS = 91e12  # of a guided step at 24 frames of 512 x 768
PARAMETERS = 1_312_730_244  # of the full-size denoising UNet


def build(device: torch.device, dtype: torch.dtype) -> networks.AnimateAnyoneNetworks:
    """Full-size networks of random weights, no zero convolutions among them."""
    torch.manual_seed(0)
    with torch.device(device):
        unet: Any = networks.build_denoising(networks.UNET)
        reference = networks.build_reference(networks.UNET)
        guider, vae, encoder = (
            networks.build_guider(networks.build_guider_config(networks.UNET)),
            networks.build_vae(VAE),
            networks.build_image_encoder(ENCODER),
        )
        nn.init.normal_(guider.conv_out.weight, std=0.02)
    made = [net.eval().requires_grad_(False).to(dtype) for net in (unet, reference, guider)]
    return networks.AnimateAnyoneNetworks(
        made[0], made[1], made[2], vae.eval().requires_grad_(False), encoder.eval().requires_grad_(False).to(dtype)
    )


def clip(
    made: networks.AnimateAnyoneNetworks, settings: AnimateAnyoneSettings, size: tuple[int, int], frames: int, places: needs.Places
) -> Tensor:
    """One clip from a reference and poses to decoded frames; returns its latents on the processor."""
    rng = np.random.default_rng(1)
    picture, drawn = rng.integers(0, 255, (size[1], size[0], 3), np.uint8), rng.integers(0, 255, (frames, size[1], size[0], 3), np.uint8)
    with places.late.hold_networks(made.vae):
        latent = pipeline.encode_latent(made, picture, size)
    with places.early.hold_networks(made.image_encoder):
        token = pipeline.encode_token(made, picture)
    with places.early.hold_networks(made.reference_unet):
        reference = pipeline.encode_reference(made, token, latent)
    noise, spans = pipeline.draw_clip_noise(frames, size, 4), pipeline.plan_windows(frames)
    with places.late.hold_networks(made.denoising_unet, made.pose_guider):
        latents = pipeline.sample(made, reference, lambda which: drawn[list(which)], noise, spans, settings, places.late.device)
    with places.late.hold_networks(made.vae):
        for _ in pipeline.decode_frames(made, latents, 4):
            pass
    return latents.cpu()


# --- levers -------------------------------------------------------------------------------------------------------


def channels_last(made: networks.AnimateAnyoneNetworks) -> networks.AnimateAnyoneNetworks:
    for net in (made.denoising_unet, made.reference_unet, made.pose_guider):
        use_channels_last(net)
    return made


def bfloat16(made: networks.AnimateAnyoneNetworks) -> networks.AnimateAnyoneNetworks:
    names = ("denoising_unet", "reference_unet", "pose_guider", "image_encoder")
    return replace(made, **{name: getattr(made, name).to(torch.bfloat16) for name in names})


@dataclass(frozen=True)
class Line:
    """A line of the table: `changes` of fresh networks, one after the other, where they are kept, and `settings` over the plain ones."""

    lever: str
    changes: tuple[Callable[[networks.AnimateAnyoneNetworks], networks.AnimateAnyoneNetworks], ...] = ()
    mode: str = WHOLE
    settings: dict = field(default_factory=dict)


def lines() -> tuple[Line, ...]:
    """Each lever by itself, and the ways to take less memory."""
    halves = {"together": False}
    return (
        Line("plain"),
        Line("guidance in two halves", (), WHOLE, halves),
        Line("channels last", (channels_last,)),
        Line("bfloat16", (bfloat16,)),
        Line("without guidance", (channels_last,), WHOLE, {"guidance": 1.0}),
        Line("networks by stages", (channels_last,), STAGES, halves),
        Line("networks by groups", (channels_last,), GROUPS, halves),
    )


def table(
    make: Callable[[torch.device], networks.AnimateAnyoneNetworks],
    device: torch.device,
    size: tuple[int, int],
    frames: int,
    steps: int,
    repeats: int,
) -> Iterator[str]:
    """The table, line by line. `make` makes the networks on a device."""
    base, peak = None, None
    for line in lines():
        made = make(torch.device("cpu") if line.mode != WHOLE else device)
        if peak is None:
            peak = bench.measure_rate(device, made.dtype)
            yield f"matrix rate {peak / 1e12:.3g} TFLOP/s, {frames} frames of {size[0]}x{size[1]}, {steps} steps, {made.dtype}\n"
            yield "| lever | s a clip | peak GB | share of the matrix rate | difference from plain |"
            yield "|---|---|---|---|---|"
        for change in line.changes:
            made = change(made)
        settings = replace(AnimateAnyoneSettings(steps), **line.settings)
        run = partial(clip, made, settings, size, frames, needs.place(made, line.mode, device))
        seconds, gigabytes, latents = bench.measure_run(run, device, repeats)
        base = latents if base is None else base
        calls = sum(len(span) for span in pipeline.plan_windows(frames)) / 24 * steps * (1.0 if settings.guidance > 1 else 0.5)
        share = sum(p.numel() for p in made.denoising_unet.parameters()) / PARAMETERS
        flops = STEP_FLOPS * share * calls * size[0] * size[1] / (512 * 768)
        far = ((latents - base).norm() / base.norm()).item()
        yield f"| {line.lever} | {seconds:.2f} | {gigabytes:.1f} | {flops / seconds / peak:.0%} | {far:.3f} |"
        del made, run
        if device.type == "cuda":
            torch.cuda.empty_cache()


def main(arguments: list[str] | None = None) -> int:
    parser = bench.build_parser("Measure Animate Anyone, lever by lever.", "512x768")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args(arguments)
    device, make = torch.device(options.device), bench.build_maker(options, build, load_networks)

    def profiled() -> tuple[str, str]:
        made = channels_last(make(device))
        places = needs.place(made, WHOLE, device)
        return bench.profile_run(lambda: clip(made, AnimateAnyoneSettings(3), options.size, options.frames, places), device)

    rows = table(make, device, options.size, options.frames, options.steps, options.repeats)
    return bench.print_report(options, rows, profiled, "3 steps")


if __name__ == "__main__":
    sys.exit(main())
