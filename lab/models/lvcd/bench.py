"""Measures LVCD: seconds per frame and peak memory for shots of several lengths, each optimization at the longest, and a profile.

    python -m lab.models.lvcd.bench [--size 576x320] [--frames 15,35,75] [--profile FILE]

Full-size networks with random weights, so that time and memory are real and no weights are needed. It needs an NVIDIA GPU. A frame is
measured from its sketch to its decoded picture. `--weights DIR --device cpu` measures other networks on the CPU.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from engine.diffusion import device as devices
from engine.diffusion import edm
from engine.diffusion.memory import GROUPS, STAGES, WHOLE, Placement
from engine.diffusion.parts import SvdNetworks
from engine.diffusion.sampling import draw_noise
from engine.models.lvcd import slots
from engine.models.lvcd.networks import BUILDERS
from engine.models.lvcd.pipeline import PRESETS, SCHEME, LvcdChain, LvcdPipeline, SegmentScheme, find_chunk, run_chain
from engine.models.lvcd.weights import load_networks

from ...diffusion import bench


def build_networks(device: torch.device, dtype: torch.dtype) -> SvdNetworks:
    """Full-size networks with random weights."""
    return SvdNetworks(**bench.build_svd_parts(device, dtype, BUILDERS))


def make_shot(pipeline: LvcdPipeline, scheme: SegmentScheme, size: tuple[int, int], frames: int) -> Tensor:
    """Run one shot from its reference to decoded frames, which are discarded. Returns its latents, on the CPU."""
    networks, device = pipeline.networks, pipeline.placement.device
    picture = (draw_noise((size[1], size[0], 3), 1).clamp(0, 1) * 255.0).byte().numpy()
    lines = (draw_noise((1, size[1], size[0]), 2) > 1.5).float().expand(3, -1, -1)
    chain = LvcdChain(pipeline.encode_reference(picture), frames, lambda index: lines.roll(index, 2))
    start = draw_noise((slots.VIDEO + 1 + scheme.overlap, 4, size[1] // 8, size[0] // 8), 3)
    with pipeline.placement.hold_networks(networks.unet, networks.controlnet):
        latents = torch.cat([new.cpu() for _, new in run_chain(networks, chain, start, pipeline.sigmas, scheme, device)])
    done: set[int] = set()
    for index in range(frames):
        if index not in done:
            done |= pipeline.decode_chunk(find_chunk(index, frames), latents.__getitem__).keys()
    return latents


def apply_exact(networks: SvdNetworks) -> SvdNetworks:
    """The optimizations that every job uses. They change only the last digits of the result."""
    return bench.apply_channels_last(bench.apply_one_token(networks))


@dataclass(frozen=True, kw_only=True)
class LvcdLine(bench.BenchLine):
    """A row for shots of `frames` frames, with the noise levels of a `preset`."""

    frames: int
    preset: str = "reference"
    scheme: SegmentScheme = SCHEME


def build_lines(lengths: list[int]) -> tuple[LvcdLine, ...]:
    """Shots of several lengths, and each optimization at the longest, the last of them."""
    exact, most = (apply_exact,), lengths[-1]
    return (
        *(LvcdLine(lever="all that is exact", changes=exact, frames=frames) for frames in lengths),
        LvcdLine(lever="as published", frames=most),
        LvcdLine(lever="segments apart", changes=exact, scheme=SegmentScheme(overlap=0), frames=most),
        LvcdLine(lever="bfloat16", changes=(*exact, bench.cast_bfloat16), frames=most),
        LvcdLine(preset="fast", lever="all that is exact", changes=exact, frames=most),
        LvcdLine(preset="draft", lever="all that is exact", changes=exact, frames=most),
        LvcdLine(lever="networks by stages", changes=exact, mode=STAGES, frames=most),
        LvcdLine(lever="networks by groups", changes=exact, mode=GROUPS, frames=most),
    )


def place_pipeline(networks: SvdNetworks, mode: str, sigmas: Tensor, device: torch.device) -> LvcdPipeline:
    """The pipeline with its networks placed in a memory mode."""
    return LvcdPipeline(networks, Placement(device, dict.fromkeys(networks.all, mode)), sigmas)


def build_table(
    make: Callable[[torch.device], SvdNetworks], device: torch.device, size: tuple[int, int], lengths: list[int], repeats: int
) -> Iterator[str]:
    """The table, row by row. `make` makes the networks on a device."""

    def begin(line: LvcdLine, networks: SvdNetworks) -> tuple[Callable[[], Tensor], float]:
        pipeline = place_pipeline(networks, line.mode, PRESETS[line.preset], device)
        return partial(make_shot, pipeline, line.scheme, size, line.frames), 0.0

    dtype = devices.inference_dtype(device)
    rate = bench.measure_rate(device, dtype)
    yield bench.describe_rate(rate, f"{size[0]}x{size[1]}", dtype)
    yield bench.write_header("preset", "lever", "frames", "s", "s a frame", "peak GB", "difference from reference")
    for made in bench.measure_lines(build_lines(lengths), make, begin, device, rate, repeats):
        line, pace = made.line, made.seconds / made.line.frames
        far = f"{made.difference:.3f}" if line.frames == lengths[-1] else ""
        yield f"| {line.preset} | {line.lever} | {line.frames} | {made.seconds:.2f} | {pace:.3f} | {made.gigabytes:.1f} | {far} |"


def main(arguments: list[str] | None = None) -> int:
    parser = bench.build_parser("Measure LVCD.", "576x320")
    parser.add_argument("--frames", default="15,35,75", help="lengths of the shots, the last the longest")
    options = parser.parse_args(arguments)
    device, make = torch.device(options.device), bench.build_maker(options, build_networks, load_networks)

    def profile() -> tuple[str, str]:
        pipeline = place_pipeline(apply_exact(make(device)), WHOLE, edm.build_sigmas(3), device)
        return bench.profile_run(lambda: make_shot(pipeline, SCHEME, options.size, 25), device)

    rows = build_table(make, device, options.size, [int(part) for part in options.frames.split(",")], options.repeats)
    return bench.print_report(options, rows, profile, "3 steps of 2 segments")


if __name__ == "__main__":
    sys.exit(main())
