"""AniDoc's training: the dense stage, its spatial phase at high resolution, and the sparse stage.

The paper gives the stages and the data; it says nothing of noise levels, weights and dropout, which are those of Stable Video Diffusion.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...diffusion import device as devices
from ...diffusion import weights
from ...errors import BadInput
from . import clips, correspondence, nets, points, sampler
from .condition import condition, sparse_condition
from .nets import FILES, HELP, Nets
from .networks import ControlNet

LOG_SIGMA = (0.7, 1.6)  # mean and deviation of the noise levels' logarithm
DROP = 0.1  # of the clips lose the token, the latent, or both
EMA = 0.9999
EVERY = 1000  # steps between two savings and sample sheets
NOTE = "These weights were trained here and are not those that AniDoc's authors published."


@dataclass(frozen=True)
class Lesson:
    """`target` scaled latents (1, F, 4, h, w) · `condition` (1, F, 8 or 9, H, W) · `reference` token and latent."""

    target: Tensor
    condition: Tensor
    reference: sampler.Encoded


def train(settings: Mapping[str, Any]) -> Iterator[str]:
    """Train, or take up a training again; yields lines about its progress. `settings` are the options of `train anidoc`.

    Several cards are used when it is started by `accelerate launch`. Raises BadInput.
    """
    stage, out, size = settings["stage"], Path(settings["out"]), settings["size"]
    if size[0] % 64 or size[1] % 64:
        raise BadInput(f"Pictures of {size[0]}x{size[1]} px can't be trained on: give --size in multiples of 64.")
    folders = clips.folders(Path(settings["data"]))
    accelerator = Accelerator(cpu=devices.choose("auto").type == "cpu")
    torch.manual_seed(settings["seed"] + accelerator.process_index)
    resumed = (out / "state.json").is_file()
    loaded = begin(out if resumed else Path(settings["weights"]), stage)
    for net in (loaded.vae, loaded.image_encoder):
        net.to(accelerator.device)
    names = trainable(loaded, stage)
    parameters = [parameter for _, parameter in names]
    optimizer = torch.optim.AdamW(parameters, lr=settings["rate"])
    done = _restore(out, names, optimizer) if resumed else 0
    average = {name: parameter.detach().clone() for name, parameter in names} if not resumed else load_file(out / "average.safetensors")
    unet, controlnet, optimizer = accelerator.prepare(loaded.unet, loaded.controlnet, optimizer)
    working = Nets(unet, controlnet, loaded.vae, loaded.image_encoder, loaded.scheduler)
    yield f"{len(folders)} clips, {sum(p.numel() for p in parameters):,} parameters, from step {done}"
    for step in range(done, settings["steps"]):
        rng = np.random.default_rng([settings["seed"], step, accelerator.process_index])
        clip = clips.read(
            folders[rng.integers(len(folders))], size, settings["frames"], rng, not settings["no_binarization"], not settings["no_matching"]
        )
        value = loss(working, lesson(working, clip, stage, rng), rng)
        accelerator.backward(value)
        accelerator.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        decay = min(EMA, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, parameter in names:
                average[name].to(parameter.device).lerp_(parameter, 1.0 - decay)
        if (step + 1) % 10 == 0 or step + 1 == settings["steps"]:
            yield f"step {step + 1} of {settings['steps']}: loss {value.item():.4f}"
        if accelerator.is_main_process and ((step + 1) % EVERY == 0 or step + 1 == settings["steps"]):
            save(out, Path(settings["weights"]), loaded, names, average, optimizer, step + 1)
            Image.fromarray(sample_sheet(loaded, clip, lesson(loaded, clip, stage, rng))).save(out / f"samples_{step + 1:06d}.png")


# --- what is learned ----------------------------------------------------------------------------------------------


def lesson(loaded: Nets, clip: clips.Clip, stage: str, rng: np.random.Generator) -> Lesson:
    """A clip as the networks see it: up to 50 points in the dense stages, 5 that move in the sparse one."""
    device = next(loaded.unet.parameters()).device
    frames = _tensor(clip.frames)
    reference = _tensor(clip.reference[None])
    with torch.no_grad():
        latents = loaded.vae.encode((frames * 2.0 - 1.0).to(device)).latent_dist.sample() * loaded.vae.config.scaling_factor
        encoded = sampler.Encoded(
            sampler.encode_token(loaded, reference).clone(),
            sampler.encode_latent(loaded, reference, torch.randn(reference.shape)).clone(),
        )
    if stage == "sparse":
        tracks = correspondence.select(clip.tracks, "moving", int(rng.integers(1 << 31)), points.SPARSE_TRACKS)
        made = sparse_condition(clip.sketches[0] < 255, clip.sketches[-1] < 255, len(frames), clip.reference, tracks)
    else:
        most = int(rng.integers(1, points.MATCHES + 1))
        tracks = clip.tracks.of(points.pick(clip.tracks.tracks.shape[1], int(rng.integers(1 << 31)), most))
        made = condition(clip.sketches < 255, clip.reference, tracks)
        made[0, :, 0:3] = torch.from_numpy(clip.sketches).float()[:, None] / 127.5 - 1.0  # gray ones in the ablation
    return Lesson(latents[None], made.to(device), encoded)


def loss(loaded: Nets, of: Lesson, rng: np.random.Generator, drop: float = DROP) -> Tensor:
    """The weighted error of the denoised latents at a random noise level."""
    target, device = of.target, of.target.device
    sigma = float(np.exp(rng.normal(*LOG_SIGMA)))
    noisy = target + sigma * torch.from_numpy(rng.standard_normal(target.shape, dtype=np.float32)).to(device)
    chance = rng.random()
    token = of.reference.token.to(device) * float(chance >= 2 * drop)
    latent = of.reference.latent.to(device) * float(not drop <= chance < 3 * drop)
    given = torch.cat([noisy / (sigma**2 + 1) ** 0.5, latent[:, None].expand_as(noisy)], dim=2)
    timestep = torch.tensor(0.25 * np.log(sigma), dtype=torch.float32, device=device)
    ids = torch.tensor([sampler.TIME_IDS], device=device)
    hint = _inner(loaded.controlnet).embed_condition(of.condition)
    said = loaded.unet(given, timestep, token, ids, loaded.controlnet(given, timestep, token, ids, hint))
    denoised = noisy / (sigma**2 + 1) - sigma / (sigma**2 + 1) ** 0.5 * said
    return ((1 + sigma**2) / sigma**2 * (denoised - target) ** 2).mean()


def begin(folder: Path, stage: str) -> Nets:
    """Networks to train, from weights of Stable Video Diffusion, of AniDoc, or of an earlier stage; in single precision."""
    if (folder / "controlnet" / "config.json").is_file():
        loaded = nets.load(folder, torch.float32)
        unet, controlnet = loaded.unet, loaded.controlnet
    else:
        unet = _load(folder, "unet")
        controlnet = ControlNet.of_unet(unet)
        parts = {name: _load(folder, name) for name in ("vae", "image_encoder")}
        scheduler = weights.read_config(folder / "scheduler" / "scheduler_config.json", HELP)
        loaded = Nets(unet, controlnet, **parts, scheduler=scheduler)
    if stage == "sparse" and not loaded.sparse:
        controlnet = _with_heat(controlnet)
    for net in (unet, controlnet):
        net.train()
    return Nets(unet, controlnet, loaded.vae, loaded.image_encoder, loaded.scheduler, NOTE)


def trainable(loaded: Nets, stage: str) -> list[tuple[str, torch.nn.Parameter]]:
    """What a stage trains, by name: all, or in the spatial phase what does not look at other frames. Other parameters are frozen."""
    chosen = []
    for part in ("unet", "controlnet"):
        for name, parameter in getattr(loaded, part).named_parameters():
            apart = "temporal" in name or "time_mixer" in name or "time_pos_embed" in name
            parameter.requires_grad_(stage != "spatial" or not apart)
            if parameter.requires_grad:
                chosen.append((f"{part}.{name}", parameter))
    return chosen


def _load(folder: Path, name: str) -> Any:
    path = nets.find(folder, name)
    config = weights.read_config(path.parent / "config.json", HELP)
    return weights.load(weights.empty(lambda: nets.BUILDERS[name](config)), path, torch.float32, ignore=nets.CONSTANTS, help=HELP)


def _with_heat(dense: ControlNet) -> ControlNet:
    """A ControlNet that reads one channel more, for heatmaps, and makes nothing of it yet."""
    config = {name: value for name, value in dense.config.items() if not name.startswith("_")}
    wider = ControlNet(**{**config, "conditioning_channels": config["conditioning_channels"] + 1})
    state = dict(dense.state_dict())
    name = "controlnet_cond_embedding.conv_in.weight"
    state[name] = torch.cat([state[name], torch.zeros_like(state[name][:, :1])], dim=1)
    wider.load_state_dict(state, strict=True)
    return wider


def _inner(net: Any) -> Any:
    return getattr(net, "module", net)


def _tensor(pictures: np.ndarray) -> Tensor:
    """uint8 (n, H, W, 3) as (n, 3, H, W) in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255.0


# --- files --------------------------------------------------------------------------------------------------------


def save(out: Path, source: Path, loaded: Nets, names: list, average: Mapping[str, Tensor], optimizer: Any, step: int) -> None:
    """Weights in the published layout, averaged ones in out/average_weights, and all that is needed to go on; no pickles."""
    for folder, smooth in ((out, False), (out / "average_weights", True)):
        for part in ("unet", "controlnet"):
            net = getattr(loaded, part)
            state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
            if smooth:
                state |= {name.partition(".")[2]: value.cpu() for name, value in average.items() if name.startswith(f"{part}.")}
            (folder / part).mkdir(parents=True, exist_ok=True)
            config = {name: value for name, value in net.config.items() if not name.startswith("_")}
            (folder / part / "config.json").write_text(json.dumps(config), encoding="utf-8")
            _write(folder / part / FILES[part][0], state)
        for part in ("vae", "image_encoder", "scheduler"):
            if not (folder / part).exists():
                shutil.copytree(source / part, folder / part)
        (folder / "about.json").write_text(json.dumps({"note": NOTE}), encoding="utf-8")
    _write(out / "average.safetensors", {name: value.cpu().contiguous() for name, value in average.items()})
    kept = {}
    for (name, parameter), state in zip(names, (optimizer.state.get(p, {}) for _, p in names), strict=True):
        del parameter
        kept |= {f"{key}:{name}": value.detach().cpu().contiguous() for key, value in state.items()}
    _write(out / "optimizer.safetensors", kept)
    (out / "state.json").write_text(json.dumps({"step": step}), encoding="utf-8")  # the last, so that it vouches for the others


def _write(path: Path, state: Mapping[str, Tensor]) -> None:
    """Beside it and renamed, so that a file is there whole or not at all."""
    part = path.with_suffix(".part")
    save_file(dict(state), part)
    part.replace(path)


def _restore(out: Path, names: list, optimizer: torch.optim.Optimizer) -> int:
    kept = load_file(out / "optimizer.safetensors")
    for name, parameter in names:
        state = {key.partition(":")[0]: value for key, value in kept.items() if key.partition(":")[2] == name}
        if state:
            optimizer.state[parameter] = state
    return int(json.loads((out / "state.json").read_text("utf-8"))["step"])


def sample_sheet(loaded: Nets, clip: clips.Clip, of: Lesson, steps: int = 8) -> np.ndarray:
    """What the networks make of a clip now: reference, sketches, truth, result."""
    device = of.target.device
    window = sampler.Window(range(of.target.shape[1]), of.reference, lambda: of.condition)
    settings = sampler.Settings(steps=steps, together=False)
    latents = sampler.sample(loaded, [window], torch.randn(of.target.shape), settings, device)
    made = torch.cat(list(sampler.decode_frames(loaded, latents, 4)))
    frames = (made.permute(0, 2, 3, 1).numpy() * 255.0).astype(np.uint8)
    return clips.sheet([clip.reference[None], np.repeat(clip.sketches[..., None], 3, axis=3), clip.frames, frames])
