"""Helpers that commands share."""

import argparse
import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Commands:
    """Adds commands. `folders` and `event_options` are options that several commands share: --models, and --json for events."""

    parsers: Any  # argparse's own type for it is private
    folders: argparse.ArgumentParser
    event_options: argparse.ArgumentParser

    def add(self, name: str, text: str, *shared: argparse.ArgumentParser) -> argparse.ArgumentParser:
        """Add a command with shared options, and return its parser."""
        return self.parsers.add_parser(name, parents=shared, help=text, description=text, allow_abbrev=False)


def parse_size(text: str) -> tuple[int, int]:
    """Parse an argument such as 1920x1080."""
    match = re.fullmatch(r"(\d+)[xX×](\d+)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"'{text}' is not a size: give it as in 1920x1080")
    return int(match[1]), int(match[2])
