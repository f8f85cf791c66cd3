"""The trainings of ToonCrafter, after the paper's description. No code was published for them.

`rectification`: the projector and the spatial layers are trained on cartoons, starting from DynamiCrafter's interpolation, with frozen
temporal layers. `decoder`: the decoder learns to attend to both keys. `sketch`: an encoder of sketches on any frames, with the UNet frozen.
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
DIFFUSION = {"clip": 0.5}  # loop settings of DynamiCrafter
ADVERSARIAL = {"clip": 0.0, "decay": 0.0, "betas": (0.5, 0.9)}  # loop settings of VQGAN
STRIDES = 6  # the largest step between frames of an example
SOURCE_FPS = 24.0  # of the clips
DROP = 0.05  # fraction of the examples without prompt, without prompt and image, and without image
DROPOUT = 0.1  # in the UNet's blocks
PERCEPTUAL = 0.1  # weight of the perceptual loss
BISECTED = 0.8  # fraction of the examples with sketches at places found by repeated halving of the clip
NOTE = "These weights were trained here and are not those that ToonCrafter's authors published."
CPU = torch.device("cpu")


def train_model(settings: Mapping[str, Any]) -> Iterator[str]:
    """Train one part, or resume a training. Yields lines of progress. `settings` are the options of `train tooncrafter`.

    Raises BadInput.
    """
    part, size, source, out = settings["part"], settings["size"], Path(settings["weights"]), Path(settings["out"])
    if size[0] % 64 or size[1] % 64:
        raise BadInput(f"Pictures of {size[0]}x{size[1]} px can't be trained on: give --size in multiples of 64.")
    found = clips.find_clips(Path(settings["data"]), out / "shots", FRAMES)
    torch.manual_seed(settings["seed"])  # for new weights
    loaded = load_trainable(source, part)
    prompts = [text.tokenize_prompt(prompt, source / "tokenizer") for prompt in (settings["prompt"], "")]
    prompt_tokens = torch.cat([pipeline.encode_text(loaded, ids) for ids in prompts]).clone()
    perceptual = critic.load_perceptual(Path(settings["perceptual"])) if part == "decoder" and settings["perceptual"] else None
    if part == "decoder":
        yield (
            "with the perceptual loss"
            if perceptual
            else "without the perceptual loss, whose weights are not given: by pixels and critic alone"
        )
    learning = select_networks(loaded, part)
    others = (loaded.vae, loaded.image_encoder, loaded.unet, loaded.projector, perceptual)
    spec = training.TrainingSpec(
        networks=learning,
        frozen=tuple(net for net in others if net is not None and net not in learning.values()),
        trainable=lambda name: is_trained(name, part),
        draw_batch=lambda rng, device: build_batch(loaded, *read_example(found, size, rng, part), part, device),
        compute_loss=lambda drawn, rng: (
            decoding_loss(loaded, drawn, learning["critic"], perceptual)
            if part == "decoder"
            else compute_loss(loaded, drawn, prompt_tokens, rng)
        ),
        draw_sheet=lambda drawn: draw_sheet(loaded, drawn, prompt_tokens),
        save_weights=lambda folder, states: save_weights(folder, states, source),
        about=f"{len(found)} clips",
    )
    more = ADVERSARIAL if part == "decoder" else DIFFUSION
    chosen = training.LoopSettings.select_options(settings, **more | {"rate": settings["rate"] or RATES[part]})
    yield from training.run_training(spec, chosen)


# --- examples and loss --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NoisedLatents:
    """The UNet's input for clean latents (B, 16, 4, h, w): `noisy` ones, `given` with the conditions appended, and the `target` v."""

    noisy: Tensor
    given: Tensor
    target: Tensor

    @staticmethod
    def add_noise(latents: Tensor, noise: Tensor, timesteps: Tensor) -> "NoisedLatents":
        """Add noise of variance 1 at timesteps (B,). The conditions are not scaled down, unlike the latents."""
        tables = (torch.from_numpy(table).to(latents.device, latents.dtype) for table in (ddim.compute_alphas(), ddim.compute_shrinkage()))
        signal, scale = (table[timesteps].view(-1, 1, 1, 1, 1) for table in tables)
        clean = latents * scale
        noisy = signal.sqrt() * clean + (1.0 - signal).sqrt() * noise
        target = signal.sqrt() * noise - (1.0 - signal).sqrt() * clean
        conditions = torch.zeros_like(latents)
        conditions[:, 0], conditions[:, -1] = latents[:, 0], latents[:, -1]
        return NoisedLatents(noisy, torch.cat([noisy, conditions], dim=2), target)


@dataclass(frozen=True)
class ToonCrafterBatch:
    """A clip: `frames` (16, 3, H, W) in -1..1 · `latents` (1, 16, 4, h, w) scaled · `references` for the decoder · `clip_tokens` (2, n, C)
    of CLIP for the first frame and for zeros · `fps` its frames per second · `sketches` (1, 16, 1, H, W), or None."""

    frames: Tensor
    latents: Tensor
    references: list[Tensor]
    clip_tokens: Tensor | None
    fps: float
    sketches: Tensor | None


def read_example(
    found: Sequence[clips.TrainingClip], size: tuple[int, int], rng: np.random.Generator, part: str
) -> tuple[np.ndarray, float, np.ndarray | None]:
    """Sixteen frames uint8 (16, H, W, 3) of a clip, every 1st to 6th of a run, their frame rate, and for the part `sketch` the sketches of
    some of them, float32 (16, H, W), 1 on lines."""
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
    """Choose which of sixteen frames have a sketch, bool (16,): mostly the middle of the clip, the middles of its halves and so on, up to
    four times; otherwise random frames that are not keys."""
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
    """The networks' input for a clip. Latents are sampled, like those of keys."""
    frames = (torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1.0).to(device)
    coded = [loaded.vae.encode_keys(frame[None]) for frame in frames]
    mean, variance = torch.cat([frame[0] for frame in coded]), torch.cat([frame[1] for frame in coded])
    latents = SCALE * (mean + torch.exp(0.5 * variance) * torch.randn(mean.shape).to(device))
    references = build_references([torch.cat(pair) for pair in zip(coded[0][2], coded[-1][2], strict=True)])
    clip_tokens = None
    if part != "decoder":
        both = clip_pixels(torch.stack([frames[0], torch.zeros_like(frames[0])]) / 2.0 + 0.5, loaded.image_encoder.config.image_size)
        clip_tokens = loaded.image_encoder(both).last_hidden_state
    sketches = None if lines is None else torch.from_numpy(lines)[None, :, None].to(device)
    return ToonCrafterBatch(frames, latents[None], references, clip_tokens, fps, sketches)


def compute_loss(
    loaded: ToonCrafterNetworks, batch: ToonCrafterBatch, prompt_tokens: Tensor, rng: np.random.Generator, drop: float = DROP
) -> Tensor:
    """The error of v at a random time. `prompt_tokens` (2, 77, C) are those of the prompt and of the empty prompt."""
    assert batch.clip_tokens is not None
    device, chance = batch.latents.device, rng.random()
    prompt_index = int(chance < 2 * drop)
    image_index = int(drop <= chance < 3 * drop)
    context = torch.cat([prompt_tokens[prompt_index][None].to(device), loaded.projector(batch.clip_tokens[image_index][None])], dim=1)
    timesteps = torch.tensor([int(rng.integers(ddim.TRAINED))], device=device)
    noised = NoisedLatents.add_noise(batch.latents, torch.randn(batch.latents.shape).to(device), timesteps)
    residuals = None
    if batch.sketches is not None and loaded.sketch_encoder is not None:
        residuals = loaded.sketch_encoder.compute_residuals(noised.noisy, timesteps, context, batch.sketches, scale=1.0)
    output = loaded.unet(noised.given, timesteps, torch.tensor([batch.fps], device=device), context, residuals)
    return ((output - noised.target) ** 2).mean()


def decoding_loss(loaded: ToonCrafterNetworks, batch: ToonCrafterBatch, judge: critic.PatchCritic, perceptual: nn.Module | None) -> Tensor:
    """The loss of the decoder: the pixel error, the perceptual loss if there is one, and the adversarial loss."""
    made = loaded.vae.decode_clip(batch.latents[0] / SCALE, batch.references, FRAMES)
    error = (made - batch.frames).abs().mean()
    if perceptual is not None:
        error = error + PERCEPTUAL * perceptual(made, batch.frames)
    return error + critic.adversarial_loss(judge, batch.frames, made, error, loaded.vae.decoder.conv_out.weight)


# --- networks -----------------------------------------------------------------------------------------------------


def load_trainable(folder: Path, part: str) -> ToonCrafterNetworks:
    """Load networks to train, in single precision, from weights of ToonCrafter or of DynamiCrafter's interpolation, whose decoder gets the
    missing layers. A sketch encoder without weights starts from the spatial layers of the UNet. Raises BadInput."""
    there = any((folder / name).is_file() for name in NAMES["sketch_encoder"])
    loaded = load_networks(folder, torch.float32, part == "sketch" and there, plain=True)
    if part == "sketch" and not there:
        loaded = replace(loaded, sketch_encoder=copy_sketch_encoder(loaded.unet, read_configs(folder)[0]["sketch_encoder"]))
    for module in loaded.unet.modules():
        if isinstance(module, ResnetBlock2D):
            module.dropout.p = DROPOUT
    return loaded


def copy_sketch_encoder(unet: ToonCrafterUNet, config: Mapping[str, Any]) -> SketchEncoder:
    """A sketch encoder that starts from the down path of a UNet, without temporal layers. Its residuals are 0."""
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
    """Whether a part trains a parameter of its networks. Rectification does not train temporal layers and the embedding of the frame
    rate."""
    if part == "rectification":
        return not any(part_name in name for part_name in ("temp_convs", "temp_attentions", "transformer_in", "fps_embedding"))
    return part == "sketch" or name.startswith(("vae.decoder.", "critic."))


# --- sheets and weights -------------------------------------------------------------------------------------------


def draw_sheet(loaded: ToonCrafterNetworks, batch: ToonCrafterBatch, prompt_tokens: Tensor, steps: int = 8) -> np.ndarray:
    """A sheet of the networks' current result for a clip, below the truth, uint8."""
    latents, device = batch.latents, batch.latents.device

    def placed_pipeline(settings: pipeline.ToonCrafterSettings) -> pipeline.ToonCrafterPipeline:
        return pipeline.ToonCrafterPipeline(loaded, Placement(device, {}), settings)

    if batch.clip_tokens is not None:
        context, free = (
            torch.cat([text_tokens[None].to(device), loaded.projector(image_tokens[None])], dim=1)
            for text_tokens, image_tokens in zip(prompt_tokens, batch.clip_tokens, strict=True)
        )
        keys = pipeline.EncodedKeys(latents[0, [0, -1]], batch.references)
        clip = pipeline.ClipConditions(keys, context, free, lambda step: torch.randn(latents.shape), batch.sketches)
        current = placed_pipeline(pipeline.ToonCrafterSettings(steps=steps, fps=batch.fps))
        latents = current.denoise_clip(clip, torch.randn(latents.shape))
    made = placed_pipeline(pipeline.ToonCrafterSettings()).decode_clip(latents, batch.references, two_passes=False)
    rows = [((row.cpu().clamp(-1, 1) + 1.0) * 127.5).to(torch.uint8).permute(0, 2, 3, 1).numpy() for row in (batch.frames, made)]
    return clips.build_sheet(rows)


def save_weights(folder: Path, states: training.States, source: Path) -> None:
    """Write weights in the published layout. Parts that were not trained are copied from `source`."""
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
