"""Whether LVCD's mechanisms do what its paper says, on networks small enough to be trained on a processor. Writes docs/lvcd_study.md.

    .venv/engine/bin/python -m lab.bench.lvcd_study [--before 6500] [--steps 5000] [--worlds 48] [--films 12] [--out DIR] [--docs DIR]

Networks learn on toon worlds first without Reference Attention, as Stable Video Diffusion has none, and then go on twice, with it and
without; four ways of painting are tried on shots that were not learned from. A run that was stopped goes on. Of LVCD everything is the
engine's own, but the VAE, which is a linear one here (`LinearVae`), and the image encoder, which says nothing (`ConstantImageEncoder`).
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import permutations, repeat
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from engine.diffusion import edm
from engine.diffusion.parts import SvdNetworks
from engine.diffusion.svd import decode_frames
from engine.models.lvcd import networks, pipeline, slots

from ..diffusion import clips, training
from ..evaluation import film
from ..evaluation.shots import HELD_OUT
from ..models.lvcd import train
from ..synthesis import FAMILIES, ToonPlan, draw_sample
from . import lvcd_study_report as report
from .lvcd_study_variants import FRAMES, VARIANTS, FilmNumbers, StudyVariant

SIDE, DRAWN = 48, 96  # px of a shot's pictures, and as they are drawn
PAN, SINK = (20, 44), 10  # px as drawn that the camera goes over a shot: sideways, and up or down at most
PATCH, CHANNELS, TOKEN = 4, 16, 8  # px of a latent's side; its numbers, and the token's
STEPS = 25  # of denoising
FIRST = HELD_OUT + 1000  # seed of the shots that are measured
UNET = {
    "sample_size": SIDE // PATCH,
    "in_channels": 2 * CHANNELS,
    "out_channels": CHANNELS,
    "down_block_types": ["CrossAttnDownBlockSpatioTemporal"] * 2,
    "up_block_types": ["CrossAttnUpBlockSpatioTemporal"] * 2,
    "block_out_channels": [32, 64],
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 96,
    "layers_per_block": 1,
    "cross_attention_dim": TOKEN,
    "num_attention_heads": [2, 2],
}
HINT = [16, 32, 32]  # widths of the sketch's encoder: one fourth of the sketch's size
WITH, WITHOUT = slots.build_first_layout(), slots.drop_reference(slots.build_first_layout())
NETS = {"plain": WITHOUT, "with": WITH, "without": WITHOUT}
CPU = torch.device("cpu")
KINDS = tuple(FAMILIES)

StudyShot = tuple[np.ndarray, np.ndarray]  # pictures over white, uint8 (75, 48, 48, 3), and line art (75, 48, 48), dark on 255


# --- what stands for the VAE and the image encoder ----------------------------------------------------------------


class LinearVae(nn.Module):
    """For the VAE: the principal components of squares of PATCH x PATCH px are latents, at one scale: their variance is 1 on average.

    As the VAE has one scale: components made equal would have the networks learn lines that the sketch tells as hard as colors."""

    config = SimpleNamespace(scaling_factor=pipeline.SCALE)
    dtype, device = torch.float32, CPU

    def __init__(self, basis: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.mean, self.axes, self.deviation = (basis[name] for name in ("mean", "axes", "deviation"))

    def encode(self, pictures: Tensor) -> SimpleNamespace:
        squares = functional.pixel_unshuffle(pictures, PATCH).movedim(1, -1)
        latents = ((squares - self.mean) @ self.axes / self.deviation / pipeline.SCALE).movedim(-1, 1)
        return SimpleNamespace(latent_dist=SimpleNamespace(sample=lambda: latents, mode=lambda: latents))

    def decode(self, latents: Tensor, num_frames: int) -> SimpleNamespace:
        squares = latents.movedim(1, -1) * pipeline.SCALE * self.deviation @ self.axes.T + self.mean
        return SimpleNamespace(sample=functional.pixel_shuffle(squares.movedim(-1, 1), PATCH))


def compute_components(shots: Sequence[StudyShot]) -> dict[str, Tensor]:
    """Of the squares of shots that are learned from, their color channels exchanged in all ways."""
    pictures = np.concatenate([frames[::12] for frames, _ in shots])
    pictures = np.concatenate([pictures[..., order] for order in permutations(range(3))])
    signed = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1.0
    squares = functional.pixel_unshuffle(signed, PATCH).permute(0, 2, 3, 1).flatten(0, 2)
    variances, axes = torch.linalg.eigh(torch.cov(squares.T))
    axes, variances = axes[:, -CHANNELS:].flip(1).contiguous(), variances[-CHANNELS:]
    return {"mean": squares.mean(0), "axes": axes, "deviation": variances.mean().sqrt()[None]}


class ConstantImageEncoder(nn.Module):
    """For the image encoder: it says the same of every picture, so that all that is known of the reference comes by its latent."""

    config = SimpleNamespace(image_size=32)
    dtype, device = torch.float32, CPU

    def forward(self, pixels: Tensor) -> SimpleNamespace:
        return SimpleNamespace(image_embeds=torch.zeros(len(pixels), TOKEN))


def build_networks(out: Path, learned: str = "") -> SvdNetworks:
    """Networks as they were learned, averaged; without a name of numbers drawn by chance, also where a ControlNet begins with zeros so as
    not to disturb what was learned before."""
    torch.manual_seed(0)
    unet, controlnet = networks.build_unet(UNET), networks.build_controlnet({**UNET, "conditioning_embedding_out_channels": HINT})
    hint = controlnet.controlnet_cond_embedding.conv_out
    for layer in (*controlnet.controlnet_down_blocks, controlnet.controlnet_mid_block, hint):
        layer.reset_parameters()
    for part, net in (("unet", unet), ("controlnet", controlnet)):
        if learned:
            net.load_state_dict(load_file(out / learned / "average_weights" / f"{part}.safetensors"))
    return SvdNetworks(unet, controlnet, LinearVae(load_file(out / "components.safetensors")), ConstantImageEncoder())


# --- data ---------------------------------------------------------------------------------------------------------


def draw_world(seed: int, pans: bool) -> StudyShot:
    """Of a family that the seed tells. Where the camera pans, colors are seldom where the reference has them."""
    drawn = draw_sample(seed, ToonPlan(KINDS[seed % len(KINDS)], (DRAWN, DRAWN), drawings=FRAMES, damage=0.0))
    colors, lines = clips.flatten_pictures(drawn.paint_pictures().numpy()), 255 - drawn.lines.paint[..., 3].numpy()
    rng = np.random.default_rng(seed)
    way = (rng.uniform(*PAN) * rng.choice([-1, 1]), rng.uniform(-SINK, SINK)) if pans else (0.0, 0.0)
    colors, lines = (
        np.stack([_pan_picture(one, way, index / (FRAMES - 1) - 0.5) for index, one in enumerate(many)]) for many in (colors, lines)
    )
    return colors, lines


def _pan_picture(picture: np.ndarray, way: tuple[float, float], part: float) -> np.ndarray:
    """A part of the way along, -0.5..0.5, and brought to SIDE."""
    moved = cv2.warpAffine(
        picture, np.float32([[1, 0, round(way[0] * part)], [0, 1, round(way[1] * part)]]), (DRAWN, DRAWN), borderValue=(255,) * 3
    )
    return cv2.resize(moved, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def vary_clip(frames: np.ndarray, sketches: np.ndarray, rng: np.random.Generator) -> StudyShot:
    """With its color channels exchanged, and mirrored every other time: so that colors are known from the reference alone."""
    frames = frames[..., rng.permutation(3)]
    if rng.random() < 0.5:
        frames, sketches = frames[:, :, ::-1], sketches[:, :, ::-1]
    return np.ascontiguousarray(frames), np.ascontiguousarray(sketches)


# --- training -----------------------------------------------------------------------------------------------------


def train_networks(name: str, after: str, out: Path, steps: int, shots: Sequence[StudyShot]) -> None:
    torch.set_num_threads(1)
    loaded = build_networks(out, after)

    def draw_batch(rng: np.random.Generator, device: torch.device) -> train.LvcdBatch:
        frames, sketches = shots[rng.integers(len(shots))]
        start = int(rng.integers(1, FRAMES - slots.VIDEO + 1))
        rows = [int(rng.integers(max(1, start // 4))), *range(start, start + slots.VIDEO)]
        return train.build_batch(loaded, *vary_clip(frames[rows], sketches[rows], rng), device)

    def save_weights(folder: Path, states: training.States) -> None:
        for part, state in states.items():
            training.write_weights(folder / f"{part}.safetensors", state)

    spec = training.TrainingSpec(
        networks={"unet": loaded.unet, "controlnet": loaded.controlnet},
        draw_batch=draw_batch,
        compute_loss=lambda drawn, rng: train.compute_loss(loaded, drawn, rng, NETS[name]),
        draw_sheet=lambda drawn: train.draw_sheet(loaded, drawn, NETS[name], STEPS),
        save_weights=save_weights,
        about=f"{len(shots)} shots",
    )
    settings = training.LoopSettings(out / name, steps, rate=1e-3, every=500, ema=0.998)
    for line in training.run_training(spec, settings):
        print(f"{name}: {line}", flush=True)


# --- painting -----------------------------------------------------------------------------------------------------


@torch.inference_mode()
def paint_shot(variant: StudyVariant, out: Path, frames: np.ndarray, sketches: np.ndarray) -> np.ndarray:
    """A shot from its first frame, uint8 (75, 48, 48, 3)."""
    loaded = build_networks(out, variant.net)
    loaded.unet.eval()
    loaded.controlnet.eval()
    made = [frames[0]]
    while len(made) < FRAMES:
        last = len(made) - 1
        count = min(slots.VIDEO + 1, FRAMES - last) if variant.previous else FRAMES
        made += list(_paint_chain(variant, loaded, made[last], sketches[last:], count))[1:]
    return np.stack(made)


def _paint_chain(variant: StudyVariant, loaded: SvdNetworks, first: np.ndarray, sketches: np.ndarray, count: int) -> Iterator[np.ndarray]:
    reference = pipeline.LvcdReference.encode_picture(loaded, torch.from_numpy(first).permute(2, 0, 1)[None].float() / 255.0)
    lines = torch.from_numpy(1.0 - sketches[:, None].astype(np.float32) / 255.0).expand(-1, networks.CHANNELS, -1, -1)
    chain = pipeline.LvcdChain(reference, count, lambda index: lines[index])
    shape = (slots.VIDEO + 1 + variant.scheme.overlap, CHANNELS, SIDE // PATCH, SIDE // PATCH)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(1234))
    for _, latents in pipeline.run_chain(loaded, chain, noise, edm.build_sigmas(STEPS), variant.scheme, CPU):
        yield from decode_pixels(loaded.vae, latents)


def decode_pixels(vae: LinearVae, latents: Tensor) -> np.ndarray:
    """uint8 (F, 48, 48, 3)."""
    return (decode_frames(vae, latents).permute(0, 2, 3, 1).numpy() * 255.0 + 0.5).astype(np.uint8)


def measure_variant(name: str, out: Path, shot: StudyShot) -> tuple[np.ndarray, FilmNumbers]:
    """What a variant makes of a shot, and its numbers frame by frame; of the pair after each frame, for TC."""
    torch.set_num_threads(1)
    frames, sketches = shot
    if name == "held":
        made = np.repeat(frames[:1], FRAMES, axis=0)
    elif name == "coded":
        vae, pictures = build_networks(out).vae, torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1.0
        made = decode_pixels(vae, vae.encode(pictures).latent_dist.mode() * pipeline.SCALE)
    else:
        made = paint_shot(VARIANTS[name], out, frames, sketches)
    found = film.compare_films(made, frames, sketches)
    numbers = {key: getattr(found, key).tolist() for key, _ in report.PLOTS}
    for key in ("psnr", "edmd"):
        numbers[key][0] = float("nan")  # that frame was given
    return made, numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=int, default=6500, help="steps of training without Reference Attention; default %(default)s")
    parser.add_argument("--steps", type=int, default=5000, help="of training after that, with it and without; default %(default)s")
    parser.add_argument("--worlds", type=int, default=48, help="to learn from; default %(default)s")
    parser.add_argument("--films", type=int, default=12, help="to measure; default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("out/lvcd_study"), help="of the weights; default %(default)s")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="default %(default)s")
    given = parser.parse_args()
    asked = [(name, index) for name in (*VARIANTS, *report.OTHERS) for index in range(given.films)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        still, panned, films = (
            list(pool.map(draw_world, range(first, first + count), repeat(pans)))
            for first, count, pans in ((0, given.worlds, False), (0, given.worlds, True), (FIRST, given.films, True))
        )
        training.write_weights(given.out / "components.safetensors", compute_components(still))
        pool.submit(train_networks, "plain", "", given.out, given.before, still).result()
        for job in [pool.submit(train_networks, name, "plain", given.out, given.steps, panned) for name in ("with", "without")]:
            job.result()
        jobs = [pool.submit(measure_variant, name, given.out, films[index]) for name, index in asked]
        found = {key: job.result() for key, job in zip(asked, jobs, strict=True)}
    scores = {name: [found[name, index][1] for index in range(given.films)] for name in (*VARIANTS, *report.OTHERS)}
    (given.out / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    loaded = build_networks(given.out)
    parameters = sum(p.numel() for net in (loaded.unet, loaded.controlnet) for p in net.parameters())
    about = {
        "command": f"--before {given.before} --steps {given.steps} --worlds {given.worlds} --films {given.films}",
        "before": given.before,
        "steps": given.steps,
        "worlds": given.worlds,
        "films": given.films,
        "parameters": f"{parameters / 1e6:.1f}",
        "side": SIDE,
        "patch": PATCH,
        "channels": CHANNELS,
        "denoising": STEPS,
    }
    sheets = [report.draw_film_sheet({name: found[name, index][0] for name in VARIANTS}, *films[index]) for index in range(len(KINDS))]
    print(report.write_report(given.docs, scores, sheets, VARIANTS, about))


if __name__ == "__main__":
    main()
