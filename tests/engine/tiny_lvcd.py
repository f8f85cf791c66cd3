"""A tiny LVCD with random weights: what it paints means nothing, and it says so.

python tests/engine/tiny_lvcd.py FOLDER
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import tiny_anidoc

from engine.diffusion import parts
from engine.models.lvcd import networks

NOTE = tiny_anidoc.NOTE
CONFIGS = {name: tiny_anidoc.CONFIGS[name] for name in ("unet", "vae", "image_encoder")}
CONFIGS["controlnet"] = tiny_anidoc.UNET | {
    "conditioning_channels": networks.CHANNELS,
    "conditioning_embedding_out_channels": [16, 16, 32, 32],
}


def make(folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Write the set as a training leaves it; returns its folder."""
    torch.manual_seed(1)
    for name, config in CONFIGS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
        state = {key: _alive(key, value).to(dtype).contiguous() for key, value in networks.BUILDERS[name](config).state_dict().items()}
        save_file(state, folder / name / parts.FILES[name][-1])
    (folder / "about.json").write_text(json.dumps({"note": NOTE}), encoding="utf-8")
    return folder


def _alive(name: str, value: torch.Tensor) -> torch.Tensor:
    """What begins as zero, or is drawn so small that nothing of the sketches is left after it, is drawn anew."""
    if value.dim() < 2 or (value.any() and "cond_embedding" not in name):
        return value
    return torch.randn_like(value) * 2.0 / value[0].numel() ** 0.5


if __name__ == "__main__":
    print(make(Path(sys.argv[1])))
