"""Measures AniDoc at full size with random weights, so that time and memory are real and no weights are needed.

    python -m engine.models.anidoc.bench [--size 512x320] [--frames 14] [--profile FILE]

Prints a table: seconds a clip, peak memory, the share of the card's matrix rate, and how far the latents are from those of the preset
`reference` without any lever. Needs an NVIDIA card with 24 GB for the lever-free line.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from ...diffusion import device as devices
from ...diffusion.memory import GROUPS, STAGES, WHOLE, Placement
from ...diffusion.sampling import noise
from ...diffusion.svd import use_one_token
from . import nets, sampler
from .presets import PRESETS

HEADS = [5, 10, 20, 20]
UNET = {"num_attention_heads": HEADS, "cross_attention_dim": 1024, "num_frames": 25, "sample_size": 96}
VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "layers_per_block": 2,
    "sample_size": 768,
}
ENCODER = {
    "hidden_size": 1280,
    "projection_dim": 1024,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "intermediate_size": 5120,
    "image_size": 224,
    "patch_size": 14,
}
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "timestep_type": "continuous",
    "use_karras_sigmas": True,
    "sigma_min": 0.002,
    "sigma_max": 700.0,
}
STEP_FLOPS = 29.4e12  # of a guided step at 14 frames of 512 x 320


def build(device: torch.device, dtype: torch.dtype) -> nets.Nets:
    """Full-size networks of random weights, no zero convolutions among them."""
    torch.manual_seed(0)
    with torch.device(device):
        made = [nets.build_unet(UNET), nets.build_controlnet(UNET), nets.build_vae(VAE), nets.build_image_encoder(ENCODER)]
        for net in made[:2]:
            for parameter in net.parameters():
                if parameter.dim() > 1 and not parameter.any():
                    nn.init.normal_(parameter, std=0.02)
    unet, controlnet, vae, encoder = (net.eval().requires_grad_(False).to(dtype) for net in made)
    return nets.Nets(unet, controlnet, vae.float(), encoder, SCHEDULER)


def rate(dtype: torch.dtype) -> float:
    """FLOP a second that this card reaches in a large matrix product."""
    a = torch.randn(8192, 8192, device="cuda", dtype=dtype)
    for _ in range(3):
        a @ a
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(20):
        a @ a
    torch.cuda.synchronize()
    return 20 * 2 * 8192**3 / (time.perf_counter() - began)


def clip(made: nets.Nets, settings: sampler.Settings, size: tuple[int, int], frames: int, placement: Placement) -> Tensor:
    """One clip from a reference to decoded frames; returns its latents on the processor."""
    picture = noise((1, 3, size[1], size[0]), 1).clamp(0, 1)
    with placement.on(made.image_encoder, made.vae):
        encoded = sampler.Encoded(sampler.encode_token(made, picture), sampler.encode_latent(made, picture, noise(tuple(picture.shape), 2)))
    window = sampler.Window(range(frames), encoded, lambda: noise((1, frames, 8, size[1], size[0]), 3))
    with placement.on(made.unet, made.controlnet):
        latents = sampler.sample(made, [window], noise((1, frames, 4, size[1] // 8, size[0] // 8), 4), settings, placement.device)
    with placement.on(made.vae):
        for _ in sampler.decode_frames(made, latents, 8):
            pass
    return latents.cpu()


def measure(run: Callable[[], Tensor], repeats: int = 3) -> tuple[float, float, Tensor]:
    """Median seconds, peak GB and the result, after one run to warm up."""
    run()
    torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        began = time.perf_counter()
        latents = run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return sorted(times)[repeats // 2], torch.cuda.max_memory_allocated() / 1e9, latents


def levers() -> list[tuple[str, str, Callable[[nets.Nets], nets.Nets], str, dict]]:
    """Name, preset, change of the networks, placement, change of the settings; each is measured on top of those before it in its preset."""

    def same(made: nets.Nets) -> nets.Nets:
        return made

    def one_token(made: nets.Nets) -> nets.Nets:
        use_one_token(made.unet)
        use_one_token(made.controlnet)
        return made

    def channels_last(made: nets.Nets) -> nets.Nets:
        for net in (made.unet, made.controlnet):
            net.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # an overload that it does not see
        return made

    def compiled(made: nets.Nets) -> nets.Nets:
        for net in (made.unet, made.controlnet):
            net.compile_repeated_blocks()
        return made

    def broadcast(made: nets.Nets) -> nets.Nets:
        from diffusers.hooks.pyramid_attention_broadcast import PyramidAttentionBroadcastConfig, apply_pyramid_attention_broadcast

        for net in (made.unet, made.controlnet):
            config = PyramidAttentionBroadcastConfig(
                spatial_attention_block_skip_range=2,
                spatial_attention_block_identifiers=("transformer_blocks",),
                current_timestep_callback=lambda: 500,
            )
            apply_pyramid_attention_broadcast(net, config)
        return made

    return [
        ("as published", "reference", same, WHOLE, {}),
        ("guidance in two halves", "reference", same, WHOLE, {"together": False}),
        ("one token", "reference", one_token, WHOLE, {}),
        ("channels last", "reference", channels_last, WHOLE, {}),
        ("regional compile", "reference", compiled, WHOLE, {}),
        ("10 chosen steps", "fast", one_token, WHOLE, {}),
        ("channels last", "fast", channels_last, WHOLE, {}),
        ("regional compile", "fast", compiled, WHOLE, {}),
        ("pyramid attention broadcast", "fast", broadcast, WHOLE, {}),
        ("5 steps, half guided", "draft", one_token, WHOLE, {}),
        ("networks by stages", "reference", one_token, STAGES, {"together": False}),
        ("networks by groups", "reference", one_token, GROUPS, {"together": False}),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure AniDoc at full size.")
    parser.add_argument("--size", default="512x320", metavar="WxH")
    parser.add_argument("--frames", type=int, default=14)
    parser.add_argument("--profile", type=Path, metavar="FILE", help="write where the time of the preset reference goes")
    options = parser.parse_args()
    reason = devices.why_no_cuda()
    if reason:
        print(f"{reason}.", file=sys.stderr)
        return 4
    width, height = (int(part) for part in options.size.split("x"))
    device, dtype = torch.device("cuda"), torch.float16
    peak = rate(dtype)
    print(f"{torch.cuda.get_device_name()}, matrix rate {peak / 1e12:.0f} TFLOP/s, {options.frames} frames of {width}x{height}, {dtype}\n")
    print("| preset | lever | s a clip | peak GB | share of the matrix rate | difference from reference |\n|---|---|---|---|---|---|")
    made, current, base = None, ("", ""), None
    placement = Placement(WHOLE, device, [])
    for name, preset, change, mode, changes in levers():
        if made is None or current != (preset, mode):
            made = None
            torch.cuda.empty_cache()
            made, current = build(torch.device("cpu") if mode != WHOLE else device, dtype), (preset, mode)
            placement = Placement(mode, device, made.all)
        made = change(made)
        settings = replace(PRESETS[preset], **changes)
        seconds, gigabytes, latents = measure(partial(clip, made, settings, (width, height), options.frames, placement))
        base = latents if base is None else base
        steps = len(settings.sigmas) - 1 if settings.sigmas else settings.steps
        scale = options.frames * width * height / (14 * 512 * 320)
        reached = steps * STEP_FLOPS * scale * (1 + settings.guided) / 2 / seconds / peak
        far = ((latents - base).norm() / base.norm()).item()
        print(f"| {preset} | {name} | {seconds:.2f} | {gigabytes:.1f} | {reached:.0%} | {far:.3f} |", flush=True)
    if options.profile:
        made = build(device, dtype)
        use_one_token(made.unet)
        use_one_token(made.controlnet)
        placement = Placement(WHOLE, device, made.all)
        with torch.profiler.profile() as profile:
            clip(made, replace(PRESETS["reference"], steps=3), (width, height), options.frames, placement)
        options.profile.write_text(profile.key_averages().table(sort_by="cuda_time_total", row_limit=40), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
