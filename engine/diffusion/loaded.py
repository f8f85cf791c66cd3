"""A model's pipeline on its device: placed by the free memory, with advice for the user when that is not enough."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import nn

from ..job.errors import JobFailed
from . import memory
from .memory import MemoryNeeds, MemoryPlan, Placement

Pipeline = TypeVar("Pipeline")


@dataclass(frozen=True)
class LoadedPipeline(Generic[Pipeline]):
    """`pipeline` whose networks are placed by `placement` · `plan` of the memory, for windows of `frames` · `batched_cfg` whether both
    halves of classifier-free guidance are one batch · `advice` what else helps when memory is not enough, as " or …"."""

    pipeline: Pipeline
    plan: MemoryPlan
    placement: Placement
    batched_cfg: bool
    frames: int
    advice: str = ""

    @contextmanager
    def translate_oom(self, size: tuple[int, int]) -> Iterator[None]:
        """Turn out-of-memory errors inside into advice for the user, for frames of `size` (width, height) px. Raises JobFailed."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not memory.is_out_of_memory(error):
                raise
            if self.placement.device.type == "cuda" and self.plan.mode != memory.GROUPS:
                text = "The card's memory did not suffice: set Memory to Groups, or close other programs that use the card."
            else:
                smaller = max(64, max(size) // 2 // 64 * 64)
                text = f"The memory did not suffice for {self.frames} drawings of {size[0]} x {size[1]} px at once: "
                text += f"set Longer Side to {smaller}{self.advice}."
            raise JobFailed(text) from error


def place_networks(
    build: Callable[[Placement, bool], Pipeline],
    estimate: Callable[[int], MemoryNeeds],
    choose_modes: Callable[[str], Mapping[nn.Module, str]],
    device: torch.device,
    wanted: str,
    frames: int,
    batched_cfg: bool | None = None,
    chunks: range = range(1, 9),
    advice: str = "",
) -> LoadedPipeline[Pipeline]:
    """Build a pipeline for windows of `frames`, in the fastest memory mode that fits into the device's free memory.

    `estimate` returns the needs of a job for 1 or 2 halves of the guidance at once: both are one batch if there is room for that, unless
    `batched_cfg` decides it · `wanted` is the option Memory: `auto` or a mode · `choose_modes` returns the mode of each network for a mode
    · `build` makes the pipeline from a placement and `batched_cfg` · `chunks` how many frames may be decoded at once. Raises JobFailed,
    saying what is needed, when there is no room.
    """
    free = memory.count_free_bytes(device)
    if batched_cfg is None:
        batched_cfg = memory.count_bytes(estimate(2), memory.WHOLE if wanted == "auto" else wanted, chunks[0]) <= free
    plan = memory.plan_memory(estimate(2 if batched_cfg else 1), free, wanted, chunks[-1], chunks[0])
    placement = Placement(device, choose_modes(plan.mode))
    return LoadedPipeline(build(placement, batched_cfg), plan, placement, batched_cfg, frames, advice)
