import pytest
import torch


@pytest.fixture(autouse=True)
def two_threads():
    torch.set_num_threads(2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A kind of case that the fixtures don't have is no test that was skipped."""
    items[:] = [item for item in items if not any("empty parameter set" in mark.kwargs["reason"] for mark in item.iter_markers("skip"))]
