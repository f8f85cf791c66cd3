"""A tiny AniDoc with random weights, in the layout of the published files: what it paints means nothing, and it says so.

python tests/engine/tiny_anidoc.py FOLDER [--sparse]
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from engine.models.anidoc import networks
from engine.models.anidoc.weights import FILES

NOTE = "These are random weights for tests: their colors mean nothing."
UNET = {
    "sample_size": 8,
    "in_channels": 8,
    "out_channels": 4,
    "down_block_types": ["CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"],
    "up_block_types": ["UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"],
    "block_out_channels": [32, 64],
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 96,
    "layers_per_block": 1,
    "cross_attention_dim": 24,
    "transformer_layers_per_block": 1,
    "num_attention_heads": [2, 4],
    "num_frames": 14,
}
CONFIGS = {
    "unet": UNET,
    "controlnet": UNET | {"conditioning_channels": 8, "conditioning_embedding_out_channels": [16, 16, 32, 32]},
    "vae": {
        "in_channels": 3,
        "out_channels": 3,
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "block_out_channels": [32] * 4,
        "layers_per_block": 1,
        "latent_channels": 4,
        "sample_size": 32,
        "scaling_factor": 0.18215,
        "force_upcast": True,
    },
    "image_encoder": {
        "hidden_size": 32,
        "projection_dim": 24,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "image_size": 224,
        "patch_size": 32,
    },
    "scheduler": {
        "_class_name": "EulerDiscreteScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "prediction_type": "v_prediction",
        "sigma_max": 700.0,
        "sigma_min": 0.002,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        "timestep_type": "continuous",
        "use_karras_sigmas": True,
    },
}


def make(folder: Path, sparse: bool = False, dtype: torch.dtype = torch.float32) -> Path:
    """Write the set; returns its folder."""
    torch.manual_seed(1)
    for name, config in CONFIGS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        if name == "controlnet" and sparse:
            config = config | {"conditioning_channels": 9}
        file = "scheduler_config.json" if name == "scheduler" else "config.json"
        (folder / name / file).write_text(json.dumps(config), encoding="utf-8")
        if name in FILES:
            state = {key: value.to(dtype).contiguous() for key, value in networks.BUILDERS[name](config).state_dict().items()}
            save_file(state, folder / name / FILES[name][-1])
    (folder / "about.json").write_text(json.dumps({"note": NOTE}), encoding="utf-8")
    return folder


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), sparse="--sparse" in sys.argv))
