"""Diffusion features (DIFT, arXiv 2306.03881): the UNet features of a Stable Diffusion model at each place of a picture.

The defaults are those of the authors for Stable Diffusion 2.1: time 261, the output of the second up block, a mean over 8 noises,
no prompt.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from ..job.errors import BadInput
from . import weights
from .sampling import draw_noise

TIME = 261
BLOCK = 1
NOISES = 8
HELP = "give a folder of a Stable Diffusion model as safetensors, in the layout of diffusers"
FILES = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "text_encoder": "model",
}


class Dift:
    """A Stable Diffusion model that computes UNet features."""

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        """Raises BadInput when the folder holds no such model."""
        configs = {name: weights.read_config(folder / name / "config.json", HELP) for name in FILES}
        self.vae = _load_network(folder, "vae", lambda: AutoencoderKL.from_config(configs["vae"]), torch.float32).to(device)
        self.unet = _load_network(folder, "unet", lambda: UNet2DConditionModel.from_config(configs["unet"]), dtype).to(device)
        text = _load_network(
            folder, "text_encoder", lambda: CLIPTextModel(CLIPTextConfig.from_dict(configs["text_encoder"])), torch.float32
        )
        self.scheduler: Any = DDIMScheduler.from_config(weights.read_config(folder / "scheduler" / "scheduler_config.json", HELP))
        self.device, self.dtype = device, dtype
        self.prompt = _embed_empty_prompt(text, folder / "tokenizer").to(device, dtype)

    @torch.inference_mode()
    def compute_features(self, picture: Tensor, seed: int) -> Tensor:
        """Unit vectors (C, h, w) of a picture (3, H, W) in 0..1, whose sides divide by 64; h and w are smaller by a power of 2."""
        latents = self.vae.encode((picture[None] * 2.0 - 1.0).to(self.device)).latent_dist.mode() * self.vae.config["scaling_factor"]
        time = torch.tensor([TIME], device=self.device)
        found: list[Tensor] = []
        handle = self.unet.up_blocks[BLOCK].register_forward_hook(lambda block, given, made: found.append(made.float()))
        try:
            for number in range(NOISES):
                noisy = self.scheduler.add_noise(latents, draw_noise(tuple(latents.shape), seed + number).to(self.device), time)
                self.unet(noisy.to(self.dtype), time, encoder_hidden_states=self.prompt)
        finally:
            handle.remove()
        return torch.nn.functional.normalize(torch.stack(found).mean(0)[0], dim=0)


def _load_network(folder: Path, name: str, build, dtype: torch.dtype):
    paths = [folder / name / f"{FILES[name]}{kind}.safetensors" for kind in (".fp16", "")]
    path = next((path for path in paths if path.is_file()), paths[-1])
    ignore = ("text_model.embeddings.position_ids",) if name == "text_encoder" else ()
    return weights.load_weights(weights.build_empty(build), path, dtype, ignore=ignore, help=HELP)


@torch.inference_mode()
def _embed_empty_prompt(text: CLIPTextModel, tokens: Path) -> Tensor:
    """The embedding (1, n, C) of the empty prompt."""
    try:
        tokenizer = CLIPTokenizer.from_pretrained(str(tokens), local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise BadInput(f"There is no tokenizer at {tokens} ({error}): {HELP}.") from error
    ids = tokenizer("", padding="max_length", max_length=text.config.max_position_embeddings, return_tensors="pt").input_ids
    return text(ids).last_hidden_state
