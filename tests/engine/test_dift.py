"""Points by the features of a Stable Diffusion model, a tiny one with random weights: what they mean is nobody's business here."""

import json

import numpy as np
import pytest
import tiny_anidoc
import torch
from anidoc_shots import job
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.schedulers.scheduling_ddim import DDIMScheduler
from PIL import Image, ImageDraw
from transformers import CLIPTextConfig, CLIPTextModel

from engine.diffusion.dift import Dift
from engine.job.errors import BadInput
from engine.job.messages import Done, Failed
from engine.matching import embedding
from engine.models.anidoc import dift
from engine.models.anidoc.correspondence import FeatureView, TrackStart
from engine.pictures.figures import Cutout, describe_cutouts, find_figures
from engine.worker.run import execute_job


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    monkeypatch.setattr(dift, "SIDE", 128)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model in the layout of diffusers."""
    folder = tmp_path_factory.mktemp("sd")
    torch.manual_seed(0)
    UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(32, 32, 64),
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    ).save_pretrained(folder / "unet")
    kinds = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    AutoencoderKL(block_out_channels=(32,) * 4, layers_per_block=1, latent_channels=4, **kinds).save_pretrained(folder / "vae")
    words = {"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2}
    config = CLIPTextConfig(
        vocab_size=3,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    CLIPTextModel(config).save_pretrained(folder / "text_encoder")
    DDIMScheduler().save_pretrained(folder / "scheduler")
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer/vocab.json").write_text(json.dumps(words))
    (folder / "tokenizer/merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer/tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}))
    return folder


def test_features_are_unit_vectors_and_the_seed_decides(folder):
    model = Dift(folder, torch.device("cpu"), torch.float32)
    picture = torch.rand(3, 128, 64, generator=torch.Generator().manual_seed(1))
    features = model.compute_features(picture, 5)
    assert features.shape[1:] == (16, 8) and torch.allclose(features.norm(dim=0), torch.ones(16, 8), atol=1e-4)
    assert torch.equal(features, model.compute_features(picture, 5))
    assert not torch.equal(features, model.compute_features(picture, 6))


def test_a_drawing_is_found_in_itself(folder):
    """The figure is the drawing: every point lies where it was."""
    image = Image.new("RGB", (128, 128), "white")
    pen = ImageDraw.Draw(image)
    for x, y, radius in ((35, 40, 14), (90, 50, 22), (60, 100, 12)):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), None, "black", 3)
    pixels = np.asarray(image)
    rgba = np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)])
    cutout = find_figures(rgba, "keep")[0]
    _, (figure,) = describe_cutouts([Cutout(pixels, cutout.painted, cut_out=False)])
    sight = FeatureView.from_shapes(figure.shapes, embedding.load_matcher().dense(figure.shapes), 128)
    points = np.array([[35, 54], [90, 72], [72, 100]], np.float32)
    known = TrackStart(points, np.zeros((3, 2), np.float32), np.ones(3, np.int64))
    found = dift.DiftMatcher(folder, torch.device("cpu"), 3).start_tracks(known, figure, sight, pixels[..., 0] < 128)
    assert np.abs(found.places - points).max() <= 8, "a cell of the features"
    assert (found.regions == sight.look_up_regions(found.places)).all()


def test_a_job_takes_the_model_or_says_what_it_lacks(folder, tmp_path):
    weights = tiny_anidoc.make(tmp_path / "weights")
    for name, path in (("with", folder), ("without", tmp_path)):
        end = execute_job(job(tmp_path / name, weights, options={"dift": str(path)}))
        if name == "with":
            assert isinstance(end, Done), end
        else:
            assert isinstance(end, Failed) and end.kind == BadInput.kind and "layout of diffusers" in end.text
