"""What a clone carries of the fixtures, and what a test says that has none."""

import json

import cut_fixtures
import pytest
import synthetic
import torch
from safetensors.torch import load

CUT = [(model, case) for model, names in cut_fixtures.DROPPED.items() for case in names]


def test_a_kind_without_a_fixture_is_skipped_and_says_which() -> None:
    (case,) = synthetic.list_cases("anidoc", "another_")
    assert case.values == ("another_*.safetensors",)
    (mark,) = case.marks
    assert mark.name == "skip"
    for part in ("anidoc/another_*.safetensors", str(synthetic.FOLDER), "PARITY_FIXTURES"):
        assert part in mark.kwargs["reason"]


@pytest.mark.parametrize(("model", "case"), CUT)
def test_cuts_are_what_they_say_and_where_the_full_set_is_the_same(model, case) -> None:
    shipped = load(synthetic.read_fixture(cut_fixtures.SHIPPED / model / case))
    kept = json.loads((cut_fixtures.SHIPPED / model / "meta.json").read_text("utf-8"))["cuts"].get(case, {})
    for name, (dimension, indices) in kept.items():
        assert shipped[name].shape[dimension] == len(indices), name
    if synthetic.FOLDER == cut_fixtures.SHIPPED:
        return
    wanted = cut_fixtures.cut_case(synthetic.FOLDER, model, case)
    assert shipped.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.allclose(shipped[name], tensor, rtol=0, atol=1e-6), name
