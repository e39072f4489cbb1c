"""Vector functions of the kernels, applied to arrays: the functions themselves, not what a kernel makes of them."""

import numpy as np
from numba import njit

from gpu_pipeline.kernels.cpu.simd import loop, vector_operation

NAMES = "abcdefgh"


def apply(function, inputs, outputs, *, lanes=8):
    """Results of ``function(*vecs)``, which gives one Vec or several.

    Parameters
    ----------
    function : callable
    inputs : sequence of ndarray, (n,)
    outputs : sequence of dtype
        Of the results.
    lanes : int
        Numbers per register.
    """
    size = len(inputs[0])
    padded = -(-size // lanes) * lanes
    arrays = [np.resize(values, padded) for values in inputs] + [np.zeros(padded, kind) for kind in outputs]
    names = NAMES[: len(arrays)]

    def emit(o, low, high, origin):
        def body(offset, _):
            found = function(*[o.load(name, offset, lanes) for name in names[: len(inputs)]])
            results = found if isinstance(found, tuple) else (found,)
            for name, value in zip(names[len(inputs) :], results, strict=True):
                o.store(name, offset, value)

        loop(o.b, low, high, lanes, [], body)

    operation = vector_operation(" ".join(names), emit)

    @njit
    def run(arrays, high):
        operation(arrays, 0, high, 0)

    run(tuple(arrays), padded)
    return tuple(array[:size] for array in arrays[len(inputs) :])
