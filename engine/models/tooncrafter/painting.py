"""What the networks make of a cel's clips: latents, kept in the cache after each step, and those frames that become drawings."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...diffusion.needs import explained
from ...diffusion.sampling import State, noise
from ...job.files import digest
from . import sampler, text, tone
from .ddim import Ddim
from .needs import Ready
from .networks import FRAMES
from .plan import Clip

if TYPE_CHECKING:
    from .cel import Cel


class Painting:
    """The clips of a cel. Each depends on its ends alone, so that a changed key makes none anew but those beside it."""

    def __init__(self, cel: "Cel") -> None:
        self.cel, self.run = cel, cel.run
        self.source = {drawing: (number, frame) for number, clip in enumerate(cel.clips) for frame, drawing in clip.kept.items()}
        self._frames: dict[int, dict[str, np.ndarray]] = {}

    def frame(self, drawing: str) -> np.ndarray:
        """The network's picture of a drawing, uint8 (H, W, 3). Raises Cancelled, BadInput, JobFailed."""
        number, frame = self.source[drawing]
        if number not in self._frames:
            entry = f"tooncrafter-frames-{self.decoded_key(number)[:24]}"
            found = self.run.cache.get(entry)
            if found is None:
                ready = self.run.ready
                with explained(ready.plan, ready.device, self.cel.canvas.size, FRAMES):
                    found = self._decoded(number)
                self.run.cache.put(entry, found)
            self._frames[number] = found
        return self._frames[number][str(frame)]

    def key(self, number: int) -> str:
        """What the latents of a clip depend on."""
        clip = self.cel.clips[number]
        return digest(self.cel.base, self._end(clip.first), self._end(clip.last), sorted(clip.guides.items()))

    def decoded_key(self, number: int) -> str:
        """What the frames of a clip depend on."""
        options = [self.run.job.options[name] for name in ("passes", "contrast", "tones")]
        return digest(self.key(number), options, sorted(self.cel.clips[number].kept))

    def entries(self) -> list[str]:
        """The names of all that the cache holds of this cel."""
        numbers = range(len(self.cel.clips))
        return [f"tooncrafter-{kind}-{key(n)[:24]}" for kind, key in (("latents", self.key), ("frames", self.decoded_key)) for n in numbers]

    def _end(self, drawing: str) -> str:
        """The content of an end of a clip: a key, or a frame of another clip."""
        if drawing not in self.source:
            return drawing
        number, frame = self.source[drawing]
        return digest(self.decoded_key(number), frame)

    def _shown(self, drawing: str) -> Tensor:
        """An end of a clip as the networks see it, (1, 3, H, W) in -1..1."""
        pixels = self.frame(drawing) if drawing in self.source else self.cel.shown(drawing)
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0

    # --- the networks ---

    def _decoded(self, number: int) -> dict[str, np.ndarray]:
        clip = self.cel.clips[number]
        pictures = torch.cat([self._shown(clip.first), self._shown(clip.last)])
        ready, options = self.run.ready, self.run.job.options
        self.run.check()
        width, height = self.cel.canvas.size
        ends = [noise((1, 4, height // 8, width // 8), self._seed("end", self._end(drawing))) for drawing in (clip.first, clip.last)]
        with ready.light.on(ready.nets.vae):
            keys = sampler.encode_keys(ready.nets, pictures, torch.cat(ends))
        settings = replace(self.run.settings, together=ready.together)
        latents = self._sampled(ready, number, keys, pictures[:1], settings)
        scale = Ddim(settings.steps, noise=lambda step: latents).left if options["contrast"] else 1.0
        self.run.check()
        with ready.light.on(ready.nets.vae):
            frames = sampler.decode(ready.nets, latents, keys.references, options["passes"] == "two", scale)
        if options["tones"]:
            frames = tone.matched(frames, *pictures)
        pixels = ((frames.clamp(-1.0, 1.0) + 1.0) * 127.5).to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return {str(frame): pixels[frame] for frame in clip.kept}

    def _sampled(self, ready: Ready, number: int, keys: sampler.Keys, first: Tensor, settings: sampler.Settings) -> Tensor:
        run, clip, nets = self.run, self.cel.clips[number], ready.nets
        shape = (1, FRAMES, *keys.latents.shape[1:])
        entry = f"tooncrafter-latents-{self.key(number)[:24]}"
        begin = State.of_arrays(run.cache.get(entry), shape)
        if begin is not None and begin.step == settings.steps:
            return begin.latents.to(ready.device)
        with ready.light.on(nets.text_encoder, nets.image_encoder, nets.projector):
            told = sampler.encode_text(nets, text.tokens(str(run.job.options["prompt"]), run.weights / "tokenizer"))
            context = torch.cat([told, sampler.encode_image(nets, first.to(ready.device))], dim=1)
            if run.free is None:
                nothing = sampler.encode_text(nets, text.tokens("", run.weights))
                run.free = torch.cat([nothing, sampler.encode_image(nets, torch.zeros_like(first, device=ready.device))], dim=1)
        with ready.heavy.on(*filter(None, (nets.unet, nets.sketch_encoder))):
            return sampler.sample(
                nets,
                sampler.Clip(keys, context, run.free, self._sketches(clip)),
                self._noise(clip, shape, -1),
                lambda step: self._noise(clip, shape, step),
                settings,
                ready.device,
                lambda done, count: run.denoised(self.cel, number, done / count),
                run.should_cancel,
                lambda state: run.cache.put(entry, state.arrays(), level=0),
                begin,
            )

    def _sketches(self, clip: Clip) -> Tensor | None:
        """What the sketch encoder reads of a clip, (1, 16, 1, H, W): 1 on lines, nothing where there is no sketch."""
        if not clip.guides:
            return None
        width, height = self.cel.canvas.size
        sketches = torch.zeros(1, FRAMES, 1, height, width)
        for frame, guide in clip.guides.items():
            sketches[0, frame, 0] = torch.from_numpy(self.cel.lines(guide))
        return sketches

    def _noise(self, clip: Clip, shape: tuple[int, ...], step: int) -> Tensor:
        """Noise of a step, -1 before the first: neighboring clips have that of the end that they share in common."""
        made = noise(shape, self._seed("clip", step))
        for place, drawing in ((0, clip.first), (-1, clip.last)):
            made[0, place] = noise(shape[2:], self._seed("end", self._end(drawing), step))
        return made

    def _seed(self, *parts: object) -> int:
        return int(digest(self.run.job.seed, *parts)[:12], 16)
