"""Attention that is computed at some steps and reused at those between, after pyramid attention broadcast (arXiv 2408.12588).

In the middle of denoising the output of self-attention hardly changes from step to step.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

MIDDLE = (0.15, 0.85)  # the part of the steps in which outputs are reused


class AttentionReuse:
    """Decides whether the current call computes its attention, keeps it too, or reuses what an earlier call with the same `slot` kept."""

    def __init__(self, every: int) -> None:
        self.every = every
        self.kept: dict[tuple[Hashable, int], Tensor] = {}
        self.slot: Hashable = None
        self.again = self.keeping = False

    def begin_step(self, step: int, count: int, slot: Hashable) -> None:
        """Announce that the next call is of `step` of `count`. `slot` distinguishes the calls of one step, which must not share
        attention."""
        low, high = (round(share * count) for share in MIDDLE)
        self.slot, self.keeping = slot, self.every > 1 and low <= step < high
        self.again = self.keeping and (step - low) % self.every > 0


class ReusedAttention:
    """An attention processor that is controlled by an `AttentionReuse`."""

    def __init__(self, inner: Any, reuse: AttentionReuse) -> None:
        self.inner, self.reuse = inner, reuse

    def __call__(self, attn: nn.Module, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        place = (self.reuse.slot, id(attn))
        if self.reuse.again and place in self.reuse.kept:
            return self.reuse.kept[place]
        made = self.inner(attn, hidden_states, *args, **kwargs)
        if self.reuse.keeping:
            self.reuse.kept[place] = made
        return made


@contextmanager
def reuse_attention(every: int, *nets: nn.Module) -> Iterator[AttentionReuse]:
    """Let the yielded `AttentionReuse` control the self-attention of networks until the end of the block. With `every` 1 nothing
    changes."""
    reuse = AttentionReuse(every)
    layers: list[Any] = [
        layer
        for net in nets
        for name, layer in net.named_modules()
        if every > 1 and name.endswith(".attn1") and isinstance(layer, Attention)
    ]
    before = [layer.processor for layer in layers]
    try:
        for layer in layers:
            layer.set_processor(ReusedAttention(layer.processor, reuse))
        yield reuse
    finally:
        for layer, processor in zip(layers, before, strict=True):
            layer.set_processor(processor)
