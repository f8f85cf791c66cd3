"""The networks of Animate Anyone, built on diffusers: how the denoising UNet differs, and how the reference is read.

All latents are (B, 4, F, h, w). The reference goes through a UNet of its own once. The inputs of its self-attentions are kept and projected
to keys and values by the same attention of the denoising UNet, which appends them to its own in every frame and step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.controlnets.controlnet import ControlNetConditioningEmbedding
from diffusers.models.embeddings import SinusoidalPositionalEmbedding
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D, UNetMotionModel
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

UNET = {
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
    "block_out_channels": [320, 640, 1280, 1280],
    "layers_per_block": 2,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
WIDTHS = (16, 32, 96, 256)  # of the pose guider

Features = Mapping[str, Tensor]  # (R, n, C) by the name of a self-attention


@dataclass(frozen=True)
class ReferenceReading:
    """`keys` key and value (R, n, C) of the reference, by the name of a self-attention. Only the last R samples of a batch read them. Each
    sample has `frames` frames."""

    keys: Mapping[str, tuple[Tensor, Tensor]]
    frames: int


class DenoisingUNet(UNetMotionModel):
    """The denoising UNet: poses are added to its first layer, and its spatial self-attention reads the reference."""

    def forward(
        self, sample: Tensor, timestep: Tensor, token: Tensor, poses: Tensor | None = None, keys: Mapping[str, tuple[Tensor, Tensor]] = {}
    ) -> Tensor:
        """The prediction (B, 4, F, h, w). `timestep` a scalar, or (B,) · `token` (B, 1, C) of the image encoder · `poses` features
        (B or 1, C, F, h, w) of the pose guider · `keys` as in `ReferenceReading`; empty to read no reference."""
        batch, frames = sample.shape[0], sample.shape[2]
        time = self.time_proj(timestep.reshape(-1).expand(batch)).to(sample.dtype)
        common: dict[str, Any] = {
            "temb": self.time_embedding(time).repeat_interleave(frames, dim=0),
            "num_frames": frames,
        }
        crossed: dict[str, Any] = {
            "encoder_hidden_states": token.repeat_interleave(frames, dim=0),
            "cross_attention_kwargs": {"reading": ReferenceReading(keys, frames)},
        }
        hidden = self.conv_in(sample.transpose(1, 2).flatten(0, 1))
        if poses is not None:
            hidden = hidden + poses.transpose(1, 2).expand(batch, -1, -1, -1, -1).flatten(0, 1)
        skips = [hidden]
        for block in self.down_blocks:
            hidden, made = block(hidden_states=hidden, **common, **(crossed if _has_cross_attention(block) else {}))
            skips += made
        hidden = self.mid_block(hidden, **common, **crossed)  # pyright: ignore[reportOptionalCall]
        for block in self.up_blocks:
            used = len(block.resnets)  # type: ignore[arg-type]
            taken = tuple(skips[-used:])
            del skips[-used:]
            size = skips[-1].shape[2:] if skips else None  # for odd sizes, which doubling does not restore
            more = crossed if _has_cross_attention(block) else {}
            hidden = block(hidden_states=hidden, res_hidden_states_tuple=taken, upsample_size=size, **common, **more)
        hidden = self.conv_out(self.conv_act(self.conv_norm_out(hidden)))  # type: ignore[misc]
        return hidden.unflatten(0, (batch, frames)).transpose(1, 2)


class FrameNorm(nn.GroupNorm):
    """The group norm of a motion module, over each frame separately. Diffusers' own is over all frames, which is a different network."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, F, h, w) to the same."""
        alone = super().forward(input.transpose(1, 2).flatten(0, 1))
        return alone.unflatten(0, (input.shape[0], -1)).transpose(1, 2)


class MotionModule(AnimateDiffTransformer3D):
    """A motion module with gradient checkpointing, which diffusers' blocks lack."""

    gradient_checkpointing = False
    _gradient_checkpointing_func: Any  # diffusers sets it together with the flag

    def forward(self, hidden_states: Tensor, *given: Any, **named: Any) -> Tensor:
        if not (self.gradient_checkpointing and torch.is_grad_enabled()):
            return super().forward(hidden_states, *given, **named)
        return self._gradient_checkpointing_func(lambda hidden: super(MotionModule, self).forward(hidden, *given, **named), hidden_states)


class IdentityMotion(nn.Module):
    """Replaces a motion module when frames are independent of each other."""

    def forward(self, hidden_states: Tensor, *given: Any, **named: Any) -> Tensor:
        return hidden_states


def build_denoising(config: Mapping[str, Any], motion: bool = True) -> DenoisingUNet:
    """Build the denoising UNet from a configuration of Stable Diffusion's UNet. Without motion modules it paints single frames."""
    unet: Any = DenoisingUNet(
        block_out_channels=tuple(config["block_out_channels"]),
        layers_per_block=config["layers_per_block"],
        cross_attention_dim=config["cross_attention_dim"],
        norm_num_groups=config.get("norm_num_groups", 32),
        num_attention_heads=config["attention_head_dim"],  # a name that diffusers gave it by mistake
    )
    for block in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
        if not motion:
            block.motion_modules = nn.ModuleList(IdentityMotion() for _ in block.motion_modules)
    for module in list(unet.modules()):
        if isinstance(module, AnimateDiffTransformer3D):
            module.__class__, norm = MotionModule, module.norm  # the blocks build their own
            module.norm = FrameNorm(norm.num_groups, norm.num_channels, norm.eps)
        elif isinstance(module, SinusoidalPositionalEmbedding):
            module.register_buffer("pe", cast(Tensor, module.pe), persistent=False)  # a constant; files may have copies of it
    for name, layer in _find_attentions(unet).items():
        layer.set_processor(ReadingAttention(name) if name.endswith(".attn1") else TokenAttention())  # pyright: ignore[reportArgumentType]  # any callable
    return unet


def build_reference(config: Mapping[str, Any]) -> Any:
    """Build the reference's UNet, without the output layers, which are not used."""
    unet: Any = UNet2DConditionModel.from_config({name: value for name, value in config.items() if not name.startswith("_")})
    unet.conv_norm_out, unet.conv_out = None, nn.Identity()
    for name, layer in _find_attentions(unet).items():
        layer.set_processor(WritingAttention(name) if name.endswith(".attn1") else TokenAttention())
    return unet


def collect_features(reference: Any, latent: Tensor, token: Tensor) -> dict[str, Tensor]:
    """The inputs of the self-attentions of the reference's UNet for latents (R, 4, h, w) and tokens (R, 1, C)."""
    written: dict[str, Tensor] = {}
    reference(latent, torch.zeros((), device=latent.device), token, cross_attention_kwargs={"written": written})
    return written


def project_keys(unet: DenoisingUNet, written: Features, half: bool = False) -> dict[str, tuple[Tensor, Tensor]]:
    """Project them to keys and values of the denoising UNet, which are the same for every frame and step. With `half` they are rounded to
    half precision first, as in the published pipeline."""
    found = {}
    for name, layer in _find_attentions(unet).items():
        if name.endswith(".attn1"):
            given = written[name].half().to(layer.to_k.weight.dtype) if half else written[name]
            found[name] = (layer.to_k(given), layer.to_v(given))
    return found


# --- the set -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class AnimateAnyoneNetworks:
    """The set of networks. `note` is a text for the user from the folder of the weights."""

    denoising_unet: DenoisingUNet
    reference_unet: Any  # their libraries' types say less than they have
    pose_guider: Any
    vae: Any
    image_encoder: Any
    note: str = ""

    @property
    def dtype(self) -> torch.dtype:
        return self.denoising_unet.dtype

    @property
    def all(self) -> tuple[nn.Module, ...]:
        return self.denoising_unet, self.reference_unet, self.pose_guider, self.vae, self.image_encoder


def build_guider(config: Mapping[str, Any]) -> Any:
    """Build the network that embeds pictures of poses for the denoising UNet's first layer."""
    return ControlNetConditioningEmbedding(config["conditioning_embedding_channels"], 3, tuple(config["block_out_channels"]))


def build_vae(config: Mapping[str, Any]) -> Any:
    """Build the autoencoder of single pictures."""
    return AutoencoderKL.from_config({name: value for name, value in config.items() if not name.startswith("_")})


def build_image_encoder(config: Mapping[str, Any]) -> Any:
    """Build CLIP's image encoder, with its projection."""
    return CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(dict(config)))


def build_guider_config(unet: Mapping[str, Any]) -> dict[str, Any]:
    """The pose guider's configuration that fits a UNet's."""
    return {"conditioning_embedding_channels": unet["block_out_channels"][0], "block_out_channels": WIDTHS}


# --- attention ----------------------------------------------------------------------------------------------------


class ReadingAttention:
    """Self-attention to the samples' own tokens and, for samples that read the reference, to its tokens too."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Any = None, attention_mask: Any = None, reading: Any = None
    ) -> Tensor:
        query, key, value = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        if reading is None or self.name not in reading.keys:
            return attn.to_out[0](_attend_heads(attn.heads, query, key, value))
        more = [part.repeat_interleave(reading.frames, dim=0) for part in reading.keys[self.name]]
        alone = len(query) - len(more[0])
        made = [_attend_heads(attn.heads, query[:alone], key[:alone], value[:alone])] if alone else []
        both = (torch.cat([own[alone:], its], dim=1) for own, its in zip((key, value), more, strict=True))
        made.append(_attend_heads(attn.heads, query[alone:], *both))
        return attn.to_out[0](torch.cat(made))


class WritingAttention:
    """Plain self-attention that stores its input."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Any = None, attention_mask: Any = None, written: Any = None
    ) -> Tensor:
        written[self.name] = hidden_states
        parts = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        return attn.to_out[0](_attend_heads(attn.heads, *parts))


class TokenAttention:
    """Attention to the single token of the image encoder, whose weight is always 1: its value. No query is computed. Exact."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Any = None,
        attention_mask: Any = None,
        reading: Any = None,
        written: Any = None,
    ) -> Tensor:
        if encoder_hidden_states.shape[1] != 1:
            raise ValueError("this attention reads exactly one token")
        return attn.to_out[0](attn.to_v(encoder_hidden_states)).expand(-1, hidden_states.shape[1], -1)


def _attend_heads(heads: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(B, n, C), (B, m, C), (B, m, C) to (B, n, C)."""
    q, k, v = (part.unflatten(2, (heads, -1)).transpose(1, 2) for part in (query, key, value))
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


def _find_attentions(net: nn.Module) -> dict[str, Any]:
    """The spatial attentions of a UNet by name, `attn1` to its own tokens and `attn2` to the image's, without those over frames."""
    layers = {name: module for name, module in net.named_modules() if isinstance(module, Attention)}
    return {name: layer for name, layer in layers.items() if "motion_modules" not in name}


def _has_cross_attention(block: Any) -> bool:
    return getattr(block, "has_cross_attention", False)
