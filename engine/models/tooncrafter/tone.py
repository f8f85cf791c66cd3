"""Corrects the drift of tones within a clip, as measured by the networks' own pictures of the keys."""

import torch
from torch import Tensor
from torch.nn import functional

ALIKE = 0.9  # least correlation of a picture with its key if only tones differ
COARSE = 8  # px; pictures are compared in patches of this size, so that blur and noise do not count
GAIN, LIFT = 0.25, 0.25  # the largest correction of contrast and, in -1..1, of brightness


def match_tones(frames: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Correct frames (N, 3, H, W), the first and the last of which show the keys (3, H, W): the contrast and brightness of each channel are
    matched to the keys, interpolated between the two. A picture that does not look like its key gives no correction."""
    gains, lifts = zip(*(measure_drift(frames[index], key) for index, key in ((0, first), (-1, last))), strict=True)
    share = torch.linspace(0.0, 1.0, len(frames))[:, None]
    gain, lift = (ends[0] + share * (ends[1] - ends[0]) for ends in (gains, lifts))
    return frames * gain[..., None, None] + lift[..., None, None]


def measure_drift(made: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
    """The gain and lift (3,) that bring a picture (3, H, W) closest to its key; 1 and 0 when it does not look like it."""
    one, other = (functional.avg_pool2d(picture, COARSE).flatten(1) for picture in (made, key))
    apart, wanted = one - one.mean(dim=1, keepdim=True), other - other.mean(dim=1, keepdim=True)
    together, spread = (apart * wanted).sum(), apart.norm() * wanted.norm()
    if together < ALIKE * spread or spread == 0:
        return torch.ones(3), torch.zeros(3)
    gain = (apart * wanted).sum(dim=1) / (apart**2).sum(dim=1).clamp_min(1e-6)
    gain = gain.clamp(1.0 - GAIN, 1.0 + GAIN)
    return gain, (other.mean(dim=1) - gain * one.mean(dim=1)).clamp(-LIFT, LIFT)
