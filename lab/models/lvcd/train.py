"""LVCD's training, as its paper and code give it, and with the sketches varied as its authors and AniDoc's advise.

A lesson is fifteen slots: a frame that came before, as the reference, and fourteen frames in a row. All of them are noised alike and
denoised, the reference too. The ControlNet is learned, and of the UNet the self-attention in space and time; nothing else.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from skimage.morphology import skeletonize
from torch import Tensor

from engine.diffusion import edm, parts
from engine.diffusion.svd import decode
from engine.job.errors import BadInput
from engine.models.lvcd import nets, sampler, slots
from engine.models.lvcd.nets import HELP, Nets
from engine.models.lvcd.slots import VIDEO, Layout

from ...diffusion import clips, training

LOG_SIGMA = (1.0, 1.6)  # mean and deviation of the noise levels' logarithm
QUARTER = 0.25  # of the frames before a run; the released code takes the reference from the first ones, the paper from all
THICKEST = 4  # px that lines are thickened to at most, beside what they have
NOTE = "These weights were trained here and are not those that LVCD's authors published."
REFERENCES = ("early", "any")
LEARNED = slots.beginning()


@dataclass(frozen=True)
class Lesson:
    """Of B runs: `target` scaled latents (B, 15, 4, h, w), the reference's first · `sketches` (B, 15, 3, 8 h, 8 w), 1 on lines ·
    `token` (B, 1, C) and `latent` (B, 4, h, w), not scaled, of the reference."""

    target: Tensor
    sketches: Tensor
    token: Tensor
    latent: Tensor


def train(settings: Mapping[str, Any]) -> Iterator[str]:
    """Train, or take up a training again; yields lines about its progress. `settings` are the options of `train lvcd`.

    Several cards are used when it is started by `accelerate launch`. Raises BadInput.
    """
    size, source = settings["size"], Path(settings["weights"])
    if size[0] % 64 or size[1] % 64:
        raise BadInput(f"Pictures of {size[0]}x{size[1]} px can't be trained on: give --size in multiples of 64.")
    found = clips.find(Path(settings["data"]), Path(settings["out"]) / "shots", least=VIDEO + 1)
    torch.manual_seed(settings["seed"])  # of weights that are new
    loaded = begin(source)
    layout = slots.without_reference(LEARNED) if settings["no_reference_attention"] else LEARNED

    def draw(rng: np.random.Generator, device: torch.device) -> Lesson:
        frames, sketches = read(found[rng.integers(len(found))], size, settings["reference"], not settings["as_drawn"], rng)
        return lesson(loaded, frames, sketches, device)

    course = training.Course(
        nets={"unet": loaded.unet, "controlnet": loaded.controlnet},
        frozen=(loaded.vae, loaded.image_encoder),
        trainable=trained(loaded).__contains__,
        lesson=draw,
        loss=lambda drawn, rng: loss(loaded, drawn, rng, layout),
        sheet=lambda drawn: sample_sheet(loaded, drawn, layout),
        save=lambda folder, states: save(folder, states, loaded, source),
        about=f"{len(found)} clips",
    )
    yield from training.run(course, training.Settings.of(settings, clip=0.0))


# --- what is learned ----------------------------------------------------------------------------------------------


def begin(folder: Path) -> Nets:
    """Networks to train, of LVCD's weights or Stable Video Diffusion's as diffusers lays them out; in single precision. Raises BadInput."""
    if parts.find(folder, "controlnet").is_file() or any((folder / name).is_file() for name in nets.OVER):
        return replace(nets.load(folder, torch.float32), note=NOTE)
    unet, vae, image_encoder = (
        parts.load(folder, part, torch.float32, HELP, nets.BUILDERS[part]) for part in ("unet", "vae", "image_encoder")
    )
    return Nets(unet, nets.controlnet_of(unet), vae, image_encoder, NOTE)


def trained(loaded: Nets) -> set[str]:
    """What is learned: all of the ControlNet, and of the UNet what LVCD changes in it."""
    of_unet, all_of = (name for name, _ in slots.self_attentions(loaded.unet)), (name for name, _ in loaded.controlnet.named_parameters())
    return {*(f"unet.{name}" for name in of_unet), *(f"controlnet.{name}" for name in all_of)}


def read(clip: clips.Clip, size: tuple[int, int], reference: str, vary: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A reference and the fourteen frames of a random run after it: uint8 (15, H, W, 3), and their sketches (15, H, W), dark on 255.

    `reference` is a frame of the first quarter of those before the run ('early') or 'any' of them. Raises BadInput.
    """
    start = int(rng.integers(1, len(clip.frames) - VIDEO + 1))
    before = max(1, int(QUARTER * start)) if reference == "early" else start
    paths = [clip.frames[rng.integers(before)], *clip.frames[start : start + VIDEO]]
    sketches = clips.sketches(paths, size)
    return clips.over(clips.load(paths, size)), varied(sketches, rng) if vary else sketches


def varied(sketches: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Line art (n, H, W), dark on 255, a whole run alike: as it is, a pixel thin, or up to THICKEST px thicker; every other time binary."""
    kind, thicker = rng.random(), int(rng.integers(1, THICKEST + 1))
    if kind < 0.25:
        sketches = np.stack([np.where(skeletonize(one <= clips.PAPER), 0, 255).astype(np.uint8) for one in sketches])
    elif kind < 0.5:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thicker + 1, thicker + 1))
        sketches = np.stack([cv2.erode(one, disc) for one in sketches])
    return clips.binary(sketches) if rng.random() < 0.5 else sketches


def lesson(loaded: Nets, frames: np.ndarray, sketches: np.ndarray, device: torch.device) -> Lesson:
    """A run as the networks see it, of `read`'s frames and sketches."""
    pictures = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255.0
    with torch.no_grad():
        encoded = loaded.vae.encode((pictures * 2.0 - 1.0).to(device)).latent_dist.sample()
    reference = sampler.Reference.of(loaded, pictures[:1])
    lines = 1.0 - torch.from_numpy(sketches).float() / 255.0
    return Lesson(
        target=(encoded * sampler.SCALE)[None],
        sketches=lines[None, :, None].expand(-1, -1, nets.CHANNELS, -1, -1).to(device),
        token=reference.token.clone(),
        latent=reference.latent.clone(),
    )


def loss(loaded: Nets, of: Lesson, rng: np.random.Generator, layout: Layout = LEARNED) -> Tensor:
    """The mean error at a random noise level for each run."""
    device = of.target.device
    sigma = torch.from_numpy(np.exp(rng.normal(*LOG_SIGMA, len(of.target))).astype(np.float32)).to(device)
    noise = torch.from_numpy(rng.standard_normal(of.target.shape, dtype=np.float32)).to(device)
    return errors(loaded, of, sigma, noise, layout).mean()


def errors(loaded: Nets, of: Lesson, sigma: Tensor, noise: Tensor, layout: Layout = LEARNED) -> Tensor:
    """The weighted error of each slot (B, 15), at noise levels (B,) and with noise like the target."""
    slots.use(layout, loaded.unet, loaded.controlnet)
    level = sigma.view(-1, 1, 1, 1, 1)
    scale = edm.scalings(level)
    noisy = of.target + level * noise
    given = torch.cat([scale.into * noisy, of.latent[:, None].expand_as(noisy)], dim=2)
    time, token = edm.scalings(sigma).time, of.token
    ids = torch.tensor([sampler.TIME_IDS], device=noisy.device).expand(len(noisy), -1)
    residuals = loaded.controlnet(given, time, token, ids, loaded.controlnet.embed_condition(of.sketches))
    clean = scale.skip * noisy + scale.out * loaded.unet(given, time, token, ids, residuals)
    return ((level**2 + 1) / level**2 * (clean - of.target) ** 2).mean((2, 3, 4))


# --- what is shown and kept ---------------------------------------------------------------------------------------


def sample_sheet(loaded: Nets, of: Lesson, layout: Layout = LEARNED, steps: int = 8) -> np.ndarray:
    """What the networks make of a run now: sketches, truth, result, the reference first in each."""
    chain = sampler.Chain(sampler.Reference(of.token, of.latent, of.latent), VIDEO + 1, lambda index: of.sketches[0, index])
    scheme = sampler.Scheme(overlap=0, attention=layout == LEARNED)
    noise = torch.randn(of.target.shape[1:])
    made = torch.cat([new for _, new in sampler.run(loaded, chain, noise, edm.sigmas(steps), scheme, of.target.device)])
    rows = [of.sketches[0].cpu(), *(decode(loaded.vae, latents) for latents in (of.target[0], made))]
    rows[0] = 1.0 - rows[0]
    return clips.sheet([(row.permute(0, 2, 3, 1).numpy() * 255.0).astype(np.uint8) for row in rows])


def save(folder: Path, states: training.States, loaded: Nets, source: Path) -> None:
    """Weights in diffusers' layout, UNet and ControlNet whole; what was not trained as it was loaded."""
    kept = {"vae": loaded.vae, "image_encoder": loaded.image_encoder}
    for part, state in (*states.items(), *((name, net.state_dict()) for name, net in kept.items() if not (folder / name).exists())):
        net = getattr(loaded, part)
        training.write(folder / part / parts.FILES[part][-1 if part in kept else 0], state)
        config = net.config.to_dict() if part == "image_encoder" else {k: v for k, v in net.config.items() if not k.startswith("_")}
        (folder / part / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "about.json").write_text(json.dumps({"note": NOTE}), encoding="utf-8")
