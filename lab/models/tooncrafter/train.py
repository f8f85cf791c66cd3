"""ToonCrafter's trainings, after the paper's description; no code of them was published.

`rectification`: image tokens and spatial layers learn cartoons, from DynamiCrafter's interpolation, with all that connects frames frozen.
`decoder`: the decoder learns to look at both keys. `sketch`: an encoder of sketches on any of the frames, with the UNet frozen.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from engine.diffusion import weights
from engine.diffusion.memory import Placement
from engine.diffusion.svd import clip_pixels
from engine.job.errors import BadInput
from engine.models.tooncrafter import ddim, layout, pipeline, text
from engine.models.tooncrafter.networks import FRAMES, SketchEncoder, ToonCrafterUNet
from engine.models.tooncrafter.vae import SCALE, build_references
from engine.models.tooncrafter.weights import HELP, NAMES, ToonCrafterNetworks, convert_weights, find_weights, load_networks, read_configs

from ...diffusion import clips, training
from . import critic

RATES = {"rectification": 1e-6, "decoder": 4.5e-6, "sketch": 5e-5}
DIFFUSION = {"clip": 0.5}  # DynamiCrafter's settings of the loop
ADVERSARIAL = {"clip": 0.0, "decay": 0.0, "betas": (0.5, 0.9)}  # VQGAN's
STRIDES = 6  # of frames of a clip, at most
SOURCE_FPS = 24.0  # of clips, as they are
DROP = 0.05  # of the lessons are without prompt, without prompt and image, without image
DROPOUT = 0.1  # in the UNet's blocks
PERCEPTUAL = 0.1  # weight of what looks different
BISECTED = 0.8  # of the lessons have their sketches where halving the clip again and again puts them
NOTE = "These weights were trained here and are not those that ToonCrafter's authors published."
CPU = torch.device("cpu")


def train_model(settings: Mapping[str, Any]) -> Iterator[str]:
    """Train one part, or take up a training again; yields lines about its progress. `settings` are the options of `train tooncrafter`.

    Raises BadInput.
    """
    part, size, source, out = settings["part"], settings["size"], Path(settings["weights"]), Path(settings["out"])
    if size[0] % 64 or size[1] % 64:
        raise BadInput(f"Pictures of {size[0]}x{size[1]} px can't be trained on: give --size in multiples of 64.")
    found = clips.find_clips(Path(settings["data"]), out / "shots", FRAMES)
    torch.manual_seed(settings["seed"])  # of weights that are new
    loaded = load_trainable(source, part)
    prompts = [text.tokenize_prompt(prompt, source / "tokenizer") for prompt in (settings["prompt"], "")]
    told = torch.cat([pipeline.encode_text(loaded, ids) for ids in prompts]).clone()
    look = critic.load_perceptual(Path(settings["perceptual"])) if part == "decoder" and settings["perceptual"] else None
    if part == "decoder":
        yield "with the perceptual loss" if look else "without the perceptual loss, whose weights are not given: by pixels and critic alone"
    learning = select_networks(loaded, part)
    resting = (loaded.vae, loaded.image_encoder, loaded.unet, loaded.projector, look)
    spec = training.TrainingSpec(
        networks=learning,
        frozen=tuple(net for net in resting if net is not None and net not in learning.values()),
        trainable=lambda name: is_trained(name, part),
        draw_batch=lambda rng, device: build_batch(loaded, *read_example(found, size, rng, part), part, device),
        compute_loss=lambda drawn, rng: (
            decoding_loss(loaded, drawn, learning["critic"], look) if part == "decoder" else compute_loss(loaded, drawn, told, rng)
        ),
        draw_sheet=lambda drawn: draw_sheet(loaded, drawn, told),
        save_weights=lambda folder, states: save_weights(folder, states, source),
        about=f"{len(found)} clips",
    )
    more = ADVERSARIAL if part == "decoder" else DIFFUSION
    chosen = training.LoopSettings.select_options(settings, **more | {"rate": settings["rate"] or RATES[part]})
    yield from training.run_training(spec, chosen)


# --- what is learned ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NoisedLatents:
    """Clean latents (B, 16, 4, h, w) as the UNet is shown them: `noisy`, `given` with the conditions beside, and `target`, what v is."""

    noisy: Tensor
    given: Tensor
    target: Tensor

    @staticmethod
    def add_noise(latents: Tensor, noise: Tensor, timesteps: Tensor) -> "NoisedLatents":
        """With noise of variance 1, at timesteps (B,). The conditions do not shrink, as everything else does."""
        tables = (torch.from_numpy(table).to(latents.device, latents.dtype) for table in (ddim.compute_alphas(), ddim.compute_shrinkage()))
        signal, scale = (table[timesteps].view(-1, 1, 1, 1, 1) for table in tables)
        clean = latents * scale
        noisy = signal.sqrt() * clean + (1.0 - signal).sqrt() * noise
        target = signal.sqrt() * noise - (1.0 - signal).sqrt() * clean
        told = torch.zeros_like(latents)
        told[:, 0], told[:, -1] = latents[:, 0], latents[:, -1]
        return NoisedLatents(noisy, torch.cat([noisy, told], dim=2), target)


@dataclass(frozen=True)
class ToonCrafterBatch:
    """A clip: `frames` (16, 3, H, W) in -1..1 · `latents` (1, 16, 4, h, w) scaled · `references` of the decoder · `seen` what CLIP makes
    (2, n, C) of the first frame and of nothing · `fps` its frames a second · `sketches` (1, 16, 1, H, W), or None."""

    frames: Tensor
    latents: Tensor
    references: list[Tensor]
    seen: Tensor | None
    fps: float
    sketches: Tensor | None


def read_example(
    found: Sequence[clips.TrainingClip], size: tuple[int, int], rng: np.random.Generator, part: str
) -> tuple[np.ndarray, float, np.ndarray | None]:
    """Sixteen frames uint8 (16, H, W, 3) of a clip, every 1st to 6th of a run, their rate, and where they have sketches for the part
    `sketch`, those of some of them, float32 (16, H, W), 1 on lines."""
    frames = found[int(rng.integers(len(found)))].frames
    stride = int(rng.integers(1, min(STRIDES, (len(frames) - 1) // (FRAMES - 1)) + 1))
    start = int(rng.integers(len(frames) - (FRAMES - 1) * stride))
    paths = frames[start::stride][:FRAMES]
    pictures = clips.flatten_pictures(clips.load_pictures(paths, size))
    if part != "sketch":
        return pictures, SOURCE_FPS / stride, None
    lines = (clips.binarize_gray(clips.load_sketches(paths, size)) == 0).astype(np.float32)
    return pictures, SOURCE_FPS / stride, lines * draw_sketched(rng)[:, None, None]


def draw_sketched(rng: np.random.Generator) -> np.ndarray:
    """Which of sixteen frames have a sketch, bool (16,): mostly the middle of the clip, those of its halves and so on, up to four times;
    else any of those that are no keys."""
    chosen = np.zeros(FRAMES, bool)
    if rng.random() >= BISECTED:
        inner = np.arange(1, FRAMES - 1)
        chosen[rng.choice(inner, rng.integers(1, len(inner) + 1), replace=False)] = True
        return chosen
    parts = [(0, FRAMES - 1)]
    for _ in range(int(rng.integers(1, 5))):
        halves = [(a, (a + b) // 2, b) for a, b in parts if b - a > 1]
        chosen[[middle for _, middle, _ in halves]] = True
        parts = [pair for a, middle, b in halves for pair in ((a, middle), (middle, b))]
    return chosen


@torch.no_grad()
def build_batch(
    loaded: ToonCrafterNetworks, pictures: np.ndarray, fps: float, lines: np.ndarray | None, part: str, device: torch.device = CPU
) -> ToonCrafterBatch:
    """A clip as the networks see it; latents are drawn, as those of keys are."""
    frames = (torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1.0).to(device)
    coded = [loaded.vae.encode_keys(frame[None]) for frame in frames]
    mean, variance = torch.cat([frame[0] for frame in coded]), torch.cat([frame[1] for frame in coded])
    latents = SCALE * (mean + torch.exp(0.5 * variance) * torch.randn(mean.shape).to(device))
    references = build_references([torch.cat(pair) for pair in zip(coded[0][2], coded[-1][2], strict=True)])
    seen = None
    if part != "decoder":
        both = clip_pixels(torch.stack([frames[0], torch.zeros_like(frames[0])]) / 2.0 + 0.5, loaded.image_encoder.config.image_size)
        seen = loaded.image_encoder(both).last_hidden_state
    sketches = None if lines is None else torch.from_numpy(lines)[None, :, None].to(device)
    return ToonCrafterBatch(frames, latents[None], references, seen, fps, sketches)


def compute_loss(loaded: ToonCrafterNetworks, of: ToonCrafterBatch, told: Tensor, rng: np.random.Generator, drop: float = DROP) -> Tensor:
    """The error of v at a random time. `told` (2, 77, C) are the prompt's tokens and those of none."""
    assert of.seen is not None
    device, chance = of.latents.device, rng.random()
    words = int(chance < 2 * drop)
    image = int(drop <= chance < 3 * drop)
    context = torch.cat([told[words][None].to(device), loaded.projector(of.seen[image][None])], dim=1)
    timesteps = torch.tensor([int(rng.integers(ddim.TRAINED))], device=device)
    noised = NoisedLatents.add_noise(of.latents, torch.randn(of.latents.shape).to(device), timesteps)
    residuals = None
    if of.sketches is not None and loaded.sketch_encoder is not None:
        residuals = loaded.sketch_encoder.compute_residuals(noised.noisy, timesteps, context, of.sketches, scale=1.0)
    output = loaded.unet(noised.given, timesteps, torch.tensor([of.fps], device=device), context, residuals)
    return ((output - noised.target) ** 2).mean()


def decoding_loss(loaded: ToonCrafterNetworks, of: ToonCrafterBatch, judge: critic.PatchCritic, look: nn.Module | None) -> Tensor:
    """For the decoder: the error of pixels, what looks different if that can be measured, and both sides of the critic."""
    made = loaded.vae.decode_clip(of.latents[0] / SCALE, of.references, FRAMES)
    error = (made - of.frames).abs().mean()
    if look is not None:
        error = error + PERCEPTUAL * look(made, of.frames)
    return error + critic.adversarial_loss(judge, of.frames, made, error, loaded.vae.decoder.conv_out.weight)


# --- which networks -----------------------------------------------------------------------------------------------


def load_trainable(folder: Path, part: str) -> ToonCrafterNetworks:
    """Networks to train, in single precision, from weights of ToonCrafter or of DynamiCrafter's interpolation, whose decoder is given what
    it lacks; a sketch encoder without weights begins as the spatial layers of the UNet. Raises BadInput."""
    there = any((folder / name).is_file() for name in NAMES["sketch_encoder"])
    loaded = load_networks(folder, torch.float32, part == "sketch" and there, plain=True)
    if part == "sketch" and not there:
        loaded = replace(loaded, sketch_encoder=copy_sketch_encoder(loaded.unet, read_configs(folder)[0]["sketch_encoder"]))
    for module in loaded.unet.modules():
        if isinstance(module, ResnetBlock2D):
            module.dropout.p = DROPOUT
    return loaded


def copy_sketch_encoder(unet: ToonCrafterUNet, config: Mapping[str, Any]) -> SketchEncoder:
    """A sketch encoder that begins as the way down of a UNet, without what connects frames, and adds nothing yet."""
    net = SketchEncoder(**config)
    mine, theirs = net.state_dict(), unet.state_dict()
    taken = {name: theirs[name] for name in mine if name in theirs}
    taken["conv_in.weight"] = taken["conv_in.weight"][:, : mine["conv_in.weight"].shape[1]]
    net.load_state_dict(taken, strict=False)
    return net


def select_networks(loaded: ToonCrafterNetworks, part: str) -> dict[str, Any]:
    """The networks that a part trains, in whole or in part."""
    if part == "rectification":
        return {"unet": loaded.unet, "projector": loaded.projector}
    if part == "decoder":
        return {"vae": loaded.vae, "critic": critic.PatchCritic()}
    assert loaded.sketch_encoder is not None
    return {"sketch_encoder": loaded.sketch_encoder}


def is_trained(name: str, part: str) -> bool:
    """Whether a part trains a parameter of its networks. What connects frames, and their rate, stay as they are in rectification."""
    if part == "rectification":
        return not any(word in name for word in ("temp_convs", "temp_attentions", "transformer_in", "fps_embedding"))
    return part == "sketch" or name.startswith(("vae.decoder.", "critic."))


# --- what is shown and kept ---------------------------------------------------------------------------------------


def draw_sheet(loaded: ToonCrafterNetworks, of: ToonCrafterBatch, told: Tensor, steps: int = 8) -> np.ndarray:
    """What the networks make of a clip now, below the truth, uint8."""
    latents, device = of.latents, of.latents.device

    def placed_pipeline(settings: pipeline.ToonCrafterSettings) -> pipeline.ToonCrafterPipeline:
        return pipeline.ToonCrafterPipeline(loaded, Placement(device, {}), settings)

    if of.seen is not None:
        context, free = (
            torch.cat([words[None].to(device), loaded.projector(seen[None])], dim=1) for words, seen in zip(told, of.seen, strict=True)
        )
        keys = pipeline.EncodedKeys(latents[0, [0, -1]], of.references)
        clip = pipeline.ClipConditions(keys, context, free, lambda step: torch.randn(latents.shape), of.sketches)
        present = placed_pipeline(pipeline.ToonCrafterSettings(steps=steps, fps=of.fps))
        latents = present.denoise_clip(clip, torch.randn(latents.shape))
    made = placed_pipeline(pipeline.ToonCrafterSettings()).decode_clip(latents, of.references, two_passes=False)
    rows = [((row.cpu().clamp(-1, 1) + 1.0) * 127.5).to(torch.uint8).permute(0, 2, 3, 1).numpy() for row in (of.frames, made)]
    return clips.build_sheet(rows)


def save_weights(folder: Path, states: training.States, source: Path) -> None:
    """Weights in the published layout; what was not trained is that of `source`."""
    main = convert_weights(find_weights(source, "model"))
    whole = dict(weights.read_tensors(main, HELP))
    shapes = {name: tuple(tensor.shape) for name, tensor in whole.items()}
    folder.mkdir(parents=True, exist_ok=True)
    if "sketch_encoder" in states:
        training.write_weights(
            folder / NAMES["sketch_encoder"][0], dict(layout.publish_tensors(states["sketch_encoder"], "sketch_encoder", shapes))
        )
        if not (folder / "model.safetensors").exists():
            try:
                os.link(main, folder / "model.safetensors")
            except OSError:  # another disk, or one without links
                shutil.copyfile(main, folder / "model.safetensors")
    else:
        for part in states.keys() & layout.PREFIXES.keys():
            whole |= dict(layout.publish_tensors(states[part], part, shapes))
        training.write_weights(folder / "model.safetensors", whole)
    for name in ("text_encoder", "image_encoder", "tokenizer"):
        if (source / name).is_dir() and not (folder / name).exists():
            shutil.copytree(source / name, folder / name)
    known = weights.read_config(source / "config.json", HELP) if (source / "config.json").is_file() else {}
    (folder / "config.json").write_text(json.dumps({**known, "note": NOTE}), encoding="utf-8")
