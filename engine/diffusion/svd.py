"""The two halves of a Stable Video Diffusion UNet, for networks that insert something between them, and its image conditions.

Hidden states are (B * F, C, h, w), sample by sample. `frames` is F. The blocks are diffusers' own.
"""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from diffusers.pipelines.stable_video_diffusion.pipeline_stable_video_diffusion import _resize_with_antialiasing
from torch import Tensor, nn
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

CONTEXT_ORDERS = ("correct", "released")


def embed_time(net: Any, timestep: Tensor, time_ids: Tensor, frames: int, dtype: torch.dtype) -> Tensor:
    """The embedding (B * F, C) of a scalar timestep and of the ids (B, n) that belong to it."""
    batch = len(time_ids)
    time = net.time_embedding(net.time_proj(timestep.reshape(-1).expand(batch)).to(dtype))
    ids = net.add_embedding(net.add_time_proj(time_ids.flatten()).reshape(batch, -1).to(dtype))
    return (time + ids).repeat_interleave(frames, dim=0)


def run_down(net: Any, hidden: Tensor, embedding: Tensor, context: Tensor, frames: int) -> tuple[list[Tensor], Tensor]:
    """Run the down path and the middle block: the skips, input first, and the output of the middle. `context` is (B * F, n, C)."""
    images = hidden.new_zeros(len(hidden) // frames, frames)
    skips = [hidden]
    for block in net.down_blocks:
        crossed = {"encoder_hidden_states": context} if getattr(block, "has_cross_attention", False) else {}
        hidden, made = block(hidden_states=hidden, temb=embedding, image_only_indicator=images, **crossed)
        skips += made
    return skips, net.mid_block(hidden_states=hidden, temb=embedding, encoder_hidden_states=context, image_only_indicator=images)


def run_up(net: Any, hidden: Tensor, skips: Sequence[Tensor], embedding: Tensor, context: Tensor, frames: int) -> Tensor:
    """Run the up path: the output (B * F, out channels, h, w). Heights and widths must be divisible by 2 for each downsampling."""
    images = hidden.new_zeros(len(hidden) // frames, frames)
    left = list(skips)
    for block in net.up_blocks:
        used = len(block.resnets)
        crossed = {"encoder_hidden_states": context} if getattr(block, "has_cross_attention", False) else {}
        hidden = block(
            hidden_states=hidden, temb=embedding, res_hidden_states_tuple=tuple(left[-used:]), image_only_indicator=images, **crossed
        )
        del left[-used:]
    return net.conv_out(net.conv_act(net.conv_norm_out(hidden)))


# --- the order of the temporal context ----------------------------------------------------------------------------


def set_context_order(net: nn.Module, order: str) -> None:
    """Set which sample's image token the temporal cross-attention reads in a batch of several.

    `correct`: each pixel its own sample's. `released`: row r that of sample r mod B, as diffusers did up to 0.27 and the published
    code of that time still does. With one sample both are the same.
    """
    if order not in CONTEXT_ORDERS:
        raise ValueError(f"no context order {order!r}")
    for transformer in net.modules():
        if isinstance(transformer, TransformerSpatioTemporalModel):
            block: Any
            for block in transformer.temporal_transformer_blocks:
                handle = getattr(block, "shiage_order", None)
                if handle is not None:
                    handle.remove()
                block.shiage_order = block.register_forward_pre_hook(_mix_context, with_kwargs=True) if order == "released" else None


def _mix_context(block: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    """Reorder the rows of the context from (sample, pixel) to (pixel, sample)."""
    context, pixels = kwargs["encoder_hidden_states"], args[0].shape[1]
    return args, kwargs | {"encoder_hidden_states": context.unflatten(0, (-1, pixels)).transpose(0, 1).flatten(0, 1)}


class OneTokenAttention:
    """Attention to a single token, whose weight is always 1: its value. No query is computed.

    Exact, and cheaper: nothing depends on the hidden states. `use_one_token` installs it.
    """

    def __call__(self, attn, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None, attention_mask=None, **kwargs) -> Tensor:
        if encoder_hidden_states is None or encoder_hidden_states.shape[1] != 1:
            raise ValueError("this attention reads exactly one token")
        value = attn.to_out[0](attn.to_v(encoder_hidden_states))
        return (value / attn.rescale_output_factor).expand(-1, hidden_states.shape[1], -1)


def use_one_token(net: nn.Module) -> None:
    """Use `OneTokenAttention` in every cross-attention of a Stable Video Diffusion network. For inference."""
    for name, module in net.named_modules():
        if name.endswith(".attn2") and isinstance(module, Attention):
            module.set_processor(OneTokenAttention())  # pyright: ignore[reportArgumentType]  # any callable will do


def use_channels_last(net: nn.Module) -> None:
    """Store the weights of 2-D convolutions in the memory format of tensor cores. For those over frames there is none."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  # an overload that it does not see


# --- image conditions ---------------------------------------------------------------------------------------------


def clip_pixels(images: Tensor, side: int = 224) -> Tensor:
    """The input of CLIP for images (B, 3, H, W) in 0..1: resized with antialiasing, without keeping the aspect ratio, and normalized."""
    small = (_resize_with_antialiasing(images * 2.0 - 1.0, (side, side)) + 1.0) / 2.0
    mean, std = (
        torch.tensor(values, dtype=small.dtype, device=small.device).view(3, 1, 1) for values in (OPENAI_CLIP_MEAN, OPENAI_CLIP_STD)
    )
    return (small - mean) / std


def decode_frames(vae: Any, latents: Tensor) -> Tensor:
    """Decode latents (F, 4, h, w) together: frames (F, 3, 8 h, 8 w) in 0..1, float32 on the CPU."""
    frames = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor, num_frames=len(latents)).sample
    return (frames.float() / 2.0 + 0.5).clamp(0.0, 1.0).cpu()
