"""Measures that need trained networks, each through the library that keeps it, and only with weights that are already there.

Nothing is fetched. The libraries are not among the engine's packages, because they need torchvision, whose build must fit torch's: who
wants these numbers installs torchvision and lpips beside the torch that is there, and puts the weights where these libraries look for
them (`find_weights_folder`). FID and FVD are left out: what keeps them reads its networks as pickles and TorchScript programs, which can
run code, and no file of weights may do that here.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.job.errors import BadInput

FILES = {
    "RAFT": ("torchvision", "raft_large_C_T_SKHT_V2-ff5fadd5.pth"),
    "LPIPS": ("lpips", "alexnet-owt-7be5be79.pth"),
}


def find_weights_folder() -> Path:
    """Where the weights lie: torch's own folder of checkpoints, which TORCH_HOME moves."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def explain_absence(measure: str) -> str:
    """Why a measure ('RAFT' or 'LPIPS') can't be had, and what to do; empty when it can."""
    library, file = FILES[measure]
    if find_spec(library) is None:
        return f"{measure} needs the package {library}: install it in the engine's Python, with a torchvision of its torch."
    if not (find_weights_folder() / file).is_file():
        return f"{measure} needs the weights {file}: put them into {find_weights_folder()}."
    return ""


def _require_weights(measure: str) -> Path:
    """The weights. Raises BadInput when the measure can't be had."""
    reason = explain_absence(measure)
    if reason:
        raise BadInput(reason)
    return find_weights_folder() / FILES[measure][1]


def load_raft() -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A flow as `film.compute_dis_flow` is, by RAFT. Raises BadInput."""
    path = _require_weights("RAFT")
    from torchvision.models.optical_flow import raft_large  # pyright: ignore[reportMissingImports]  # not among the engine's packages

    net = raft_large(weights=None).eval()
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))

    @torch.inference_mode()
    def compute_flow(one: np.ndarray, two: np.ndarray) -> np.ndarray:
        pictures = (_scale_signed(np.stack([picture])) for picture in (one, two))
        return net(*pictures)[-1][0].permute(1, 2, 0).contiguous().numpy()

    return compute_flow


@torch.inference_mode()
def measure_lpips(frames: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """LPIPS (AlexNet, version 0.1) of frames and true ones uint8 (F, H, W, 3), one by one: (F,), 0 for equal ones. Raises BadInput."""
    _require_weights("LPIPS")
    from lpips import LPIPS  # pyright: ignore[reportMissingImports]

    net = LPIPS(net="alex", verbose=False)
    return np.array([net(_scale_signed(a[None]), _scale_signed(b[None])).item() for a, b in zip(frames, truth, strict=True)])


def _scale_signed(pictures: np.ndarray) -> Tensor:
    """uint8 (n, H, W, 3) as (n, 3, H, W) in -1..1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1.0
