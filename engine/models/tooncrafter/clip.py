"""The clips that ToonCrafter renders for a cel: latents, cached after each step, and those frames that become drawings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from ...diffusion.clip import ClipRenderer, ClipSpec
from ...diffusion.loaded import LoadedPipeline
from ...diffusion.sampling import DenoisingHooks, DenoisingState, draw_noise
from ...job.files import compute_digest
from ...pictures.context import JobContext
from . import tone
from .ddim import compute_end_scale
from .networks import FRAMES
from .pipeline import ClipConditions, EncodedKeys, ToonCrafterPipeline
from .plan import ToonCrafterClip


@dataclass(frozen=True)
class ClipTree(ClipSpec):
    """The `clips` of a cel, each after those that make its ends · `show_key` returns the networks' input picture of a key, uint8 (H, W, 3)
    · `draw_lines` the sketch encoder's input for line art, float32 (H, W), 1 on lines · `report` gets the number of clips denoised so
    far."""

    clips: Sequence[ToonCrafterClip]
    show_key: Callable[[str], np.ndarray] = field(repr=False)
    draw_lines: Callable[[str], np.ndarray] = field(repr=False)
    report: Callable[[float], None] = field(repr=False)


class ToonCrafterRenderer(ClipRenderer[ToonCrafterPipeline, ClipTree]):
    """Renders the clips of a cel, whose frames are identified by the drawings that they become. Each clip depends on its ends alone, so a
    changed key affects only the clips on both sides of it."""

    def __init__(self, context: JobContext, load_pipeline: Callable[[], LoadedPipeline[ToonCrafterPipeline]], spec: ClipTree) -> None:
        super().__init__(context, load_pipeline, spec)
        self.source = {drawing: (number, frame) for number, clip in enumerate(spec.clips) for frame, drawing in clip.kept.items()}
        self._frames: dict[int, dict[str, np.ndarray]] = {}

    # --- cache keys ---

    def fingerprint_latents(self, number: int) -> str:
        """The fingerprint of everything that the latents of a clip depend on."""
        clip = self.spec.clips[number]
        ends = self._fingerprint_end(clip.first), self._fingerprint_end(clip.last)
        return compute_digest(self.spec.fingerprint, *ends, sorted(clip.guides.items()))

    def fingerprint_frames(self, number: int) -> str:
        """The fingerprint of everything that the frames of a clip depend on."""
        options = [self.context.job.options[name] for name in ("passes", "contrast", "tones")]
        return compute_digest(self.fingerprint_latents(number), options, sorted(self.spec.clips[number].kept))

    def fingerprint_drawing(self, drawing: str) -> tuple[str, int]:
        """The fingerprint of the frames of a drawing's clip, and the drawing's number among them."""
        number, frame = self.source[drawing]
        return self.fingerprint_frames(number), frame

    def cache_keys(self) -> list[str]:
        numbers = range(len(self.spec.clips))
        return [*map(self._name_latents, numbers), *map(self._name_frames, numbers)]

    def _name_latents(self, number: int) -> str:
        return f"tooncrafter-latents-{self.fingerprint_latents(number)[:24]}"

    def _name_frames(self, number: int) -> str:
        return f"tooncrafter-frames-{self.fingerprint_frames(number)[:24]}"

    def _fingerprint_end(self, drawing: str) -> str:
        """The fingerprint of an end of a clip: a key, or a frame of another clip."""
        return compute_digest(*self.fingerprint_drawing(drawing)) if drawing in self.source else drawing

    # --- frames ---

    def render_drawing(self, drawing: str) -> np.ndarray:
        """The networks' output picture of a drawing, uint8 (h, w, 3). Raises Cancelled, BadInput, JobFailed."""
        number, frame = self.source[drawing]
        if number not in self._frames:
            found = self.context.cache.get(self._name_frames(number))
            if found is None:
                loaded = self.load_pipeline()
                with loaded.translate_oom(self.spec.size):
                    found = self._render_clip(loaded.pipeline, number)
                self.context.cache.put(self._name_frames(number), found)
            self._frames[number] = found
        return self._frames[number][str(frame)]

    def _show_end(self, drawing: str) -> Tensor:
        """The networks' input for an end of a clip, (1, 3, H, W) in -1..1."""
        pixels = self.render_drawing(drawing) if drawing in self.source else self.spec.show_key(drawing)
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0

    def _render_clip(self, pipeline: ToonCrafterPipeline, number: int) -> dict[str, np.ndarray]:
        clip, options = self.spec.clips[number], self.context.job.options
        pictures = torch.cat([self._show_end(clip.first), self._show_end(clip.last)])
        self.context.check()
        width, height = self.spec.size
        shape = (1, 4, height // 8, width // 8)
        ends = [draw_noise(shape, self._derive_seed("end", self._fingerprint_end(drawing))) for drawing in (clip.first, clip.last)]
        keys = pipeline.encode_keys(pictures, torch.cat(ends))
        latents = self._denoise_clip(pipeline, number, keys, pictures[:1])
        scale = compute_end_scale(pipeline.step_count) if options["contrast"] else 1.0
        self.context.check()
        frames = pipeline.decode_clip(latents, keys.references, options["passes"] == "two", scale)
        if options["tones"]:
            frames = tone.match_tones(frames, *pictures)
        pixels = ((frames.clamp(-1.0, 1.0) + 1.0) * 127.5).to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return {str(frame): pixels[frame] for frame in clip.kept}

    def _denoise_clip(self, pipeline: ToonCrafterPipeline, number: int, keys: EncodedKeys, first: Tensor) -> Tensor:
        context, clip, name = self.context, self.spec.clips[number], self._name_latents(number)
        shape = (1, FRAMES, *keys.latents.shape[1:])
        begin = DenoisingState.from_arrays(context.cache.get(name), shape)
        if begin is not None and begin.step == pipeline.step_count:
            return begin.latents.to(pipeline.placement.device)
        context_tokens, free = pipeline.encode_contexts(str(context.job.options["prompt"]), first)
        conditions = ClipConditions(keys, context_tokens, free, lambda step: self._draw_noise(clip, shape, step), self._draw_sketches(clip))
        hooks = DenoisingHooks(
            on_call=lambda done, count: self.spec.report(number + done / count),
            check=context.check,
            keep=lambda state: context.cache.put(name, state.arrays(), level=0),
        )
        return pipeline.denoise_clip(conditions, self._draw_noise(clip, shape, -1), hooks, begin)

    def _draw_sketches(self, clip: ToonCrafterClip) -> Tensor | None:
        """The sketch encoder's input for a clip, (1, 16, 1, H, W): 1 on lines, all 0 for frames without a sketch."""
        if not clip.guides:
            return None
        width, height = self.spec.size
        sketches = torch.zeros(1, FRAMES, 1, height, width)
        for frame, guide in clip.guides.items():
            sketches[0, frame, 0] = torch.from_numpy(self.spec.draw_lines(guide))
        return sketches

    def _draw_noise(self, clip: ToonCrafterClip, shape: tuple[int, ...], step: int) -> Tensor:
        """The noise of a step, -1 before the first. Neighboring clips have the same noise at the end that they share."""
        noise = draw_noise(shape, self._derive_seed("clip", step))
        for place, drawing in ((0, clip.first), (-1, clip.last)):
            noise[0, place] = draw_noise(shape[2:], self._derive_seed("end", self._fingerprint_end(drawing), step))
        return noise

    def _derive_seed(self, *parts: object) -> int:
        return int(compute_digest(self.context.job.seed, *parts)[:12], 16)
