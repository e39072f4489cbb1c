"""Where arrays lie."""

import os

import numpy as np
import pytest

from gpu_pipeline.kernels.cpu.arrays import aligned_zeros


@pytest.mark.parametrize("count", [10, 1 << 20])
def test_arrays_start_a_cache_line(count):
    """An array that starts elsewhere makes every register load cross two lines."""
    assert aligned_zeros((count,), np.float32).ctypes.data % 128 == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("count", [10, 1 << 20])
def test_forked_child_leaves_its_parents_arrays_alone(count):
    """Anonymous maps are shared with children by default: a child's run would overwrite its parent's state."""
    array = aligned_zeros((count,), np.float32)
    child = os.fork()
    if child == 0:
        array[:] = 1.0
        os._exit(0)
    os.waitpid(child, 0)
    assert not array.any()
