"""Philox4x32-10 in numpy, for what is drawn once: initial conditions.

The time loops have their own versions; all of them give the same words.
"""

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]

DYNAMICS, INITIAL = 0, 2
"""Streams: the upper 8 bits of the counter's last word, above the 24 bits of the replica."""

_MASK = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)


def philox(counter: tuple[Words, Words, Words, Words], key: tuple[Words, Words]) -> tuple[Words, Words, Words, Words]:
    """Four 32-bit words, each in a uint64, for every counter (Salmon et al., SC 2011).

    Parameters
    ----------
    counter, key : tuple of ndarray of uint64
        32-bit words; the arrays broadcast.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0, product1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c2 = (product1 >> _SHIFT) ^ c1 ^ k0, (product0 >> _SHIFT) ^ c3 ^ k1
        c1, c3 = product1 & _MASK, product0 & _MASK
        k0, k1 = (k0 + _WEYL[0]) & _MASK, (k1 + _WEYL[1]) & _MASK
    return c0, c1, c2, c3


def uniforms(
    seeds: NDArray[np.uint64], replicas: NDArray[np.int64], n_nodes: int, *, stream: int = INITIAL
) -> NDArray[np.float64]:
    """One number in the open interval (0, 1) per replica and node, of 52 bits.

    Parameters
    ----------
    seeds : ndarray of uint64, (R,)
    replicas : ndarray of int64, (R,)
        Replica numbers, 0 to 2^24 - 1.
    n_nodes : int
    stream : int

    Returns
    -------
    u : ndarray of float64, (R, n_nodes)
    """
    zero = np.zeros((1, 1), np.uint64)
    node = np.arange(n_nodes, dtype=np.uint64)[None, :]
    lane = (replicas.astype(np.uint64) | np.uint64(stream << 24))[:, None]
    key = (seeds[:, None] & _MASK, seeds[:, None] >> _SHIFT)
    x0, x1, _, _ = philox((zero, zero, node, lane), key)
    bits = (x0 << np.uint64(20)) | (x1 >> np.uint64(12))
    return np.asarray((bits.astype(np.float64) + 0.5) * 2.0**-52)
