"""The condition that AniDoc's ControlNet reads: sketches, numbered points and the reference."""

import numpy as np
import torch
from torch import Tensor

from . import points
from .correspondence import Tracks


def build_condition(sketches: np.ndarray, reference: np.ndarray, tracks: Tracks) -> Tensor:
    """Stack sketches bool (F, H, W), True on lines, and a reference uint8 (H, W, 3) as one tensor (1, F, 8, H, W), float32.

    Channels: sketch RGB in -1..1, -1 on lines; reference points and frame points as integers; reference RGB in -1..1.
    """
    frames, height, width = sketches.shape
    size = (width, height)
    result = torch.empty(1, frames, 8, height, width)
    result[0, :, 0:3] = torch.from_numpy(np.where(sketches, -1.0, 1.0).astype(np.float32))[:, None]
    result[0, :, 3] = torch.from_numpy(points.build_id_map(tracks.reference, size))
    result[0, :, 4] = torch.from_numpy(points.build_frame_maps(tracks.tracks, tracks.visible, size))
    result[0, :, 5:8] = torch.from_numpy(np.ascontiguousarray(reference.transpose(2, 0, 1))).float() / 127.5 - 1.0
    return result


def build_sparse_condition(first: np.ndarray, last: np.ndarray, frames: int, reference: np.ndarray, tracks: Tracks) -> Tensor:
    """The condition of the sparse stage, (1, F, 9, H, W): as `build_condition`, but the sketches between the first and the last are blank,
    and a last channel has Gaussian heatmaps of the points, 0..1. The tracks must be straight."""
    sketches = np.zeros((frames, *first.shape), bool)
    sketches[0], sketches[-1] = first, last
    heat = torch.from_numpy(points.build_heatmap(tracks.tracks, tracks.visible, first.shape[::-1])).float() / 255.0
    return torch.cat([build_condition(sketches, reference, tracks), heat[None, :, None]], dim=2)
