"""The slots of a call of LVCD's networks, and how they look at each other.

A call has T slots: first `references` colored frames, then frames to be painted. In time, a reference is by itself and the others see each
other; in space, each slot attends to the tokens of two (Reference Attention), which `first` and `second` name. `patch_attention`
teaches diffusers' blocks to do so; `set_slot_layout` says which layout the next calls have.
"""

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import Timesteps
from diffusers.models.resnet import SpatioTemporalResBlock, TemporalResnetBlock
from diffusers.models.transformers.transformer_temporal import TransformerSpatioTemporalModel
from torch import Tensor, nn
from torch.nn import functional

VIDEO = 14  # slots to be painted
SHIFT = 3  # slots back, where a new frame of a later segment looks
ALPHA = 10.0  # how much more a frame that was painted before counts than its own noise
EPS = 1e-5  # of the group norms in residual blocks, as the weights were trained; diffusers has 1e-6 in some


@dataclass(frozen=True)
class SlotLayout:
    """`references` slots are colored already · slot t attends to the tokens of the slots `first[t]` and `second[t]`, whose logits `gain[t]`
    is added to."""

    references: int
    first: tuple[int, ...]
    second: tuple[int, ...]
    gain: tuple[float, ...]

    @property
    def count(self) -> int:
        return len(self.first)

    @functools.cached_property
    def runs(self) -> tuple[range, ...]:
        """Slots that can be computed together: the same gain, and alone or not."""
        kinds = [(self.gain[t], self.first[t] == self.second[t]) for t in range(self.count)]
        starts = [t for t in range(self.count) if t == 0 or kinds[t] != kinds[t - 1]]
        return tuple(range(start, stop) for start, stop in zip(starts, [*starts[1:], self.count], strict=True))


def build_plain_layout(count: int = VIDEO, references: int = 0) -> SlotLayout:
    """Each slot attends to itself alone: Stable Video Diffusion without, LVCD's ablation with `references`."""
    own = tuple(range(count))
    return SlotLayout(references, own, own, (0.0,) * count)


def build_first_layout(overlap: int = 0) -> SlotLayout:
    """A first segment, whose frames look at the reference and at themselves; with no overlap, as in training."""
    own = tuple(range(VIDEO + 1 + overlap))
    return SlotLayout(overlap + 1, own, tuple(t if t <= overlap else 0 for t in own), (0.0,) * len(own))


def build_later_layout(overlap: int, alpha: float = ALPHA) -> SlotLayout:
    """A later segment: frames that were painted before look at what they became, `alpha` times as much as at themselves, and new ones at
    the reference and at a slot before them."""
    own, twice = range(VIDEO + 1 + overlap), 2 * overlap
    second = tuple(t if t <= overlap else t - overlap if t <= twice else 0 for t in own)
    gain = tuple(math.log(alpha) if overlap < t <= twice else 0.0 for t in own)
    return SlotLayout(overlap + 1, tuple(t if t <= twice else t - SHIFT for t in own), second, gain)


def drop_reference(layout: SlotLayout) -> SlotLayout:
    """The same slots, each of which attends to itself alone."""
    return replace(build_plain_layout(layout.count), references=layout.references)


class LayoutHolder:
    """The layout that a network's layers have at present."""

    def __init__(self) -> None:
        self.layout = build_first_layout()


def patch_attention(net: Any) -> Any:
    """Let a UNet or ControlNet of `engine.diffusion.networks` work in slots; returns it. Names of its weights stay as they are."""
    net.slots = LayoutHolder()
    blocks = [*net.down_blocks, net.mid_block, *getattr(net, "up_blocks", ())]
    for block in blocks:
        gained = not (hasattr(net, "up_blocks") and block is net.up_blocks[-1])  # the released code leaves the uppermost layers out
        for module in list(block.modules()):
            if isinstance(module, TransformerSpatioTemporalModel):
                _patch_transformer(module, net.slots, gained)
            elif isinstance(module, TemporalResnetBlock):
                module.conv1, module.conv2 = VideoConv(net.slots, module.conv1), VideoConv(net.slots, module.conv2)
            elif isinstance(module, SpatioTemporalResBlock):
                _set_eps(module)
    return net


def set_slot_layout(layout: SlotLayout, *nets: Any) -> None:
    """Say how the slots of these networks' next calls look at each other. A layout must stay until gradients are computed."""
    for net in nets:
        net.slots.layout = layout


def _patch_transformer(transformer: Any, slots: LayoutHolder, gained: bool) -> None:
    transformer.time_proj = SlotPositions(slots, transformer.time_proj)
    for spatial, temporal in zip(transformer.transformer_blocks, transformer.temporal_transformer_blocks, strict=True):
        spatial.attn1.set_processor(ReferenceAttention(slots, gained))
        temporal.attn1.set_processor(VideoAttention(slots))


def _set_eps(block: SpatioTemporalResBlock) -> None:
    for part in (block.spatial_res_block, block.temporal_res_block):
        part.norm1.eps = part.norm2.eps = EPS


# --- layers -------------------------------------------------------------------------------------------------------


class SlotPositions(nn.Module):
    """The place of a slot in the video: 0 for all that are references."""

    def __init__(self, slots: LayoutHolder, inner: Timesteps) -> None:
        super().__init__()
        self.slots, self.inner = slots, inner

    def forward(self, slot: Tensor) -> Tensor:
        return self.inner((slot - self.slots.layout.references).clamp(min=0))


class VideoConv(nn.Conv3d):
    """A convolution over time (B, C, T, h, w) that has zeros on both sides of each reference, and of the video."""

    def __init__(self, slots: LayoutHolder, of: nn.Conv3d) -> None:
        super().__init__(of.in_channels, of.out_channels, of.kernel_size, padding=of.padding, device="meta")  # pyright: ignore[reportArgumentType]
        self.weight, self.bias = of.weight, of.bias
        self.slots = slots

    def forward(self, input: Tensor) -> Tensor:
        references = self.slots.layout.references
        video = super().forward(input[:, :, references:])
        if references == 0:
            return video
        middle = self.weight[:, :, 1:2]  # what the others would see is zero
        return torch.cat([functional.conv3d(input[:, :, :references], middle, self.bias), video], dim=2)


class VideoAttention:
    """Attention over time (B * pixels, T, C): a reference hears itself alone, which is its value, and the video hears the video."""

    def __init__(self, slots: LayoutHolder) -> None:
        self.slots = slots

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        references = self.slots.layout.references
        video = hidden_states[:, references:]
        value = attn.to_v(hidden_states)
        query, key, heard = (_split_heads(part, attn) for part in (attn.to_q(video), attn.to_k(video), value[:, references:]))
        made = functional.scaled_dot_product_attention(query, key, heard).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](torch.cat([value[:, :references], made], dim=1)))


class ReferenceAttention:
    """Attention in space (B * T, tokens, C), of each slot to the tokens of two. The logits' gain is one row for all queries."""

    def __init__(self, slots: LayoutHolder, gained: bool) -> None:
        self.slots, self.gained = slots, gained

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        layout = self.slots.layout
        query, key, value = (
            _split_heads(part(hidden_states), attn).unflatten(0, (-1, layout.count)) for part in (attn.to_q, attn.to_k, attn.to_v)
        )
        made = [self._attend(query, key, value, layout, run) for run in layout.runs]
        whole = torch.cat(made, dim=1).flatten(0, 1).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](whole))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, layout: SlotLayout, run: range) -> Tensor:
        asking = query[:, run.start : run.stop]
        first, second = _index_slots(layout, run, query.device)
        keys, values = key.index_select(1, first), value.index_select(1, first)
        mask, tokens, gain = None, keys.shape[-2], layout.gain[run.start]
        if layout.first[run.start] != layout.second[run.start]:  # twice itself is itself
            keys = torch.cat([keys, key.index_select(1, second)], dim=-2)
            values = torch.cat([values, value.index_select(1, second)], dim=-2)
            if self.gained and gain:
                mask = torch.cat([asking.new_zeros(tokens), asking.new_full((tokens,), gain)]).view(1, 1, 1, -1)
        parts = (part.flatten(0, 1) for part in (asking, keys, values))
        return functional.scaled_dot_product_attention(*parts, attn_mask=mask).unflatten(0, (len(query), -1))


def _split_heads(tokens: Tensor, attn: Attention) -> Tensor:
    """(B, n, C) as (B, heads, n, C / heads)."""
    return tokens.unflatten(2, (attn.heads, -1)).transpose(1, 2)


@functools.lru_cache(maxsize=64)
def _index_slots(layout: SlotLayout, run: range, device: torch.device) -> tuple[Tensor, Tensor]:
    with torch.inference_mode(False):  # so that gradients can use them as well
        first, second = (torch.tensor(table[run.start : run.stop], device=device) for table in (layout.first, layout.second))
    return first, second


def list_self_attention(net: Any) -> Iterator[tuple[str, nn.Parameter]]:
    """What LVCD changes in Stable Video Diffusion's UNet: the parameters of its self-attention, in space and time, by name."""
    return ((name, parameter) for name, parameter in net.named_parameters() if ".attn1." in name)
