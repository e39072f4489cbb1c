"""Order parameters and statistics of phases, as pure functions of arrays."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gpu_pipeline.errors import InputError, ShapeError

if TYPE_CHECKING:
    from gpu_pipeline.graphs import Network

__all__ = [
    "effective_frequency",
    "local_order_parameter",
    "metastability",
    "order_parameter",
    "phase_locking_matrix",
]


def order_parameter(theta: ArrayLike, *, axis: int = -1) -> NDArray[np.complex128]:
    r"""Kuramoto order parameter :math:`z = R e^{i\psi} = N^{-1} \sum_j e^{i\theta_j}` of phases.

    Parameters
    ----------
    theta : array_like of float, shape (..., node)
        Phases in rad, wrapped or not.
    axis : int, default -1
        Axis over which the ensemble is averaged.

    Returns
    -------
    z : ndarray of complex128, shape of ``theta`` without ``axis``
        Dimensionless: ``abs(z)`` is the coherence R in [0, 1], ``angle(z)`` the mean phase in rad. NaN in, NaN out.

    Raises
    ------
    InputError
        If ``axis`` has length 0: an empty ensemble has no order parameter.

    Notes
    -----
    N independent uniform phases give E[R] ~ sqrt(pi / (4 N)), not 0.

    References
    ----------
    Acebrón et al., Rev. Mod. Phys. 77, 137 (2005). doi:10.1103/RevModPhys.77.137
    """
    theta = np.asarray(theta, dtype=np.float64)
    if theta.shape[axis] == 0:
        raise InputError(f"theta has no nodes along axis {axis} (its shape is {theta.shape}), expected at least one")
    return np.asarray(np.exp(1j * theta).mean(axis=axis), dtype=np.complex128)


def local_order_parameter(theta: ArrayLike, network: "Network") -> NDArray[np.complex128]:
    r"""Order parameter of each node's neighborhood, :math:`z_i = \sum_j A_{ij} e^{i\theta_j} / \sum_j |A_{ij}|`.

    Parameters
    ----------
    theta : array_like of float, shape (..., N)
        Phases in rad.
    network : Network
        A_ij pulls i towards j.

    Returns
    -------
    z : ndarray of complex128, shape (..., N)
        ``abs`` is 1 where all neighbors of a node agree (with positive weights); NaN for a node without neighbors.

    Raises
    ------
    ShapeError
        If the last axis of ``theta`` is not the network's number of nodes.
    """
    theta = np.asarray(theta, dtype=np.float64)
    if theta.ndim == 0 or theta.shape[-1] != network.n_nodes:
        raise ShapeError(f"theta has shape {theta.shape}, expected (..., {network.n_nodes}) as the network")
    phasors = np.exp(1j * theta)
    if network.kind == "mean_field":
        return np.asarray(np.broadcast_to(phasors.mean(axis=-1, keepdims=True), theta.shape).copy())
    if network.kind == "dense":
        pulled = phasors @ network.weights.T
    else:
        flat = phasors.reshape(-1, network.n_nodes)
        pulled = np.asarray((network.to_scipy() @ flat.T).T).reshape(theta.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(pulled / network.row_sums())


def effective_frequency(theta: ArrayLike, time: ArrayLike, *, winding: ArrayLike | None = None) -> NDArray[np.float64]:
    """Mean frequency of each oscillator over a record: unwrapped displacement over time.

    Parameters
    ----------
    theta : array_like of float, shape (..., time, node)
        Phases in rad.
    time : array_like of float, shape (time,)
        In s, increasing.
    winding : array_like of int, optional, shape of ``theta``
        Whole turns. Without it the phases are unwrapped on the assumption that none moves by half a turn or more
        between two samples.

    Returns
    -------
    frequency : ndarray of float64, shape (..., node)
        In rad/s.

    Raises
    ------
    ShapeError
        If the lengths differ.
    InputError
        If there are fewer than two samples.
    """
    theta, time = np.asarray(theta, dtype=np.float64), np.asarray(time, dtype=np.float64)
    if theta.ndim < 2 or theta.shape[-2] != time.size:
        raise ShapeError(f"theta has shape {theta.shape}, expected (..., {time.size}, node) for {time.size} times")
    if time.size < 2:
        raise InputError(f"there are {time.size} samples, expected at least 2 to measure a frequency")
    if winding is None:
        unwrapped = np.unwrap(theta, axis=-2)
    else:
        unwrapped = theta + 2.0 * np.pi * np.asarray(winding, dtype=np.float64)
    return np.asarray((unwrapped[..., -1, :] - unwrapped[..., 0, :]) / (time[-1] - time[0]))


def phase_locking_matrix(theta: ArrayLike) -> NDArray[np.float64]:
    r"""Phase-locking value of every pair, :math:`|\langle e^{i(\theta_i - \theta_j)} \rangle_t|`.

    Parameters
    ----------
    theta : array_like of float, shape (..., time, node)
        Phases in rad.

    Returns
    -------
    plv : ndarray of float64, shape (..., node, node)
        Symmetric, in [0, 1], ones on the diagonal.

    Raises
    ------
    ShapeError
        If ``theta`` has fewer than two axes.

    References
    ----------
    Lachaux et al., Hum. Brain Mapp. 8, 194 (1999).
    """
    theta = np.asarray(theta, dtype=np.float64)
    if theta.ndim < 2 or theta.shape[-2] == 0:
        raise ShapeError(f"theta has shape {theta.shape}, expected (..., time, node) with at least one sample")
    phasors = np.exp(1j * theta)
    return np.asarray(np.abs(np.swapaxes(phasors, -1, -2) @ phasors.conj()) / theta.shape[-2])


def metastability(coherence: ArrayLike, *, axis: int = -1) -> NDArray[np.float64]:
    """Standard deviation of the coherence over time.

    Parameters
    ----------
    coherence : array_like of float, shape (..., time)
    axis : int, default -1
        The time axis.

    Returns
    -------
    metastability : ndarray of float64
        Dimensionless, 0 for a steady coherence.

    References
    ----------
    Shanahan, Chaos 20, 013108 (2010).
    """
    return np.asarray(np.std(np.asarray(coherence, dtype=np.float64), axis=axis))
