"""Prompts as the numbers that the text tower reads."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from ...errors import BadInput
from .nets import HELP
from .networks import TEXT

BEGIN, END = 49406, 49407
KNOWN = {"": (), "an anime scene": (550, 6469, 3562)}  # prompts that need no tokenizer


def tokens(prompt: str, folder: Path) -> Tensor:
    """The ids (1, 77) of a prompt in any script; what is too long is cut off. `folder` holds the tokenizer's files, which the published
    prompt and none at all do without. Raises BadInput."""
    said = " ".join(prompt.split())
    if said in KNOWN:
        ids = [BEGIN, *KNOWN[said], END]
    else:
        try:
            tokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
        except (OSError, ValueError, TypeError) as error:
            raise BadInput(
                f"A prompt of your own needs the tokenizer, and {folder / 'vocab.json'} or merges.txt beside it is missing: {HELP}."
            ) from error
        ids = tokenizer(said, truncation=True, max_length=TEXT).input_ids
    return torch.tensor([ids + [0] * (TEXT - len(ids))])
