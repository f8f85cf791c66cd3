"""ToonCrafter's autoencoder: an encoder of single pictures, and a decoder of clips that looks at the pictures of both keys.

Pictures are (N, 3, H, W) in -1..1, clip by clip; H and W divide by 8. The references of a clip are what the encoder made of its two keys
on the way: five tensors (B, C, 2, h, w), from the widest level to the narrowest, then its first layer's.
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

SCALE = 0.18215  # of the latents that are denoised, to those that are decoded
HEADS, WIDTH = 8, 64  # of the attention to the keys

References = Sequence[Tensor]


class ToonCrafterVae(AutoencoderKLTemporalDecoder):
    """The autoencoder; what differs from diffusers' is that it looks at the keys. Frames go one by one through all that does not
    connect them, `step` at a time, which takes less memory and changes nothing."""

    encoder: Any  # whose library's types say less than they have
    decoder: Any
    step = 16
    checkpointing = False

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        widths = self.config["block_out_channels"]
        looks = [KeyAddition(width) if level < 2 else KeyAttention(width) for level, width in enumerate(widths)]
        self.decoder.attn_refinement = nn.ModuleList([*looks, KeyAddition(widths[0])])

    def init_lacking(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What a plain decoder lacks of this one, so that it does nothing yet; nothing, if any of it is there."""
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
        """Mean and logarithm of the variance of the latents (N, 4, h, w), and the five hidden states (N, C, h, w)."""
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
        """Pictures of clips of so many `frames`, of latents (N, 4, h, w) that are not scaled; without references it is colorless at
        both ends. As published, the layer that other autoencoders have before the decoder is left out."""
        decoder = self.decoder
        images = latents.new_zeros(len(latents) // frames, frames)
        middle = decoder.mid_block
        hidden = self._resnet(middle.resnets[0], self._apart(decoder.conv_in, latents), images)
        for attention, resnet in zip(middle.attentions, middle.resnets[1:], strict=True):
            hidden = self._resnet(resnet, self._apart(attention, hidden), images)
        for block, level in zip(decoder.up_blocks, reversed(range(len(decoder.up_blocks))), strict=True):
            for resnet in block.resnets:
                hidden = self._resnet(resnet, hidden, images)
            if references is not None:
                hidden = decoder.attn_refinement[level](hidden, references[level], frames)
            for upsampler in block.upsamplers or ():
                hidden = self._apart(upsampler, hidden)
        hidden = self._apart(lambda part: decoder.conv_act(decoder.conv_norm_out(part)), hidden)
        if references is not None:
            hidden = decoder.attn_refinement[-1](hidden, references[-1], frames)
        made = self._apart(decoder.conv_out, hidden).unflatten(0, (-1, frames)).transpose(1, 2)
        return decoder.time_conv_out(made).transpose(1, 2).flatten(0, 1)

    def enable_gradient_checkpointing(self, gradient_checkpointing_func: Callable | None = None) -> None:
        self.checkpointing = True

    def _resnet(self, block: Any, hidden: Tensor, images: Tensor) -> Tensor:
        """A block that is spatial first, frame by frame, and temporal then; not kept for the gradients if `checkpointing` is set."""
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(self._mixed, block, hidden, images, use_reentrant=False)
        return self._mixed(block, hidden, images)

    def _mixed(self, block: Any, hidden: Tensor, images: Tensor) -> Tensor:
        frames = images.shape[1]
        apart = self._apart(lambda part: block.spatial_res_block(part, None), hidden).unflatten(0, (-1, frames)).transpose(1, 2)
        together = block.temporal_res_block(apart, None)
        share = torch.sigmoid(block.time_mixer.mix_factor).to(together.dtype)
        return torch.lerp(apart, together, share).transpose(1, 2).flatten(0, 1)

    def _apart(self, layer: Callable[[Tensor], Tensor], hidden: Tensor) -> Tensor:
        if len(hidden) <= self.step:
            return layer(hidden)
        return torch.cat([layer(part) for part in hidden.split(self.step)])


def build_references(hidden: Sequence[Tensor]) -> list[Tensor]:
    """The references of one clip, of the encoder's hidden states of its two keys (2, C, h, w)."""
    return [level.transpose(0, 1)[None] for level in hidden]


class KeyAttention(nn.Module):
    """Attention of every frame to the places of both keys."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, HEADS * WIDTH, bias=False) for _ in range(3))
        self.to_out = nn.ModuleList([nn.Linear(HEADS * WIDTH, width)])

    def forward(self, hidden: Tensor, keys: Tensor, frames: int) -> Tensor:
        places = keys.flatten(2).transpose(1, 2)  # (B, 2 h w, C): the first key's, then the last one's
        key, value = self.to_k(places), self.to_v(places)
        seen = []
        for index, frame in enumerate(hidden):  # one at a time: all together take gigabytes at once
            query = split_heads(self.to_q(self.norm(frame[None]).flatten(2).transpose(1, 2)), HEADS)
            clip = slice(index // frames, index // frames + 1)
            attended = self.to_out[0](attend_heads(query, key[clip], value[clip])).transpose(1, 2)
            seen.append(attended.unflatten(2, frame.shape[1:]))
        return hidden + torch.cat(seen)


class KeyAddition(nn.Module):
    """The keys themselves, added to the first and the last frame."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)

    def forward(self, hidden: Tensor, keys: Tensor, frames: int) -> Tensor:
        added = self.conv(keys.transpose(1, 2).flatten(0, 1)).unflatten(0, (-1, 2))
        clips = hidden.unflatten(0, (-1, frames)).clone()
        clips[:, 0] += added[:, 0]
        clips[:, -1] += added[:, 1]
        return clips.flatten(0, 1)
