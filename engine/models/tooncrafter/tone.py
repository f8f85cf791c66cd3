"""The drift of tones within a clip, undone: the networks' own pictures of the keys tell how far they strayed from these."""

import torch
from torch import Tensor
from torch.nn import functional

ALIKE = 0.9  # correlation that a picture has with its key at least, if only tones differ
COARSE = 8  # px; pictures are compared in patches of this side, so that neither blur nor noise counts
GAIN, LIFT = 0.25, 0.25  # of contrast and, in -1..1, of brightness, that is put right at most


def match_tones(frames: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Frames (N, 3, H, W), of which the first and the last are pictures of the keys (3, H, W): each channel's contrast and brightness as
    the keys have them, from the one to the other by and by. Where these are not alike, nothing is changed."""
    gains, lifts = zip(*(measure_drift(frames[index], key) for index, key in ((0, first), (-1, last))), strict=True)
    share = torch.linspace(0.0, 1.0, len(frames))[:, None]
    gain, lift = (ends[0] + share * (ends[1] - ends[0]) for ends in (gains, lifts))
    return frames * gain[..., None, None] + lift[..., None, None]


def measure_drift(made: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """The gain and the lift (3,) that bring a picture (3, H, W) nearest to its key; 1 and 0 where it is none."""
    one, other = (functional.avg_pool2d(picture, COARSE).flatten(1) for picture in (made, key))
    apart, wanted = one - one.mean(dim=1, keepdim=True), other - other.mean(dim=1, keepdim=True)
    together, spread = (apart * wanted).sum(), apart.norm() * wanted.norm()
    if together < ALIKE * spread or spread == 0:
        return torch.ones(3), torch.zeros(3)
    gain = (apart * wanted).sum(dim=1) / (apart**2).sum(dim=1).clamp_min(1e-6)
    gain = gain.clamp(1.0 - GAIN, 1.0 + GAIN)
    return gain, (other.mean(dim=1) - gain * one.mean(dim=1)).clamp(-LIFT, LIFT)
