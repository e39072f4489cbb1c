"""Initial phases with a known shape: twisted and splay states, and uniform draws."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gpu_pipeline.errors import InputError
from gpu_pipeline.graphs import whole_number

__all__ = ["splay", "twisted", "uniform", "wrap"]


def wrap(theta: ArrayLike) -> NDArray[np.float64]:
    """Phases moved by whole turns into [-pi, pi).

    Parameters
    ----------
    theta : array_like of float, any shape
        Phases in rad.

    Returns
    -------
    wrapped : ndarray of float64, same shape
        In rad, in [-pi, pi). NaN and infinities give NaN.
    """
    theta = np.asarray(theta, dtype=np.float64)
    inside = (theta >= -math.pi) & (theta < math.pi)
    with np.errstate(invalid="ignore"):
        turned = np.mod(theta + math.pi, math.tau) - math.pi
    # The remainder of a tiny negative number rounds up to a whole turn.
    turned = np.where(turned >= math.pi, -math.pi, turned)
    return np.asarray(np.where(inside, theta, turned), dtype=np.float64)


def twisted(n: int, q: int) -> NDArray[np.float64]:
    """Twisted state: the phase grows by ``2 pi q / n`` from each node to the next.

    Parameters
    ----------
    n : int
        Number of nodes, at least 1.
    q : int
        Winding number: whole turns of the phase around the ring, of either sign; 0 is full synchrony.

    Returns
    -------
    theta : ndarray of float64, shape (n,)
        Phases in rad, in [-pi, pi).

    Raises
    ------
    InputError
        If ``n`` or ``q`` is not a whole number, or ``n`` is below 1.

    Notes
    -----
    On a ring whose weights are the same at every node it is a locked state: the pulls from both sides cancel.

    References
    ----------
    Wiley, Strogatz & Girvan, Chaos 16, 015103 (2006). doi:10.1063/1.2165594
    """
    n = whole_number("n", n, least=1)
    # Turns are counted in whole n-ths, so that equal phases are equal to the last bit.
    nth = np.arange(n, dtype=np.int64) * (whole_number("q", q) % n) % n
    nth[2 * nth >= n] -= n
    return math.tau * nth / n


def splay(n: int) -> NDArray[np.float64]:
    """Splay state: phases spread evenly over one turn, so that the order parameter is zero.

    Parameters
    ----------
    n : int
        Number of nodes, at least 1.

    Returns
    -------
    theta : ndarray of float64, shape (n,)
        Phases in rad, in [-pi, pi).

    Raises
    ------
    InputError
        If ``n`` is not a whole number or below 1.
    """
    return twisted(n, 1)


def uniform(n: int, spread: float = math.tau, *, rng: np.random.Generator | int) -> NDArray[np.float64]:
    """Independent phases, uniform on an arc centered at zero.

    Parameters
    ----------
    n : int
        Number of nodes, at least 1.
    spread : float, default 2 pi
        Length of the arc in rad, between 0 and 2 pi.
    rng : numpy.random.Generator or int
        Source of the draws, or the seed of a fresh one.

    Returns
    -------
    theta : ndarray of float64, shape (n,)
        Phases in rad, in [-spread/2, spread/2].

    Raises
    ------
    InputError
        If ``n`` is below 1, ``spread`` lies outside [0, 2 pi] or ``rng`` is neither a generator nor a seed.
    """
    n = whole_number("n", n, least=1)
    if not 0 <= spread <= math.tau:
        raise InputError(f"spread is {spread!r}, expected rad between 0 and 2 pi; pass the length of the arc")
    if not isinstance(rng, np.random.Generator):
        rng = np.random.default_rng(whole_number("rng", rng, least=0))
    return wrap(spread * (rng.random(n) - 0.5))
