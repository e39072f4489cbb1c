"""Closed forms that simulations are held against: all-to-all networks of very many oscillators, and finite ones."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["incoherent_level", "lorentzian_coherence", "lorentzian_spread", "noisy_coherence"]


def lorentzian_coherence(coupling: ArrayLike, width: float) -> NDArray[np.float64]:
    """Coherence of infinitely many oscillators with Lorentzian frequencies, coupled all to all.

    Parameters
    ----------
    coupling : array_like of float
        K in rad/s.
    width : float
        Half-width at half-maximum of the frequencies, Delta, in rad/s.

    Returns
    -------
    coherence : ndarray of float64, shape of `coupling`
        sqrt(1 - 2 Delta / K) above the onset K = 2 Delta, 0 below.

    References
    ----------
    Ott & Antonsen, Chaos 18, 037113 (2008). doi:10.1063/1.2930766
    """
    coupling = np.asarray(coupling, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(coupling > 2 * width, np.sqrt(np.maximum(0.0, 1 - 2 * width / coupling)), 0.0)


def lorentzian_spread(coupling: ArrayLike, width: float, n_nodes: int) -> NDArray[np.float64]:
    r"""Standard deviation of the time-averaged coherence between random draws of N Lorentzian frequencies.

    Parameters
    ----------
    coupling : array_like of float
        K in rad/s, above the onset 2 Delta.
    width : float
        Half-width at half-maximum of the frequencies, Delta, in rad/s.
    n_nodes : int
        Number of oscillators N.

    Returns
    -------
    spread : ndarray of float64, shape of `coupling`
        Infinite at the onset and NaN below it, where another law holds: `incoherent_level`.

    Notes
    -----
    An oscillator is locked if its frequency is smaller than a = K R, and then adds
    X = sqrt(1 - (omega / a)^2) to the order parameter; one that drifts adds nothing on average, X = 0. So a solves
    a / K = F(a), where F is the mean of X over the N frequencies drawn. With k = K / Delta, a^2 = k^2 - 2 k in units of
    Delta, and X has

    .. math:: E[X] = R, \quad E[X^2] = \frac{2}{\pi} \left[ (1 + a^{-2}) \arctan a - a^{-1} \right].

    F therefore differs from its expectation by sqrt((E[X^2] - R^2) / N), and R = a / K by that much times
    1 / (1 - K F'(a)) = (k - 1) / (k - 2). At k = 4 the result is 0.593 / sqrt(N).
    """
    k = np.asarray(coupling, dtype=np.float64) / width
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.sqrt(k**2 - 2 * k)
        second_moment = 2 / math.pi * ((1 + a**-2) * np.arctan(a) - 1 / a)
        spread = np.sqrt(second_moment - (1 - 2 / k)) * (k - 1) / (k - 2) / math.sqrt(n_nodes)
    return np.where(k > 2, spread, np.where(k == 2, np.inf, np.nan))


def incoherent_level(coupling: ArrayLike, width: float, n_nodes: int) -> NDArray[np.float64]:
    r"""Mean coherence of N oscillators with Lorentzian frequencies below the onset: finite-size fluctuations.

    Parameters
    ----------
    coupling : array_like of float
        K in rad/s, below the onset 2 Delta.
    width : float
        Half-width at half-maximum of the frequencies, Delta, in rad/s.
    n_nodes : int
        Number of oscillators N.

    Returns
    -------
    level : ndarray of float64, shape of `coupling`
        sqrt(pi / (4 N (1 - K / (2 Delta)))); NaN from the onset on.

    Notes
    -----
    Free oscillators with random phases make a noise z0(t) whose spectrum is that of the frequencies,
    <\|z0\|^2> = 2 pi g(w) / N. The field answers it linearly, z = z0 / (1 - (K / 2) / (Delta + i w)), so that

    .. math:: \langle |z|^2 \rangle = \frac{\Delta}{\pi N} \int \frac{dw}{(\Delta - K/2)^2 + w^2}
              = \frac{1}{N (1 - K / 2 \Delta)},

    and the modulus of a complex Gaussian has the mean sqrt(pi / 4) times its root mean square. Correlations decay at
    the rate Delta - K / 2, those of the modulus twice as fast.

    References
    ----------
    Daido, J. Stat. Phys. 60, 753 (1990). doi:10.1007/BF01025993
    """
    distance = 1 - np.asarray(coupling, dtype=np.float64) / (2 * width)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance > 0, np.sqrt(math.pi / (4 * n_nodes * distance)), np.nan)


def noisy_coherence(coupling: ArrayLike, noise: float) -> NDArray[np.float64]:
    """Coherence of infinitely many identical oscillators with noise, coupled all to all.

    Parameters
    ----------
    coupling : array_like of float
        K in rad/s.
    noise : float
        D in rad^2/s.

    Returns
    -------
    coherence : ndarray of float64, shape of `coupling`
        The stable root of R = I1(K R / D) / I0(K R / D); 0 up to the onset K = 2 D.

    References
    ----------
    Strogatz & Mirollo, J. Stat. Phys. 63, 613 (1991). doi:10.1007/BF01029202
    """
    coupling = np.asarray(coupling, dtype=np.float64)
    roots = [_self_consistent(k / noise) if k > 2 * noise else 0.0 for k in coupling.ravel()]
    return np.array(roots).reshape(coupling.shape)


def _self_consistent(strength: float) -> float:
    """Root in (0, 1) of R = I1(strength R) / I0(strength R)."""
    from scipy.optimize import brentq
    from scipy.special import i0e, i1e

    lowest_order = min(1.0, math.sqrt(4 * (strength - 2)) / strength)
    if strength - 2 < 1e-6:
        return lowest_order  # closer to the onset, rounding hides the sign of the difference below
    return float(brentq(lambda r: i1e(strength * r) / i0e(strength * r) - r, 0.1 * lowest_order, 1.0, xtol=1e-12))
