"""What all tests of the engine share."""

import os

# What tests compute is small: threads would only wait for each other, in the processes that tests start too.
os.environ["OMP_NUM_THREADS"] = "1"
