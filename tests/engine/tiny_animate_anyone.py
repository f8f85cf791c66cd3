"""A tiny Animate Anyone with random weights, in the layout of the published files: what it paints means nothing, and it says so.

python tests/engine/tiny_animate_anyone.py FOLDER [--pickles]
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.models.animate_anyone import networks
from engine.models.animate_anyone.weights import FILES, publish_name

NOTE = "These are random weights for tests: their pictures mean nothing."
UNET = networks.UNET | {"block_out_channels": [32, 32, 64, 64], "layers_per_block": 1, "cross_attention_dim": 24, "attention_head_dim": 2}
VAE = {
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [32] * 4,
    "layers_per_block": 1,
    "latent_channels": 4,
    "sample_size": 32,
}
ENCODER = {
    "hidden_size": 32,
    "projection_dim": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "image_size": 224,
    "patch_size": 32,
}


def states() -> dict[str, dict[str, torch.Tensor]]:
    """The weights of each file, under the names of the published ones."""
    torch.manual_seed(1)
    unet = networks.build_denoising(UNET).state_dict()
    guider = networks.build_guider(networks.build_guider_config(UNET))
    torch.nn.init.normal_(guider.conv_out.weight, std=0.1)
    return {
        "denoising_unet": {name: value for name, value in unet.items() if "motion_modules" not in name},
        "motion_module": {publish_name("motion_module", name): value for name, value in unet.items() if "motion_modules" in name},
        "reference_unet": networks.build_reference(UNET).state_dict(),
        "pose_guider": guider.state_dict(),
        "image_encoder": networks.build_image_encoder(ENCODER).state_dict(),
        "vae": networks.build_vae(VAE).state_dict(),
    }


def make(folder: Path, pickles: bool = False) -> Path:
    """Write the set; returns its folder."""
    for name, config in (("unet", UNET), ("vae", VAE), ("image_encoder", ENCODER)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for name, state in states().items():
        if pickles:
            torch.save(dict(state), folder / FILES[name][1])
        else:
            save_file({key: value.contiguous() for key, value in state.items()}, folder / FILES[name][0])
    (folder / "about.json").write_text(json.dumps({"note": NOTE}), encoding="utf-8")
    return folder


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), pickles="--pickles" in sys.argv))
