"""Measures Animate Anyone with each optimization: seconds per clip, peak memory, the share of the GPU's matrix rate, and the difference of
the latents from those without optimizations; then a profile.

    python -m lab.models.animate_anyone.bench [--size 512x768] [--frames 24] [--steps 30] [--profile FILE]

Full-size networks with random weights, so that time and memory are real and no weights are needed. It needs an NVIDIA GPU. `--weights DIR
--device cpu` measures other networks on the CPU.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.diffusion import device as devices
from engine.diffusion.memory import GROUPS, STAGES, WHOLE, Placement
from engine.diffusion.svd import use_channels_last
from engine.models.animate_anyone import networks as parts
from engine.models.animate_anyone.memory import choose_modes
from engine.models.animate_anyone.networks import AnimateAnyoneNetworks
from engine.models.animate_anyone.pipeline import AnimateAnyonePipeline, AnimateAnyoneSettings, PosedWindows, plan_windows
from engine.models.animate_anyone.weights import load_networks

from ...diffusion import bench
from ...diffusion.bench import BenchLine

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


def build_networks(device: torch.device, dtype: torch.dtype) -> AnimateAnyoneNetworks:
    """Full-size networks with random weights, without zero convolutions."""
    torch.manual_seed(0)
    with torch.device(device):
        unet: Any = parts.build_denoising(parts.UNET)
        reference = parts.build_reference(parts.UNET)
        guider = parts.build_guider(parts.build_guider_config(parts.UNET))
        vae, encoder = parts.build_vae(VAE), parts.build_image_encoder(ENCODER)
        nn.init.normal_(guider.conv_out.weight, std=0.02)
    made = [net.eval().requires_grad_(False).to(dtype) for net in (unet, reference, guider, encoder)]
    return AnimateAnyoneNetworks(made[0], made[1], made[2], vae.eval().requires_grad_(False), made[3])


def make_clip(pipeline: AnimateAnyonePipeline, size: tuple[int, int], frames: int) -> Tensor:
    """Run one clip from a reference and poses to decoded frames. Returns its latents, on the CPU."""
    rng = np.random.default_rng(1)
    picture, drawn = rng.integers(0, 255, (size[1], size[0], 3), np.uint8), rng.integers(0, 255, (frames, size[1], size[0], 3), np.uint8)
    conditions = PosedWindows(pipeline.encode_reference(picture), plan_windows(frames), lambda which: drawn[list(which)])
    latents = pipeline.denoise_clip(conditions, pipeline.draw_noise(frames, size, 4))
    for _ in pipeline.decode_latents(latents, 4):
        pass
    return latents.cpu()


# --- optimizations ------------------------------------------------------------------------------------------------


def apply_channels_last(networks: AnimateAnyoneNetworks) -> AnimateAnyoneNetworks:
    """An optimization: the memory format of tensor cores for the weights."""
    for net in (networks.denoising_unet, networks.reference_unet, networks.pose_guider):
        use_channels_last(net)
    return networks


def build_lines() -> tuple[BenchLine, ...]:
    """Each optimization by itself, and the memory modes."""
    fast, halves = (apply_channels_last,), {"batched_cfg": False}
    bfloat16 = partial(bench.cast_bfloat16, names=("denoising_unet", "reference_unet", "pose_guider", "image_encoder"))
    return (
        BenchLine(lever="plain"),
        BenchLine(lever="guidance in two halves", settings=halves),
        BenchLine(lever="channels last", changes=fast),
        BenchLine(lever="bfloat16", changes=(bfloat16,)),
        BenchLine(lever="without guidance", changes=fast, settings={"guidance": 1.0}),
        BenchLine(lever="networks by stages", changes=fast, mode=STAGES, settings=halves),
        BenchLine(lever="networks by groups", changes=fast, mode=GROUPS, settings=halves),
    )


def place_pipeline(
    networks: AnimateAnyoneNetworks, mode: str, settings: AnimateAnyoneSettings, device: torch.device
) -> AnimateAnyonePipeline:
    """The pipeline with its networks placed in a memory mode."""
    return AnimateAnyonePipeline(networks, Placement(device, choose_modes(networks, mode)), settings)


def build_table(
    make: Callable[[torch.device], AnimateAnyoneNetworks],
    device: torch.device,
    size: tuple[int, int],
    frames: int,
    steps: int,
    repeats: int,
) -> Iterator[str]:
    """The table, row by row. `make` makes the networks on a device."""

    def begin(line: BenchLine, networks: AnimateAnyoneNetworks) -> tuple[Callable[[], Tensor], float]:
        settings = replace(AnimateAnyoneSettings(steps), **line.settings)
        calls = sum(len(span) for span in plan_windows(frames)) / 24 * steps * (1.0 if settings.guidance > 1 else 0.5)
        share = sum(p.numel() for p in networks.denoising_unet.parameters()) / PARAMETERS
        pipeline = place_pipeline(networks, line.mode, settings, device)
        return partial(make_clip, pipeline, size, frames), STEP_FLOPS * share * calls * size[0] * size[1] / (512 * 768)

    dtype = devices.inference_dtype(device)
    rate = bench.measure_rate(device, dtype)
    yield bench.describe_rate(rate, f"{frames} frames of {size[0]}x{size[1]}, {steps} steps", dtype)
    yield bench.write_header("lever", "s a clip", "peak GB", "share of the matrix rate", "difference from plain")
    for made in bench.measure_lines(build_lines(), make, begin, device, rate, repeats):
        yield f"| {made.line.lever} | {made.format_cells()}"


def main(arguments: list[str] | None = None) -> int:
    parser = bench.build_parser("Measure Animate Anyone, lever by lever.", "512x768")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--steps", type=int, default=30)
    options = parser.parse_args(arguments)
    device, make = torch.device(options.device), bench.build_maker(options, build_networks, load_networks)

    def profile() -> tuple[str, str]:
        pipeline = place_pipeline(apply_channels_last(make(device)), WHOLE, AnimateAnyoneSettings(3), device)
        return bench.profile_run(lambda: make_clip(pipeline, options.size, options.frames), device)

    rows = build_table(make, device, options.size, options.frames, options.steps, options.repeats)
    return bench.print_report(options, rows, profile, "3 steps")


if __name__ == "__main__":
    sys.exit(main())
