"""Frequencies with known laws, averages over replicas with their errors, and phases with a known order parameter."""

import math

import numpy as np
from scipy.optimize import brentq

__all__ = [
    "angle",
    "drift_bias",
    "lorentzian",
    "lorentzian_bias",
    "mean_and_error",
    "quantiles",
    "root",
    "seeded_order",
]


def quantiles(n):
    """The n midpoints of equal shares of probability: draws without scatter."""
    return (np.arange(n) + 0.5) / n


def lorentzian(levels, width=1.0, cut=100.0):
    """Lorentzian frequencies at these levels of probability, in units of 1/s.

    Those beyond ``cut`` are compressed to less than twice that. They drift, and add nothing on average, but would make
    the step tiny.
    """
    omega = width * np.tan(math.pi * (np.asarray(levels) - 0.5))
    size = np.maximum(np.abs(omega), cut)
    return np.where(np.abs(omega) > cut, np.sign(omega) * cut * (2 - cut / size), omega)


def mean_and_error(values):
    """Mean over replicas and its standard error."""
    values = np.asarray(values)
    return values.mean(axis=0), values.std(axis=0, ddof=1) / math.sqrt(len(values))


def drift_bias(drifting, response, coherence, n_nodes):
    """What drifting oscillators add to the mean coherence of N of them, at most.

    Their sum has the variance ``drifting`` / (2 N) in each direction, and the field answers to a slow one of these
    with ``response`` = 1 / (1 - K F'), F being the self-consistent coherence of the locked ones. Across the order
    parameter this adds its variance over 2 R to the modulus.
    """
    return response**2 * drifting / (4.0 * coherence * n_nodes)


def lorentzian_bias(coupling, n_nodes, alpha=0.0):
    """`drift_bias` for frequencies of unit width around zero, with a phase lag."""
    k = np.asarray(coupling) * math.cos(alpha)
    r = np.sqrt(1.0 - 2.0 / k)
    common, field = math.tan(alpha) - coupling * math.sin(alpha), coupling * r
    drifting = 1.0 - (np.arctan(common + field) - np.arctan(common - field)) / math.pi
    return drift_bias(drifting, (k - 1.0) / (k - 2.0), r, n_nodes)


def seeded_order(n, amplitude):
    """Evenly spread phases bent so that their order parameter is about ``amplitude``: density 1 + 2 a cos(theta)."""
    even = math.tau * quantiles(n) - math.pi
    return even - 2.0 * amplitude * np.sin(even)


def angle(theta):
    """An angle moved into [-pi, pi)."""
    return np.mod(np.asarray(theta) + math.pi, math.tau) - math.pi


def root(function, low, high):
    """Root to 1e-14."""
    return brentq(function, low, high, xtol=1e-14)
