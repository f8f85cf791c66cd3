"""ToonCrafter against what its original networks made of the same inputs and weights. Every case is run, whatever its sizes."""

import functools
import json
import re

import pytest
import synthetic
import torch

from engine.diffusion import weights
from engine.diffusion.memory import Placement
from engine.diffusion.sampling import DenoisingHooks
from engine.diffusion.svd import clip_pixels
from engine.models.tooncrafter import ddim, layout, pipeline
from engine.models.tooncrafter.networks import CONTROL
from engine.models.tooncrafter.vae import build_references
from engine.models.tooncrafter.weights import BUILDERS, CONFIGS, ToonCrafterNetworks

FOLDER = synthetic.FOLDER / "tooncrafter"
META = synthetic.meta("tooncrafter")
list_cases, read_case, keep_stored, read_number = (
    functools.partial(f, "tooncrafter") for f in (synthetic.list_cases, synthetic.read_case, synthetic.keep_stored, synthetic.read_number)
)
MODULE, PIPELINE = 1e-4, 1e-3
COMPONENTS = {
    "unet": "unet",
    "vae": "first_stage",
    "text_encoder": "text_encoder",
    "image_encoder": "image_encoder",
    "projector": "image_proj",
}
NOT_OURS = ("class", "num_queries", "video_length")  # of the configurations: always sixteen


def config(component: str) -> dict:
    """What our network of a component is built with."""
    given = META["components"][component]["config"]
    given = next((given[kind] for kind in ("diffusers", "transformers") if kind in given), given)
    return {name: value for name, value in given.items() if name not in NOT_OURS}


@functools.cache
@torch.inference_mode(False)  # so that gradients can be had of it, whichever test asks for it first
def net(part: str) -> torch.nn.Module:
    """A network with the weights of its fixture, by the mapping that loads the published files."""
    built = BUILDERS[part](config(COMPONENTS.get(part, part)))
    if part == "sketch_encoder":
        state = {layout.rename_sketch_encoder(name): tensor for name, tensor in synthetic.state("tooncrafter", part).items()}
    else:
        blocks = config("text_encoder")["num_hidden_layers"]
        placed = list(layout.assign_tensors(synthetic.state("tooncrafter", COMPONENTS[part]).items(), blocks))
        assert {where for where, _, _ in placed} == {part}
        state = {name: tensor for _, name, tensor in placed}
    built.load_state_dict(state, strict=True)
    return built.eval()


@functools.cache
def all_nets() -> ToonCrafterNetworks:
    return ToonCrafterNetworks(*(net(part) for part in COMPONENTS), sketch_encoder=None, folder=FOLDER)


def near(got: torch.Tensor, wanted: torch.Tensor, limit: float) -> None:
    assert got.shape == wanted.shape
    worst = (got.detach() - wanted).abs().max().item()
    assert worst <= limit, f"{worst:.2e}"


def frames_first(clip: torch.Tensor) -> torch.Tensor:
    """(B, C, F, h, w) of the fixtures as (B, F, C, h, w)."""
    return clip.transpose(1, 2)


def test_every_case_is_known() -> None:
    kinds = ("schedule", "unet_", "vae", "conditioning", "ddim", "train_step", "sketch_encoder")
    assert META["cases"]
    assert [name for name in META["cases"] if not name.startswith(kinds)] == []


# --- networks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_cases("unet_"))
@torch.inference_mode()
def test_unet(name) -> None:
    data = read_case(name)
    sample, times, context = frames_first(data["in.sample"]), data["in.timesteps"], data["in.context"]
    near(frames_first(net("unet")(sample, times, data["in.fs"], context)), data["out.prediction"], MODULE)
    if "out.prediction_default_fs" in data:
        default = torch.full_like(data["in.fs"], META["components"]["unet"]["config"]["official"]["default_fs"])
        near(frames_first(net("unet")(sample, times, default, context)), data["out.prediction_default_fs"], MODULE)


@pytest.mark.parametrize("name", list_cases("vae"))
@torch.inference_mode()
def test_vae(name) -> None:
    data = read_case(name)
    vae = net("vae")
    mean, variance, hidden = vae.encode_keys(data["in.frames"])
    if "out.mean" in data:
        near(mean, data["out.mean"], MODULE)
        near(variance, data["out.logvar"], MODULE)
        stored = [data[f"out.ref{level}"] for level in range(5)]
        for made, wanted in zip(build_references([level[[0, -1]] for level in hidden]), stored, strict=True):
            near(made, wanted, MODULE)
        fewer = [index for index in range(16) if index not in (1, 14)]
        for step in (16, 5):  # frames go through the layers by fives, too
            vae.step = step
            near(vae.decode_clip(data["out.mean"], stored, 16), data["out.decoded_16"], MODULE)
        vae.step = 16
        near(vae.decode_clip(data["out.mean"][fewer], stored, 14), data["out.decoded_14"], MODULE)
        near(vae.decode_clip(data["out.mean"], None, 16), data["out.decoded_no_refs"], MODULE)
    else:
        clips = int(read_number(name, r"with (\d+) clips", 2))
        frames = len(mean) // clips
        both = [level.unflatten(0, (clips, frames))[:, [0, -1]].transpose(1, 2) for level in hidden]
        near(vae.decode_clip(mean, both, frames), data["out.decoded"], MODULE)


@pytest.mark.parametrize("name", list_cases("conditioning"))
@torch.inference_mode()
def test_conditioning(name) -> None:
    data = read_case(name)
    made = all_nets()
    pictures = data["in.image"].float() / 127.5 - 1.0
    side = made.image_encoder.config.image_size
    near(keep_stored(name, "out.clip_pixels", clip_pixels(pictures / 2.0 + 0.5, side)), data["out.clip_pixels"], 1e-5)
    for picture, kind in ((pictures, ""), (torch.zeros_like(pictures), "zero_")):
        seen = made.image_encoder(clip_pixels(picture / 2.0 + 0.5, side)).last_hidden_state
        near(seen, data[f"out.{kind}vision_tokens"], MODULE)
        for context in (made.projector(seen), pipeline.encode_image(made, picture)):
            near(keep_stored(name, f"out.{kind}image_context", context), data[f"out.{kind}image_context"], MODULE)
    near(pipeline.encode_text(made, data["in.token_ids"]), data["out.text"], MODULE)


@pytest.mark.parametrize("name", list_cases("sketch_encoder"))
@torch.inference_mode()
def test_sketch_encoder(name) -> None:
    data = read_case(name)
    sample, times, context = frames_first(data["in.sample"]), data["in.timesteps"], data["in.context"]
    sketches = data["in.sketch"].float()[None]
    plain = net("sketch_encoder").compute_residuals(sample[:, :, :4], times, context, sketches, scale=1.0)
    assert sum(key.startswith("out.residual") for key in data) == len(plain)
    for index, made in enumerate(plain):
        near(keep_stored(name, f"out.residual{index}", made), data[f"out.residual{index}"], MODULE)
    scaled = [read_number(name, r"([\d.]+) x residuals", CONTROL) * made for made in plain]
    near(frames_first(net("unet")(sample, times, data["in.fs"], context, scaled)), data["out.prediction"], MODULE)


def test_full_size_keys() -> None:
    """Every name and shape of the published files has its place in the full-size networks, and none is left."""
    tables = json.loads((FOLDER / "full_size_keys.json").read_text("utf-8"))
    whole = {name: shape for part, table in tables.items() if part != "sketch_encoder" for name, shape in table.items()}
    wrapped = {("_" * layout.WRAPPED) + name: shape for name, shape in whole.items()}
    wanted = {part: shapes(BUILDERS[part], settings) for part, settings in CONFIGS.items()}
    for table in (whole, wrapped):
        found: dict[str, dict] = {part: {} for part in COMPONENTS}
        for part, name, tensor in layout.assign_tensors(layout.build_meta_tensors(table), CONFIGS["text_encoder"]["num_hidden_layers"]):
            assert name not in found[part]
            found[part][name] = list(tensor.shape)
        assert found == {part: wanted[part] for part in COMPONENTS}
    assert {layout.rename_sketch_encoder(name): shape for name, shape in tables["sketch_encoder"].items()} == wanted["sketch_encoder"]


def shapes(build, settings) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in weights.build_empty(lambda: build(settings)).state_dict().items()}


# --- the rest -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_cases("schedule"))
def test_schedule(name) -> None:
    data = read_case(name)
    near(torch.from_numpy(ddim.compute_alphas()).float(), data["out.alphas_cumprod"].float(), 1e-6)
    near(torch.from_numpy(ddim.compute_shrinkage()).float(), data["out.scale_arr"][:1000].float(), 1e-6)
    for steps in sorted({int(key.split(".")[1][1:]) for key in data if re.match(r"out\.S\d+\.", key)}):
        table = {key.rpartition(".")[2]: data[key].double() for key in data if key.startswith(f"out.S{steps}.")}
        made = ddim.ShrinkingDdim(steps, lambda step: torch.zeros(1))
        assert made.timesteps.flip(0).tolist() == table["timesteps"].tolist()
        near(torch.from_numpy(made.now).flip(0), table["alphas"], 1e-6)
        near(torch.from_numpy(made.next).flip(0), table["alphas_prev"], 1e-6)
        near(torch.from_numpy(made.sigma).flip(0), table["sigmas"], 1e-6)
        shrink = table["scale_prev"] / table["scale"]
        near(torch.from_numpy(made.shrink).flip(0), shrink, 1e-6)


@pytest.mark.parametrize("name", list_cases("ddim"))
@torch.inference_mode()
def test_sampling(name) -> None:
    """The whole way from two keys to frames."""
    data = read_case(name)
    made = all_nets()
    steps = int(read_number(name, r"(\d+) DDIM steps", 5))
    keys = torch.stack([data["in.image_first"], data["in.image_last"]]).float() / 127.5 - 1.0
    encoded = pipeline.encode_keys(made, keys, data["in.posterior_noise"][[0, -1]])
    text = pipeline.encode_text(made, data["in.token_ids"])
    context = torch.cat([text[:1], pipeline.encode_image(made, keys[:1])], dim=1)
    free = torch.cat([text[1:], pipeline.encode_image(made, torch.zeros_like(keys[:1]))], dim=1)
    near(context, data["out.context"], MODULE)
    near(free, data["out.uncond_context"], MODULE)
    near(pipeline.place_keys(encoded.latents), frames_first(data["out.concat"]), MODULE)
    draws = lambda step: frames_first(data["in.step_noise"][step])  # noqa: E731
    clip = pipeline.ClipConditions(encoded, context, free, draws)
    settings = pipeline.ToonCrafterSettings(
        steps=steps,
        guidance=read_number(name, r"guidance ([\d.]+\d)", 7.5),
        rescale=read_number(name, r"guidance_rescale ([\d.]+\d)", 0.7),
        fps=read_number(name, r"fs (\d+)", 10),
        eta=read_number(name, r"eta ([\d.]*\d)", 1.0),
    )
    seen = []

    def watch(state) -> None:
        seen.append(state.step)
        near(state.latents, frames_first(data[f"out.step{state.step - 1}.latents"]), PIPELINE)

    whole = pipeline.ToonCrafterPipeline(made, Placement(torch.device("cpu"), {}), settings)
    latents = whole.denoise_clip(clip, frames_first(data["in.x_T"]), DenoisingHooks(keep=watch))
    assert len(seen) == steps
    video = whole.decode_clip(latents, encoded.references, two_passes=True)
    near(video.transpose(0, 1), data["out.video"], PIPELINE)


@pytest.mark.parametrize("name", list_cases("train_step"))
def test_training_step(name) -> None:
    from lab.models.tooncrafter import train

    data = read_case(name)
    unet = net("unet")
    unet.zero_grad(set_to_none=True)
    lesson = train.NoisedLatents.add_noise(frames_first(data["in.latents"]), frames_first(data["in.noise"]), data["in.timesteps"])
    for key, made in (("out.noisy", lesson.noisy), ("out.target", lesson.target)):
        near(keep_stored(name, key, frames_first(made)), data[key], 1e-5)
    prediction = unet(lesson.given, data["in.timesteps"], data["in.fs"], data["in.context"])
    near(prediction, frames_first(data["out.prediction"]), MODULE)
    loss = ((prediction - lesson.target) ** 2).mean()
    near(loss, data["out.loss"].squeeze(), 1e-5)
    loss.backward()
    found = {name: parameter.grad for name, parameter in unet.named_parameters()}
    checked = 0
    for key, wanted in data.items():
        if key.startswith("out.grad."):
            (_, ours, wanted), *_ = layout.assign_tensors([(key.removeprefix("out.grad."), wanted)], 0)
            assert (found[ours] - wanted).norm() <= 1e-3 * wanted.norm(), key
            checked += 1
    assert checked
    unet.zero_grad(set_to_none=True)
