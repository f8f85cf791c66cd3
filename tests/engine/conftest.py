"""What all tests of the engine share."""

import os

import pytest
import torch

# What tests compute is small: threads would only wait for each other, in the processes that tests start too.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def one_thread():
    """Each test begins with one thread, whatever the one before has set: with another number of them the last digits are others."""
    torch.set_num_threads(1)
