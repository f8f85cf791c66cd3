"""Losses of the decoder's training besides the pixel error: a critic of patches, and a perceptual distance."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from engine.diffusion import pickles, weights
from engine.job.errors import BadInput

LARGEST = 1e4  # the largest weight of the adversarial loss


class PatchCritic(nn.Sequential):
    """The discriminator of PatchGAN for patches of pictures (N, 3, H, W): (N, 1, h, w), positive for real ones."""

    def __init__(self, width: int = 64, layers: int = 3) -> None:
        parts: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        before = width
        for layer in range(1, layers + 1):
            after = width * min(2**layer, 8)
            stride = 2 if layer < layers else 1
            parts += [nn.Conv2d(before, after, 4, stride, 1, bias=False), nn.BatchNorm2d(after), nn.LeakyReLU(0.2)]
            before = after
        super().__init__(*parts, nn.Conv2d(before, 1, 4, 1, 1))
        for part in parts:
            if isinstance(part, nn.Conv2d):
                nn.init.normal_(part.weight, 0.0, 0.02)


def adversarial_loss(critic: PatchCritic, real: Tensor, fake: Tensor, error: Tensor, last: Tensor) -> Tensor:
    """The loss of decoder and critic, whose gradients do not mix: the decoder must fool the critic, the critic must tell real from fake
    (hinge).

    The decoder's part is weighted such that its gradient at the decoder's `last` layer is as large as that of the `error`, as in VQGAN.
    """
    frozen = {name: parameter.detach() for name, parameter in critic.named_parameters()}
    generator_loss = -functional_call(critic, frozen, (fake,)).mean()
    far, near = (torch.autograd.grad(loss, last, retain_graph=True)[0].norm() for loss in (error, generator_loss))
    share = (far / (near + 1e-4)).clamp(0.0, LARGEST).detach()
    critic_loss = 0.5 * (functional.relu(1.0 - critic(real)).mean() + functional.relu(1.0 + critic(fake.detach())).mean())
    return share * generator_loss + critic_loss


# --- perception ---------------------------------------------------------------------------------------------------

_SLICES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))  # convolutions of VGG16, by torchvision's numbers
_WIDTHS = (64, 128, 256, 512, 512)
_HELP = (
    "give a folder with vgg16.safetensors (torchvision's) and lpips.safetensors (the linear weights of LPIPS for VGG), or the same as .pth"
)


class PerceptualDistance(nn.Module):
    """LPIPS (arXiv 1801.03924) with VGG16: the perceptual distance of pictures (N, 3, H, W) in -1..1."""

    shift: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        ins = (3, *_WIDTHS)
        self.convs = nn.ModuleDict(
            {
                str(number): nn.Conv2d(before if first else width, width, 3, padding=1)
                for numbers, before, width in zip(_SLICES, ins, _WIDTHS, strict=False)
                for number, first in zip(numbers, (True, False, False), strict=False)
            }
        )
        self.lins = nn.ModuleList(nn.Conv2d(width, 1, 1, bias=False) for width in _WIDTHS)
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(3, 1, 1), persistent=False)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        features = zip(self._compute_features(one), self._compute_features(other), self.lins, strict=True)
        return sum((lin((a - b) ** 2).mean() for a, b, lin in features), start=one.new_zeros(()))

    def _compute_features(self, pictures: Tensor) -> list[Tensor]:
        hidden: Any = (pictures - self.shift) / self.scale
        found = []
        for numbers in _SLICES:
            if found:
                hidden = functional.max_pool2d(hidden, 2)
            for number in numbers:
                hidden = functional.relu(self.convs[str(number)](hidden))
            found.append(hidden / (hidden.norm(dim=1, keepdim=True) + 1e-10))
        return found


def load_perceptual(folder: Path) -> PerceptualDistance:
    """Load the weights of a folder. Raises BadInput."""
    state = {}
    for name in ("vgg16", "lpips"):
        path = next((path for path in (folder / f"{name}{kind}" for kind in (".safetensors", ".pth")) if path.is_file()), None)
        if path is None:
            raise BadInput(f"There is no {folder / name}.safetensors: {_HELP}.")
        safe = path.with_suffix(".safetensors")
        if path != safe:
            pickles.convert_pickle(path, safe, _HELP)
        for key, tensor in weights.read_tensors(safe, _HELP):
            part, _, rest = key.partition(".")
            if part == "features":
                state[f"convs.{rest}"] = tensor
            elif part.startswith("lin"):
                state[f"lins.{part.removeprefix('lin')}.{rest.removeprefix('model.1.')}"] = tensor
    return weights.fill_weights(PerceptualDistance(), state, "vgg16 and lpips", torch.float32, _HELP)
