"""Measures LVCD: seconds a frame and peak memory for shots of several lengths, each lever at the longest, and where the time goes.

    python -m lab.models.lvcd.bench [--size 576x320] [--frames 15,35,75] [--profile FILE]

Full-size networks of random weights, so that time and memory are real and no weights are needed; it takes an NVIDIA card. A frame counts
from its sketch to its decoded picture. `--weights DIR --device cpu` measures other networks on the processor.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from engine.diffusion import device as devices
from engine.diffusion import edm, parts
from engine.diffusion.memory import GROUPS, STAGES, WHOLE, Placement
from engine.diffusion.parts import SvdNetworks
from engine.diffusion.sampling import draw_noise
from engine.diffusion.svd import use_channels_last, use_one_token
from engine.models.lvcd import networks, pipeline, slots
from engine.models.lvcd.pipeline import PRESETS, SCHEME
from engine.models.lvcd.weights import load_networks

from ...diffusion import bench

Change = Callable[[SvdNetworks], SvdNetworks]


def build(device: torch.device, dtype: torch.dtype) -> SvdNetworks:
    """Full-size networks of random weights."""
    torch.manual_seed(0)
    with torch.device(device):
        made = [
            networks.build_unet(parts.UNET),
            networks.build_controlnet(parts.UNET),
            parts.build_vae(parts.VAE),
            parts.build_image_encoder(parts.IMAGE_ENCODER),
        ]
    unet, controlnet, vae, encoder = (bench.init_zero_weights(net).to(dtype) for net in made)
    return SvdNetworks(unet, controlnet, vae.float(), encoder)


def shot(
    made: SvdNetworks, sigmas: Tensor, scheme: pipeline.SegmentScheme, size: tuple[int, int], frames: int, placement: Placement
) -> Tensor:
    """One shot from its reference to decoded frames, which are let go; returns its latents on the processor."""
    device = placement.device
    with placement.hold_networks(made.image_encoder, made.vae):
        reference = pipeline.LvcdReference.encode_picture(made, draw_noise((1, 3, size[1], size[0]), 1).clamp(0, 1))
    lines = (draw_noise((1, size[1], size[0]), 2) > 1.5).float().expand(3, -1, -1)
    chain = pipeline.LvcdChain(reference, frames, lambda index: lines.roll(index, 2))
    start = draw_noise((slots.VIDEO + 1 + scheme.overlap, 4, size[1] // 8, size[0] // 8), 3)
    with placement.hold_networks(made.unet, made.controlnet):
        latents = torch.cat([new.cpu() for _, new in pipeline.run_chain(made, chain, start, sigmas, scheme, device)])
    with placement.hold_networks(made.vae):
        done: set[int] = set()
        for index in range(frames):
            if index not in done:
                done |= pipeline.decode_chunk(made.vae, pipeline.find_chunk(index, frames), latents.__getitem__).keys()
    return latents


def exact(made: SvdNetworks) -> SvdNetworks:
    """What a job does always: nothing of the result changes but its last digits."""
    for net in (made.unet, made.controlnet):
        use_one_token(net)
        use_channels_last(net)
    return made


def bfloat16(made: SvdNetworks) -> SvdNetworks:
    return replace(made, **{name: getattr(made, name).to(torch.bfloat16) for name in ("unet", "controlnet", "image_encoder")})


def table(
    make: Callable[[torch.device], SvdNetworks], device: torch.device, size: tuple[int, int], lengths: list[int], repeats: int
) -> Iterator[str]:
    """The table, line by line. `make` makes the networks on a device."""
    plain: list[Change] = []
    rows: list[tuple[str, str, list[Change], str, pipeline.SegmentScheme, int]]
    rows = [("reference", "all that is exact", [exact], WHOLE, SCHEME, frames) for frames in lengths]
    most = lengths[-1]
    rows += [
        ("reference", "as published", plain, WHOLE, SCHEME, most),
        ("reference", "segments apart", [exact], WHOLE, pipeline.SegmentScheme(overlap=0), most),
        ("reference", "bfloat16", [exact, bfloat16], WHOLE, SCHEME, most),
        ("fast", "all that is exact", [exact], WHOLE, SCHEME, most),
        ("draft", "all that is exact", [exact], WHOLE, SCHEME, most),
        ("reference", "networks by stages", [exact], STAGES, SCHEME, most),
        ("reference", "networks by groups", [exact], GROUPS, SCHEME, most),
    ]
    dtype = devices.numbers(device)
    yield f"matrix rate {bench.measure_rate(device, dtype) / 1e12:.3g} TFLOP/s, {size[0]}x{size[1]}, {dtype}\n"
    yield "| preset | lever | frames | s | s a frame | peak GB | difference from reference |"
    yield "|---|---|---|---|---|---|---|"
    base = None
    for preset, lever, changes, mode, scheme, frames in rows:
        made = make(device if mode == WHOLE else torch.device("cpu"))
        for change in changes:
            made = change(made)
        run = partial(shot, made, PRESETS[preset], scheme, size, frames, Placement(mode, device, made.all))
        seconds, gigabytes, latents = bench.measure_run(run, device, repeats)
        base = latents if frames == most and base is None else base
        far = f"{(latents - base).norm() / base.norm():.3f}" if base is not None and len(base) == frames else ""
        yield f"| {preset} | {lever} | {frames} | {seconds:.2f} | {seconds / frames:.3f} | {gigabytes:.1f} | {far} |"
        del made, run
        if device.type == "cuda":
            torch.cuda.empty_cache()


def main(arguments: list[str] | None = None) -> int:
    parser = bench.build_parser("Measure LVCD.", "576x320")
    parser.add_argument("--frames", default="15,35,75", help="lengths of the shots, the last the longest")
    options = parser.parse_args(arguments)
    device, make = torch.device(options.device), bench.build_maker(options, build, load_networks)

    def profiled() -> tuple[str, str]:
        made = exact(make(device))
        placement = Placement(WHOLE, device, made.all)
        return bench.profile_run(lambda: shot(made, edm.build_sigmas(3), SCHEME, options.size, 25, placement), device)

    rows = table(make, device, options.size, [int(part) for part in options.frames.split(",")], options.repeats)
    return bench.print_report(options, rows, profiled, "3 steps of 2 segments")


if __name__ == "__main__":
    sys.exit(main())
