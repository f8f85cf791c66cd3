"""Measures ToonCrafter: seconds and peak memory of a clip with each optimization; then a profile of denoising.

    python -m lab.models.tooncrafter.bench [--size 512x320] [--steps 50] [--profile FILE]

Full-size networks with random weights, so that time and memory are real and no weights are needed. It needs an NVIDIA GPU.
`--weights DIR --device cpu` measures other networks on the CPU.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from engine.diffusion import device as devices
from engine.diffusion.memory import GROUPS, STAGES, WHOLE, Placement
from engine.diffusion.sampling import draw_noise
from engine.diffusion.svd import use_channels_last
from engine.models.tooncrafter.memory import choose_modes
from engine.models.tooncrafter.networks import FRAMES
from engine.models.tooncrafter.pipeline import ClipConditions, ToonCrafterPipeline, ToonCrafterSettings
from engine.models.tooncrafter.weights import BUILDERS, CONFIGS, ToonCrafterNetworks, load_networks

from ...diffusion import bench

STEP_FLOPS = 2 * 11.8e12  # of a guided step at 512 x 320
DECODING_FLOPS = 37.6e12  # of a pass at 512 x 320
FULL = 1_438_854_980  # parameters of the UNet, to which its FLOP are roughly proportional


def build_networks(device: torch.device, dtype: torch.dtype) -> ToonCrafterNetworks:
    """Full-size networks with random weights, without zero-initialized layers."""
    torch.manual_seed(0)
    with torch.device(device):
        made = {part: bench.init_zero_weights(BUILDERS[part](config)).to(dtype) for part, config in CONFIGS.items()}
    return ToonCrafterNetworks(**made, folder=Path())


@dataclass(frozen=True, kw_only=True)
class ToonCrafterLine(bench.BenchLine):
    """A row with the decoder's `passes`, the number of frames that it processes at once (`step`), and whether there are `sketches`."""

    passes: int = 2
    step: int = 8
    sketches: bool = False


def drop_sketches(networks: ToonCrafterNetworks) -> ToonCrafterNetworks:
    """Networks without the sketch encoder."""
    return replace(networks, sketch_encoder=None)


def apply_channels_last(networks: ToonCrafterNetworks) -> ToonCrafterNetworks:
    """An optimization: the memory format of tensor cores for the UNet's weights."""
    use_channels_last(networks.unet)
    return networks


def compile_blocks(networks: ToonCrafterNetworks, backend: str) -> ToonCrafterNetworks:
    """An optimization: compile the UNet's repeated blocks."""
    networks.unet.compile_repeated_blocks(backend=backend)
    return networks


def build_lines(backend: str) -> tuple[ToonCrafterLine, ...]:
    """Each optimization by itself, all exact ones, and the memory modes."""
    plain, fast = (drop_sketches,), (drop_sketches, apply_channels_last)
    compiled = (*fast, partial(compile_blocks, backend=backend))
    return (
        ToonCrafterLine(lever="as published", changes=plain, step=16),
        ToonCrafterLine(lever="8 frames of the decoder at once", changes=plain),
        ToonCrafterLine(lever="both halves of the guidance at once", changes=plain, settings={"batched_cfg": True}),
        ToonCrafterLine(lever="channels last", changes=fast),
        ToonCrafterLine(lever="one pass of the decoder", changes=fast, passes=1),
        ToonCrafterLine(lever="20 steps", changes=fast, settings={"steps": 20}, passes=1),
        ToonCrafterLine(lever="without guidance", changes=fast, settings={"guidance": 1.0}, passes=1),
        ToonCrafterLine(lever="regional compile", changes=compiled, passes=1),
        ToonCrafterLine(lever="with sketches", changes=(apply_channels_last,), sketches=True),
        ToonCrafterLine(lever="networks by stages", changes=fast, mode=STAGES),
        ToonCrafterLine(lever="networks by groups", changes=fast, mode=GROUPS),
    )


def make_clip(pipeline: ToonCrafterPipeline, size: tuple[int, int], two_passes: bool, sketched: bool = False) -> Tensor:
    """Run one clip from two pictures to decoded frames. Returns its latents, on the CPU."""
    pictures = draw_noise((2, 3, size[1], size[0]), 1).clamp(-1, 1)
    shape = (1, FRAMES, 4, size[1] // 8, size[0] // 8)
    keys = pipeline.encode_keys(pictures, draw_noise((2, *shape[2:]), 2))
    context, free = pipeline.encode_contexts("", pictures[:1])
    sketches = (draw_noise((1, FRAMES, 1, size[1], size[0]), 3) > 1.5).float() if sketched else None
    conditions = ClipConditions(keys, context, free, lambda step: draw_noise(shape, 5 + step), sketches)
    latents = pipeline.denoise_clip(conditions, draw_noise(shape, 4))
    pipeline.decode_clip(latents, keys.references, two_passes)
    return latents.cpu()


def place_pipeline(
    networks: ToonCrafterNetworks, mode: str, settings: ToonCrafterSettings, step: int, device: torch.device
) -> ToonCrafterPipeline:
    """The pipeline with its networks placed in a memory mode. The decoder processes `step` frames at once."""
    networks.vae.step = step
    return ToonCrafterPipeline(networks, Placement(device, choose_modes(networks, mode)), settings)


def build_table(
    make: Callable[[torch.device], ToonCrafterNetworks], device: torch.device, size: tuple[int, int], steps: int, backend: str, repeats: int
) -> Iterator[str]:
    """The table, row by row. `make` makes the networks on a device."""

    def begin(line: ToonCrafterLine, networks: ToonCrafterNetworks) -> tuple[Callable[[], Tensor], float]:
        settings = replace(ToonCrafterSettings(steps=steps), **line.settings)
        settings = replace(settings, steps=min(steps, settings.steps))
        share = size[0] * size[1] / (512 * 320) * sum(p.numel() for p in networks.unet.parameters()) / FULL
        flops = share * (settings.steps * STEP_FLOPS * (0.5 if settings.guidance == 1.0 else 1.0) + line.passes * DECODING_FLOPS)
        pipeline = place_pipeline(networks, line.mode, settings, line.step, device)
        return partial(make_clip, pipeline, size, line.passes == 2, line.sketches), flops

    dtype = devices.inference_dtype(device)
    rate = bench.measure_rate(device, dtype)
    yield bench.describe_rate(rate, f"{FRAMES} frames of {size[0]}x{size[1]}, {steps} steps", dtype)
    yield bench.write_header("lever", "s a clip", "peak GB", "share of the matrix rate", "difference of the latents")
    for made in bench.measure_lines(build_lines(backend), make, begin, device, rate, repeats):
        yield f"| {made.line.lever} | {made.format_cells()}"


def main(arguments: list[str] | None = None) -> int:
    parser = bench.build_parser("Measure ToonCrafter, lever by lever.", "512x320")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--backend", default="inductor", help="of torch.compile; eager needs no compiler")
    options = parser.parse_args(arguments)
    device = torch.device(options.device)
    make = bench.build_maker(options, build_networks, partial(load_networks, sketches=True))

    def profile() -> tuple[str, str]:
        pipeline = place_pipeline(drop_sketches(make(device)), WHOLE, ToonCrafterSettings(steps=3), 8, device)
        return bench.profile_run(lambda: make_clip(pipeline, options.size, True), device)

    rows = build_table(make, device, options.size, options.steps, options.backend, options.repeats)
    return bench.print_report(options, rows, profile, "3 steps")


if __name__ == "__main__":
    sys.exit(main())
