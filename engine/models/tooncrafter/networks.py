"""ToonCrafter's denoiser and its conditioning networks: the UNet over frames, the projector of image tokens, the sketch encoder.

Latents are (B, F, C, h, w); h and w are divisible by 8. Contexts are (B, 77 + n, C): the tokens of the prompt, then n of the first key.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.controlnets.controlnet import ControlNetModel
from diffusers.models.embeddings import TimestepEmbedding
from diffusers.models.unets.unet_3d_condition import UNet3DConditionModel
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

FRAMES = 16  # of a clip; image tokens are divided among so many
TEXT = 77  # tokens of a prompt
CONTROL = 0.6  # scale of the sketch encoder's residuals, as in the public reconstruction


class ToonCrafterUNet(UNet3DConditionModel):
    """diffusers' UNet over frames, with an embedding of the frames per second, and with attention to text and image tokens."""

    _supports_gradient_checkpointing = True
    _repeated_blocks = ["BasicTransformerBlock", "TemporalConvLayer"]  # what is compiled once for all
    down_blocks: Any  # whose library's types say less than they have
    up_blocks: Any
    conv_norm_out: Any
    conv_act: Any

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        width = self.config["block_out_channels"][0]
        self.fps_embedding = TimestepEmbedding(width, 4 * width)
        self.checkpointing = False
        for attention in self._list_cross_attentions():
            inner, context = attention.to_k.out_features, attention.to_k.in_features
            attention.to_k_ip = nn.Linear(context, inner, bias=False)
            attention.to_v_ip = nn.Linear(context, inner, bias=False)
            attention.set_processor(TextImageAttention())  # pyright: ignore[reportArgumentType]  # any callable will do

    def forward(self, sample: Tensor, timestep: Tensor, fps: Tensor, context: Tensor, residuals: Sequence[Tensor] | None = None) -> Tensor:
        """Predict v (B, F, 4, h, w) for noisy latents and conditions (B, F, 8, h, w), timesteps (B,) and frames per second (B,).

        `residuals` (B * F, C, h, w) are added to each skip, the input's first, and the last of them to the output of the middle.
        """
        batch, frames = sample.shape[:2]
        embedding = self.time_embedding(self.time_proj(timestep).to(sample.dtype))
        embedding = embedding + self.fps_embedding(self.time_proj(fps).to(sample.dtype))
        embedding = embedding.repeat_interleave(frames, dim=0)
        context = divide_context(context, frames)
        hidden = self.conv_in(sample.flatten(0, 1))
        hidden = self.transformer_in(hidden, num_frames=frames, return_dict=False)[0]
        skips = [hidden]
        for block in self.down_blocks:
            hidden, made = self._call_block(block, hidden, embedding, **self._select_context(block, context), num_frames=frames)
            skips += made
        hidden = self._call_block(self.mid_block, hidden, embedding, encoder_hidden_states=context, num_frames=frames)
        if residuals is not None:
            skips = [skip + more for skip, more in zip(skips, residuals[:-1], strict=True)]
            hidden = hidden + residuals[-1]
        for block in self.up_blocks:
            used = len(block.resnets)
            given = self._select_context(block, context)
            hidden = self._call_block(
                block, hidden, temb=embedding, res_hidden_states_tuple=tuple(skips[-used:]), **given, num_frames=frames
            )
            del skips[-used:]
        return self.conv_out(self.conv_act(self.conv_norm_out(hidden))).unflatten(0, (batch, frames))

    def enable_gradient_checkpointing(self, gradient_checkpointing_func: Callable | None = None) -> None:
        self.checkpointing = True

    def _select_context(self, block: nn.Module, context: Tensor) -> dict[str, Tensor]:
        return {"encoder_hidden_states": context} if getattr(block, "has_cross_attention", False) else {}

    def _call_block(self, block: Callable, *given: Any, **named: Any) -> Any:
        """Call a block. With `checkpointing` its intermediate results are not kept for the gradients."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *given, use_reentrant=False, **named)
        return block(*given, **named)

    def _list_cross_attentions(self) -> list[Any]:
        """The cross-attentions, which are the second attentions of the spatial transformers."""
        spatial = [(name, module) for name, module in self.named_modules() if ".attentions." in name]
        return [module for name, module in spatial if name.endswith(".attn2") and isinstance(module, Attention)]


def divide_context(context: Tensor, frames: int) -> Tensor:
    """The context (B * F, n, C) of each frame: the prompt and its own sixteenth of the image tokens, or all of them in clips that do not
    have sixteen frames."""
    text, image = context[:, :TEXT], context[:, TEXT:]
    if image.shape[1] == FRAMES * frames:
        own = image.unflatten(1, (frames, FRAMES)).flatten(0, 1)
    else:
        own = image.repeat_interleave(frames, dim=0)
    return torch.cat([text.repeat_interleave(frames, dim=0), own], dim=1)


class TextImageAttention:
    """Attention to the prompt's tokens plus attention to the image's."""

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, **unused: Any) -> Tensor:
        text, image = encoder_hidden_states[:, :TEXT], encoder_hidden_states[:, TEXT:]
        query = split_heads(attn.to_q(hidden_states), attn.heads)
        attended = attend_heads(query, attn.to_k(text), attn.to_v(text)) + attend_heads(query, attn.to_k_ip(image), attn.to_v_ip(image))
        return attn.to_out[1](attn.to_out[0](attended))


def split_heads(tokens: Tensor, count: int) -> Tensor:
    """(B, n, heads * C) as (B, heads, n, C)."""
    return tokens.unflatten(2, (count, -1)).transpose(1, 2)


def attend_heads(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of queries (B, heads, n, C) to keys and values (B, m, heads * C): (B, n, heads * C)."""
    count = query.shape[1]
    return functional.scaled_dot_product_attention(query, split_heads(key, count), split_heads(value, count)).transpose(1, 2).flatten(2)


# --- the image's tokens -------------------------------------------------------------------------------------------


class ImageProjector(nn.Module):
    """Projects CLIP's tokens of a picture (B, n, C) to tokens of the context, sixteen for each of sixteen frames."""

    def __init__(self, dim: int, depth: int, dim_head: int, heads: int, embedding_dim: int, output_dim: int, ff_mult: int = 4) -> None:
        super().__init__()
        self.latents = nn.Parameter(torch.randn(1, FRAMES * FRAMES, dim) / dim**0.5)
        self.proj_in = nn.Linear(embedding_dim, dim)
        self.proj_out = nn.Linear(dim, output_dim)
        self.norm_out = nn.LayerNorm(output_dim)
        self.layers = nn.ModuleList(
            nn.ModuleList([PerceiverAttention(dim, dim_head, heads), _build_feed_forward(dim, ff_mult)]) for _ in range(depth)
        )

    def forward(self, image_tokens: Tensor) -> Tensor:
        tokens = self.latents.expand(len(image_tokens), -1, -1)
        image_tokens = self.proj_in(image_tokens)
        for attend, feed_forward in self.layers:  # pyright: ignore[reportGeneralTypeIssues]  # lists of two
            tokens = tokens + attend(image_tokens, tokens)
            tokens = tokens + feed_forward(tokens)
        return self.norm_out(self.proj_out(tokens))


class PerceiverAttention(nn.Module):
    """Attention of tokens to the image's tokens and to each other."""

    def __init__(self, dim: int, dim_head: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.to_q = nn.Linear(dim, dim_head * heads, bias=False)
        self.to_kv = nn.Linear(dim, dim_head * heads * 2, bias=False)
        self.to_out = nn.Linear(dim_head * heads, dim, bias=False)

    def forward(self, image_tokens: Tensor, tokens: Tensor) -> Tensor:
        image_tokens, tokens = self.norm1(image_tokens), self.norm2(tokens)
        key, value = self.to_kv(torch.cat([image_tokens, tokens], dim=1)).chunk(2, dim=2)
        return self.to_out(attend_heads(split_heads(self.to_q(tokens), self.heads), key, value))


def _build_feed_forward(dim: int, factor: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, dim * factor, bias=False), nn.GELU(), nn.Linear(dim * factor, dim, bias=False))


# --- sketches -----------------------------------------------------------------------------------------------------


class SketchEncoder(ControlNetModel):
    """A ControlNet of Stable Diffusion 2.1 that reads sketches of one channel, frame by frame."""

    def compute_residuals(self, noisy: Tensor, timestep: Tensor, context: Tensor, sketches: Tensor, scale: float = CONTROL) -> list[Tensor]:
        """The residuals for the UNet's skips and middle block, (B * F, C, h, w) each.

        `noisy` (B, F, 4, h, w) · `context` (B, n, C), read whole by every frame · `sketches` (B, F, 1, 8 h, 8 w), 1 on
        lines and 0 elsewhere: a frame without a sketch is all 0.
        """
        frames = noisy.shape[1]
        skips, middle = self(
            noisy.flatten(0, 1),
            timestep.repeat_interleave(frames, dim=0),
            context.repeat_interleave(frames, dim=0),
            sketches.flatten(0, 1),
            conditioning_scale=1.0,
            return_dict=False,
        )
        return [scale * made for made in (*skips, middle)]
