"""The device that a network runs on, and its dtype."""

import torch

from ..job.errors import JobFailed


def choose_device(wanted: str) -> torch.device:
    """The device for 'auto', 'cpu' or 'cuda'. Raises JobFailed when 'cuda' is wanted and can't be had."""
    if wanted == "cpu":
        return torch.device("cpu")
    reason = explain_no_cuda()
    if reason and wanted == "cuda":
        raise JobFailed(f"{reason}; or choose a model that needs no graphics card.")
    return torch.device("cpu" if reason else "cuda")


def explain_no_cuda() -> str:
    """Why a network can't use an NVIDIA GPU, and what to do; empty when it can."""
    if torch.version.cuda is None:
        return "This engine was installed without CUDA: install it again on a machine with an NVIDIA card"
    if torch.cuda.is_available():
        return ""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().split("\n")[0].split(". ")[0]
        if "driver" in reason and "too old" in reason:
            return f"The NVIDIA driver is too old for this engine ({reason}): update the driver"
        return f"No NVIDIA card can be used ({reason}): check its driver"
    return "No NVIDIA card was found: check its driver"


def inference_dtype(device: torch.device) -> torch.dtype:
    """The dtype of networks: half precision on a GPU, for which they are published, single precision elsewhere."""
    return torch.float16 if device.type == "cuda" else torch.float32
