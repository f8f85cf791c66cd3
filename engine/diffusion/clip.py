"""The frames of a clip: latents, cached after each call of the networks, and pictures, decoded on demand."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from torch import Tensor

from ..pictures.context import JobContext
from .canvas import to_uint8
from .loaded import LoadedPipeline
from .pipeline import VideoPipeline
from .sampling import DenoisingHooks, DenoisingState

LARGE = 32 << 20  # bytes; larger latents take long to write
PAUSE = 30.0  # seconds between two writes of large latents


@dataclass(frozen=True)
class ClipSpec:
    """What a clip is made from: `fingerprint` of everything that it depends on · `size` (width, height) px of the networks' pictures."""

    fingerprint: str
    size: tuple[int, int]


@dataclass(frozen=True)
class WindowedClip(ClipSpec):
    """A clip of `count` frames that is denoised in overlapping `windows`, each a sequence of frames."""

    count: int
    windows: Sequence[Sequence[int]]


Pipeline = TypeVar("Pipeline", bound=Any)
Spec = TypeVar("Spec", bound=ClipSpec)
Windowed = TypeVar("Windowed", bound=WindowedClip)
Video = TypeVar("Video", bound=VideoPipeline)


def find_largest(clips: Iterable[Windowed]) -> Windowed:
    """The clip whose windows take the most memory. Raises ValueError when there is no clip."""
    return max(clips, key=lambda clip: clip.size[0] * clip.size[1] * len(clip.windows[0]))


class ClipRenderer(Generic[Pipeline, Spec]):
    """The frames of a clip. Nothing is computed before the first frame is requested, and what an earlier run has cached is used."""

    def __init__(self, context: JobContext, load_pipeline: Callable[[], LoadedPipeline[Pipeline]], spec: Spec) -> None:
        """`load_pipeline` is called when the networks are first needed, and returns the same pipeline each time."""
        self.context, self.load_pipeline, self.spec = context, load_pipeline, spec
        self._decoded: dict[int, np.ndarray] = {}

    def render_frame(self, index: int) -> np.ndarray:
        """A frame, uint8 (h, w, 3) of the networks' size. Raises Cancelled, BadInput, JobFailed."""
        if index not in self._decoded:
            loaded = self.load_pipeline()
            with loaded.translate_oom(self.spec.size):
                self._decoded = self._decode_chunk(loaded, index)
        return self._decoded[index]

    def cache_keys(self) -> list[str]:
        """The cache keys of everything that is kept of this clip."""
        raise NotImplementedError

    def _decode_chunk(self, loaded: LoadedPipeline[Pipeline], index: int) -> dict[int, np.ndarray]:
        """A frame and those that are decoded together with it, by index."""
        raise NotImplementedError


class WindowedRenderer(ClipRenderer[Video, Windowed]):
    """The frames of a clip whose windows depend on each other, so that the whole clip is denoised together."""

    CACHE_NAME: ClassVar[str]  # prefix of its cache keys

    def __init__(self, context: JobContext, load_pipeline: Callable[[], LoadedPipeline[Video]], spec: Windowed) -> None:
        super().__init__(context, load_pipeline, spec)
        self._latents: tuple[Tensor, int] | None = None

    def cache_keys(self) -> list[str]:
        return [f"{self.CACHE_NAME}-{self.spec.fingerprint[:24]}"]

    def _encode_conditions(self, pipeline: Video) -> Any:
        """The conditions of all windows of the clip, as the pipeline's `denoise_clip` takes them."""
        raise NotImplementedError

    def _decode_chunk(self, loaded: LoadedPipeline[Video], index: int) -> dict[int, np.ndarray]:
        if self._latents is None:
            self._latents = self._denoise_clip(loaded)
        latents, length = self._latents
        first = index // length * length
        chunk = range(first, min(first + length, self.spec.count))
        self.context.check()
        parts = loaded.pipeline.decode_latents(latents[:, chunk.start : chunk.stop], len(chunk))
        return dict(zip(chunk, (to_uint8(frame.numpy()) for part in parts for frame in part), strict=True))

    def _denoise_clip(self, loaded: LoadedPipeline[Video]) -> tuple[Tensor, int]:
        """The latents (1, N, 4, h, w), and how many of them are decoded together."""
        context, pipeline, (key,) = self.context, loaded.pipeline, self.cache_keys()
        noise = pipeline.draw_noise(self.spec.count, self.spec.size, context.job.seed)
        kept = context.cache.get(key)
        begin = DenoisingState.from_arrays(kept, tuple(noise.shape))
        length = choose_chunk(kept if begin else None, loaded.plan.chunk)
        if begin is not None and begin.step == pipeline.step_count:
            return begin.latents, length
        conditions = self._encode_conditions(pipeline)
        hooks = DenoisingHooks(
            on_call=lambda done, count: context.progress("Denoising", done / count),
            check=context.check,
            keep=self._build_keeper(key, pipeline.step_count, length),
        )
        return pipeline.denoise_clip(conditions, noise, hooks, begin), length

    def _build_keeper(self, key: str, steps: int, length: int) -> Callable[[DenoisingState], None]:
        """A function that caches the state after each call. The large state of a long clip is cached only every PAUSE seconds."""
        last = time.monotonic()

        def keep(state: DenoisingState) -> None:
            nonlocal last
            if state.latents.nbytes < LARGE or state.step == steps or time.monotonic() - last > PAUSE:
                self.context.cache.put(key, {**state.arrays(), "chunk": np.array(length)}, level=0)
                last = time.monotonic()

        return keep


def choose_chunk(kept: Mapping[str, np.ndarray] | None, room: int) -> int:
    """How many frames are decoded together: as many as when the clip was begun, because pixels depend on it, unless there is only `room`
    for fewer."""
    begun = int(kept["chunk"]) if kept is not None and "chunk" in kept else room
    return min(begun, room)
