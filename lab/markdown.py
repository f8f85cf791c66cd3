"""Pages in Markdown that are read in an editor, too: no line of running text is longer than `WIDTH`."""

import re
import textwrap

WIDTH = 120  # columns
_ITEM = re.compile(r"(\s*(?:[-*+]|\d+\.)\s+)")


def wrap_markdown(text: str, width: int = WIDTH) -> str:
    """Break the paragraphs and list items of a page. Headings, tables, code, and lines that end with two spaces stay as they are."""
    result: list[str] = []
    block: list[str] = []
    fenced = False

    def end_block() -> None:
        if block:
            result.extend(_wrap_block(block, width))
            block.clear()

    for line in text.split("\n"):
        if line.startswith("```"):
            end_block()
            fenced = not fenced
            result.append(line)
        elif fenced or not line.strip() or re.match(r"(\||#|    |<|!\[)", line) and not (block and line.startswith("    ")):
            end_block()
            result.append(line)
        else:
            if _ITEM.match(line):
                end_block()
            block.append(line)
            if line.endswith("  "):
                end_block()
    end_block()
    return "\n".join(result)


def _wrap_block(lines: list[str], width: int) -> list[str]:
    if len(lines) == 1 and (lines[0].endswith("  ") or len(lines[0]) <= width):
        return lines
    item = _ITEM.match(lines[0])
    first = item[1] if item else ""
    indent = " " * len(first)
    words = " ".join(line.strip() for line in [lines[0][len(first) :], *lines[1:]])
    return textwrap.wrap(words, width, initial_indent=first, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
