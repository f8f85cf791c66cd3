"""ToonCrafter's autoencoder: an encoder of single pictures, and a decoder of clips that attends to both keys.

Pictures are (N, 3, H, W) in -1..1, clip by clip; H and W are divisible by 8. The references of a clip are the encoder's hidden states of
its two keys: five tensors (B, C, 2, h, w), from the largest level to the smallest, then that of the first layer.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_temporal_decoder import AutoencoderKLTemporalDecoder
from diffusers.models.resnet import SpatioTemporalResBlock
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .networks import attend_heads, split_heads

SCALE = 0.18215  # of the denoised latents, relative to those that are decoded
HEADS, WIDTH = 8, 64  # of the attention to the keys

References = Sequence[Tensor]


class ToonCrafterVae(AutoencoderKLTemporalDecoder):
    """The autoencoder. It differs from diffusers' in that the decoder attends to the keys. Layers that do not connect frames process
    `step` frames at a time, which takes less memory and does not change the result."""

    encoder: Any  # whose library's types say less than they have
    decoder: Any
    step = 16
    checkpointing = False

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        widths = self.config["block_out_channels"]
        refinements = [KeyAddition(width) if level < 2 else KeyAttention(width) for level, width in enumerate(widths)]
        self.decoder.attn_refinement = nn.ModuleList([*refinements, KeyAddition(widths[0])])

    def init_lacking(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Initial weights that a plain decoder lacks, which do nothing yet. Empty if `state` has any of them."""
        new = re.compile(r"decoder\.(attn_refinement|time_conv_out)\..*|.*\.(temporal_res_block|time_mixer)\..*")
        if any(new.fullmatch(name) for name in state):
            return {}
        blocks = [block for block in self.decoder.modules() if isinstance(block, SpatioTemporalResBlock)]
        refinements = list(self.decoder.attn_refinement)
        last: list[Any] = [block.temporal_res_block.conv2 for block in blocks]
        last += [refinement.to_out[0] if isinstance(refinement, KeyAttention) else refinement.conv for refinement in refinements]
        with torch.no_grad():
            for layer in (*last, self.decoder.time_conv_out):
                layer.weight.zero_()
                layer.bias.zero_()
            nn.init.dirac_(self.decoder.time_conv_out.weight)
        return {name: tensor for name, tensor in self.state_dict().items() if new.fullmatch(name)}

    def encode_keys(self, pictures: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The mean and log variance of the latents (N, 4, h, w), and the five hidden states (N, C, h, w)."""
        encoder = self.encoder
        hidden = first = encoder.conv_in(pictures)
        levels = []
        for block in encoder.down_blocks:
            for resnet in block.resnets:
                hidden = resnet(hidden, None)
            levels.append(hidden)
            for downsampler in block.downsamplers or ():
                hidden = downsampler(hidden)
        hidden = encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(encoder.mid_block(hidden))))
        mean, variance = self.quant_conv(hidden).chunk(2, dim=1)
        return mean, variance.clamp(-30.0, 20.0), [*levels, first]

    def decode_clip(self, latents: Tensor, references: References | None, frames: int) -> Tensor:
        """Decode clips of `frames` frames from latents (N, 4, h, w) that are not scaled. Without references both ends are colorless. As
        published, the layer that other autoencoders have before the decoder is left out."""
        decoder = self.decoder
        images = latents.new_zeros(len(latents) // frames, frames)
        middle = decoder.mid_block
        hidden = self._run_resnet(middle.resnets[0], self._run_in_steps(decoder.conv_in, latents), images)
        for attention, resnet in zip(middle.attentions, middle.resnets[1:], strict=True):
            hidden = self._run_resnet(resnet, self._run_in_steps(attention, hidden), images)
        for block, level in zip(decoder.up_blocks, reversed(range(len(decoder.up_blocks))), strict=True):
            for resnet in block.resnets:
                hidden = self._run_resnet(resnet, hidden, images)
            if references is not None:
                hidden = decoder.attn_refinement[level](hidden, references[level], frames)
            for upsampler in block.upsamplers or ():
                hidden = self._run_in_steps(upsampler, hidden)
        hidden = self._run_in_steps(lambda part: decoder.conv_act(decoder.conv_norm_out(part)), hidden)
        if references is not None:
            hidden = decoder.attn_refinement[-1](hidden, references[-1], frames)
        made = self._run_in_steps(decoder.conv_out, hidden).unflatten(0, (-1, frames)).transpose(1, 2)
        return decoder.time_conv_out(made).transpose(1, 2).flatten(0, 1)

    def enable_gradient_checkpointing(self, gradient_checkpointing_func: Callable | None = None) -> None:
        self.checkpointing = True

    def _run_resnet(self, block: Any, hidden: Tensor, images: Tensor) -> Tensor:
        """Run a block that is spatial first and then temporal. With `checkpointing` its results are not kept for the gradients."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(self._run_mixed, block, hidden, images, use_reentrant=False)
        return self._run_mixed(block, hidden, images)

    def _run_mixed(self, block: Any, hidden: Tensor, images: Tensor) -> Tensor:
        frames = images.shape[1]
        apart = self._run_in_steps(lambda part: block.spatial_res_block(part, None), hidden).unflatten(0, (-1, frames)).transpose(1, 2)
        together = block.temporal_res_block(apart, None)
        share = torch.sigmoid(block.time_mixer.mix_factor).to(together.dtype)
        return torch.lerp(apart, together, share).transpose(1, 2).flatten(0, 1)

    def _run_in_steps(self, layer: Callable[[Tensor], Tensor], hidden: Tensor) -> Tensor:
        if len(hidden) <= self.step:
            return layer(hidden)
        return torch.cat([layer(part) for part in hidden.split(self.step)])


def build_references(hidden: Sequence[Tensor]) -> list[Tensor]:
    """The references of one clip, from the encoder's hidden states of its two keys (2, C, h, w)."""
    return [level.transpose(0, 1)[None] for level in hidden]


class KeyAttention(nn.Module):
    """Attention of every frame to all places of both keys."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, HEADS * WIDTH, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(HEADS * WIDTH, width)])

    def forward(self, hidden: Tensor, keys: Tensor, frames: int) -> Tensor:
        places = keys.flatten(2).transpose(1, 2)  # (B, 2 h w, C): the first key's, then the last one's
        key, value = self.to_k(places), self.to_v(places)
        outputs = []
        for index, frame in enumerate(hidden):  # one at a time: all together take gigabytes
            query = split_heads(self.to_q(self.norm(frame[None]).flatten(2).transpose(1, 2)), HEADS)
            clip = slice(index // frames, index // frames + 1)
            attended = self.to_out[0](attend_heads(query, key[clip], value[clip])).transpose(1, 2)
            outputs.append(attended.unflatten(2, frame.shape[1:]))
        return hidden + torch.cat(outputs)


class KeyAddition(nn.Module):
    """Adds the keys themselves to the first and the last frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)

    def forward(self, hidden: Tensor, keys: Tensor, frames: int) -> Tensor:
        added = self.conv(keys.transpose(1, 2).flatten(0, 1)).unflatten(0, (-1, 2))
        clips = hidden.unflatten(0, (-1, frames)).clone()
        clips[:, 0] += added[:, 0]
        clips[:, -1] += added[:, 1]
        return clips.flatten(0, 1)
