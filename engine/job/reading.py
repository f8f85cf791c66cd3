"""Reads JSON into frozen dataclasses, with type checks for every field. Standard library only."""

import math
import re
import reprlib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin

MAX_TEXT = 10_000  # characters; texts end in messages, whose lines have a limit


def read_value(kind: Any, raw: Any, name: str) -> Any:
    """Convert a JSON value to a field's type `kind`. Raises ValueError, saying what the field `name` must be."""
    if is_dataclass(kind):
        return _read_fields(kind, raw, name)
    inner = get_args(kind)
    if type(None) in inner:
        return None if raw is None else read_value(inner[0], raw, name)
    if get_origin(kind) is tuple:
        count = None if inner[-1] is ... else len(inner)
        if not isinstance(raw, list) or count not in (None, len(raw)):
            raise _make_type_error(name, "a list" if count is None else f"a list of {count}", raw)
        return tuple(read_value(inner[0], part, f"{name}[{index}]") for index, part in enumerate(raw))
    if get_origin(kind) is Mapping:
        if not isinstance(raw, dict):
            raise _make_type_error(name, "a table", raw)
        return {read_value(str, key, f"a name in {name}"): read_value(inner[1], part, f"{name}.{key:.100}") for key, part in raw.items()}
    what, right = _PLAIN[kind]
    if not right(raw):
        raise _make_type_error(name, what, raw)
    return raw


def _read_fields(kind: Any, raw: Any, name: str) -> Any:
    """Convert a JSON object to the dataclass `kind`; see `read_value`."""
    if not isinstance(raw, dict):
        raise _make_type_error(name, "a table", raw)
    known = {part.name: part for part in fields(kind)}
    for key in sorted(raw.keys() - known.keys()):
        raise ValueError(f"{name} has a field {reprlib.repr(key)} that is not known")
    for part in known.values():
        if part.name not in raw and part.default is MISSING and part.default_factory is MISSING:
            raise ValueError(f"{name} has no field '{part.name}'")
    return kind(**{key: read_value(known[key].type, value, f"{name}.{key}" if name != "it" else key) for key, value in raw.items()})


def _make_type_error(name: str, what: str, raw: object) -> ValueError:
    return ValueError(f"{name} must be {what}, not {reprlib.repr(raw)}")


def _is_text(raw: object) -> bool:
    return isinstance(raw, str) and len(raw) <= MAX_TEXT and not re.search("[\ud800-\udfff]", raw)


def _is_whole(raw: object) -> bool:
    return type(raw) is int and -(2**63) <= raw < 2**63


def _is_number(raw: object) -> bool:
    return _is_whole(raw) or (type(raw) is float and math.isfinite(raw))


_PLAIN = {
    str: (f"a text of at most {MAX_TEXT} characters", _is_text),
    int: ("a whole number", _is_whole),
    float: ("a number", _is_number),
    object: (
        f"a text of at most {MAX_TEXT} characters, a number, true or false",
        lambda raw: isinstance(raw, bool) or _is_text(raw) or _is_number(raw),
    ),
}
