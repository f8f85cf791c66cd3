"""What all tests of the engine share."""

import os

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """What tests compute is small: threads would only wait for each other, here and in the processes that tests start."""
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
