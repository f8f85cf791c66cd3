"""Turns prompts into token ids for the text encoder."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import CLIPTokenizer

from ...job.errors import BadInput
from .networks import TEXT
from .weights import HELP

BEGIN, END = 49406, 49407
KNOWN = {"": (), "an anime scene": (550, 6469, 3562)}  # prompts that need no tokenizer


def tokenize_prompt(prompt: str, folder: Path) -> Tensor:
    """The token ids (1, 77) of a prompt in any script. A prompt that is too long is truncated. `folder` has the tokenizer's files, which
    are not needed for the published prompt and the empty one. Raises BadInput."""
    words = " ".join(prompt.split())
    if words in KNOWN:
        ids = [BEGIN, *KNOWN[words], END]
    else:
        for file in (folder / "vocab.json", folder / "merges.txt"):  # without them the library builds an empty tokenizer
            if not file.is_file():
                raise BadInput(f"A prompt of your own needs the tokenizer, and {file} is missing: {HELP}.")
        try:
            tokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
        except (OSError, ValueError, TypeError) as error:
            raise BadInput(f"The tokenizer in {folder} can't be read ({error}): {HELP}.") from error
        ids = tokenizer(words, truncation=True, max_length=TEXT).input_ids
    return torch.tensor([ids + [0] * (TEXT - len(ids))])
