"""The slots of a call of LVCD's networks, and how they attend to each other.

A call has T slots: first `references` colored frames, then frames to be painted. In time, each reference is isolated and the others attend
to each other. In space, each slot attends to the tokens of two (Reference Attention), which `first` and `second` name. `patch_attention`
changes diffusers' blocks accordingly. `set_slot_layout` sets the layout of the next calls.
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
SHIFT = 3  # a new frame of a later segment attends to the slot so many places before
ALPHA = 10.0  # the weight of a frame that was painted before, relative to its own noise
EPS = 1e-5  # of the group norms in residual blocks, as the weights were trained; diffusers has 1e-6 in some


@dataclass(frozen=True)
class SlotLayout:
    """The first `references` slots are in color already · slot t attends to the tokens of the slots `first[t]` and `second[t]`. `gain[t]`
    is added to the logits of the second."""

    references: int
    first: tuple[int, ...]
    second: tuple[int, ...]
    gain: tuple[float, ...]

    @property
    def count(self) -> int:
        return len(self.first)

    @functools.cached_property
    def runs(self) -> tuple[range, ...]:
        """Slots that can be computed together: with the same gain, and all attending to one slot or all to two."""
        kinds = [(self.gain[t], self.first[t] == self.second[t]) for t in range(self.count)]
        starts = [t for t in range(self.count) if t == 0 or kinds[t] != kinds[t - 1]]
        return tuple(range(start, stop) for start, stop in zip(starts, [*starts[1:], self.count], strict=True))


def build_plain_layout(count: int = VIDEO, references: int = 0) -> SlotLayout:
    """Each slot attends to itself alone: Stable Video Diffusion, or with `references` LVCD's ablation."""
    own = tuple(range(count))
    return SlotLayout(references, own, own, (0.0,) * count)


def build_first_layout(overlap: int = 0) -> SlotLayout:
    """A first segment, whose frames attend to the reference and to themselves. Without overlap, it is the layout of training."""
    own = tuple(range(VIDEO + 1 + overlap))
    return SlotLayout(overlap + 1, own, tuple(t if t <= overlap else 0 for t in own), (0.0,) * len(own))


def build_later_layout(overlap: int, alpha: float = ALPHA) -> SlotLayout:
    """A later segment: frames that were painted before attend to their earlier result, `alpha` times as much as to themselves, and new
    ones to the reference and to a slot before them."""
    own, twice = range(VIDEO + 1 + overlap), 2 * overlap
    second = tuple(t if t <= overlap else t - overlap if t <= twice else 0 for t in own)
    gain = tuple(math.log(alpha) if overlap < t <= twice else 0.0 for t in own)
    return SlotLayout(overlap + 1, tuple(t if t <= twice else t - SHIFT for t in own), second, gain)


def drop_reference(layout: SlotLayout) -> SlotLayout:
    """The same slots, each of which attends to itself alone."""
    return replace(build_plain_layout(layout.count), references=layout.references)


class LayoutHolder:
    """The current layout of a network's layers."""

    def __init__(self) -> None:
        self.layout = build_first_layout()


def patch_attention(net: Any) -> Any:
    """Make a UNet or ControlNet of `engine.diffusion.networks` work in slots, and return it. The names of its weights do not change."""
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
    """Set the slot layout of these networks' next calls. It must not change before gradients are computed."""
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
    """The position of a slot in the video: 0 for all references."""

    def __init__(self, slots: LayoutHolder, inner: Timesteps) -> None:
        super().__init__()
        self.slots, self.inner = slots, inner

    def forward(self, slot: Tensor) -> Tensor:
        return self.inner((slot - self.slots.layout.references).clamp(min=0))


class VideoConv(nn.Conv3d):
    """A convolution over time (B, C, T, h, w), with zeros on both sides of each reference and of the video."""

    def __init__(self, slots: LayoutHolder, conv: nn.Conv3d) -> None:
        super().__init__(conv.in_channels, conv.out_channels, conv.kernel_size, padding=conv.padding, device="meta")  # pyright: ignore[reportArgumentType]
        self.weight, self.bias = conv.weight, conv.bias
        self.slots = slots

    def forward(self, input: Tensor) -> Tensor:
        references = self.slots.layout.references
        video = super().forward(input[:, :, references:])
        if references == 0:
            return video
        middle = self.weight[:, :, 1:2]  # the other taps would read zeros
        return torch.cat([functional.conv3d(input[:, :, :references], middle, self.bias), video], dim=2)


class VideoAttention:
    """Attention over time (B * pixels, T, C): a reference attends to itself alone, which gives its value, and the video to the video."""

    def __init__(self, slots: LayoutHolder) -> None:
        self.slots = slots

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        references = self.slots.layout.references
        video = hidden_states[:, references:]
        value = attn.to_v(hidden_states)
        query, key, values = (_split_heads(part, attn) for part in (attn.to_q(video), attn.to_k(video), value[:, references:]))
        made = functional.scaled_dot_product_attention(query, key, values).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](torch.cat([value[:, :references], made], dim=1)))


class ReferenceAttention:
    """Attention in space (B * T, tokens, C), of each slot to the tokens of two. The gain of the logits is one row for all queries."""

    def __init__(self, slots: LayoutHolder, gained: bool) -> None:
        self.slots, self.gained = slots, gained

    def __call__(self, attn: Any, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        layout = self.slots.layout
        query, key, value = (
            _split_heads(part(hidden_states), attn).unflatten(0, (-1, layout.count)) for part in (attn.to_q, attn.to_k, attn.to_v)
        )
        made = [self._attend_run(query, key, value, layout, run) for run in layout.runs]
        whole = torch.cat(made, dim=1).flatten(0, 1).transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](whole))

    def _attend_run(self, query: Tensor, key: Tensor, value: Tensor, layout: SlotLayout, run: range) -> Tensor:
        queries = query[:, run.start : run.stop]
        first, second = _index_slots(layout, run, query.device)
        keys, values = key.index_select(1, first), value.index_select(1, first)
        mask, tokens, gain = None, keys.shape[-2], layout.gain[run.start]
        if layout.first[run.start] != layout.second[run.start]:  # attending to one slot twice is the same as once
            keys = torch.cat([keys, key.index_select(1, second)], dim=-2)
            values = torch.cat([values, value.index_select(1, second)], dim=-2)
            if self.gained and gain:
                mask = torch.cat([queries.new_zeros(tokens), queries.new_full((tokens,), gain)]).view(1, 1, 1, -1)
        parts = (part.flatten(0, 1) for part in (queries, keys, values))
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
    """The parameters that LVCD changes in Stable Video Diffusion's UNet: those of its self-attention, in space and time, by name."""
    return ((name, parameter) for name, parameter in net.named_parameters() if ".attn1." in name)
