"""The five cases that are timed, and what is true of them in plain float64 numpy.

Every contestant gets the same arrays and integrates the same equation

    dtheta_i = omega_i + K sum_j A_ij sin(theta_j - theta_i) + sqrt(2 D) xi_i      [rad/s]

(row i of A = what pulls node i). Sizes are parameters, so that a continuous-integration run can be small and a
scaling run large; the standard sizes are those of the rows a to e.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["mean_field", "dense", "sparse"]
Row = Literal["a", "b", "c", "d", "e"]
DType = Literal["float32", "float64"]
Float = NDArray[np.float64]

ROWS: tuple[Row, ...] = ("a", "b", "c", "d", "e")
DTYPES: tuple[DType, ...] = ("float32", "float64")
DT = 1 / 128  # exact in binary: solvers that add up t in float32 take exactly the steps they were asked for
DIFFUSION = 0.05
REFERENCE_BLOCK = 1 << 22  # elements of the difference matrix held at once by the reference


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """One problem: a network, its parameters and a starting state, all in float64.

    ``omega`` (N,) rad/s, ``theta0`` (R, N) rad, ``coupling`` (R,) rad/s, ``noise`` D in rad^2/s;
    ``weights`` (N, N) for a dense network, ``indptr`` (N+1,) int64 and ``indices`` (nnz,) int32 for an unweighted
    sparse one. ``MeanField`` has neither: its matrix is 1/N everywhere, with the self-term.
    """

    row: Row
    title: str
    kind: Kind
    omega: Float
    theta0: Float
    coupling: Float
    noise: float = 0.0
    weights: Float | None = None
    indptr: NDArray[np.int64] | None = None
    indices: NDArray[np.int32] | None = None

    @property
    def n_nodes(self) -> int:
        """Number N of oscillators."""
        return self.omega.size

    @property
    def replicas(self) -> int:
        """Number R of replicas that share the network."""
        return int(self.theta0.shape[0])

    @property
    def nnz(self) -> int:
        """Number of stored edges; N^2 for a dense matrix, 0 for the mean field."""
        if self.indices is not None:
            return self.indices.size
        return 0 if self.weights is None else self.weights.size

    @property
    def row_of_edge(self) -> NDArray[np.int32]:
        """Target node of every stored edge, for contestants that work edge by edge."""
        indptr, _ = self.csr
        return np.repeat(np.arange(self.n_nodes, dtype=np.int32), np.diff(indptr))

    @property
    def csr(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """``indptr, indices`` of a sparse case."""
        if self.indptr is None or self.indices is None:
            raise ValueError(f"case {self.row} is {self.kind}, not sparse")
        return self.indptr, self.indices

    @property
    def matrix(self) -> Float:
        """The weights of a dense case."""
        if self.weights is None:
            raise ValueError(f"case {self.row} is {self.kind}, not dense")
        return self.weights


def _states(row: Row, n: int, replicas: int = 1) -> tuple[np.random.Generator, Float, Float]:
    """Natural frequencies, phases and the generator to go on with, from a seed fixed per row."""
    rng = np.random.default_rng([ord(row), n, replicas])
    return rng, rng.normal(0.0, 1.0, n), rng.uniform(-np.pi, np.pi, (replicas, n))


def mean_field(n: int = 10_000) -> Case:
    """Row a: all-to-all coupling through the order parameter."""
    _, omega, theta0 = _states("a", n)
    return Case("a", f"mean field, N = {n:,}", "mean_field", omega, theta0, np.array([2.0]))


def dense(n: int = 2_000, row: Row = "b", noise: float = 0.0) -> Case:
    """Row b: a full random matrix, weights uniform in [0, 2/N)."""
    rng, omega, theta0 = _states(row, n)
    weights = rng.uniform(0.0, 2.0 / n, (n, n))
    np.fill_diagonal(weights, 0.0)
    title = f"{'noisy dense' if noise else 'dense random matrix'}, N = {n:,}"
    return Case(row, title, "dense", omega, theta0, np.array([1.5]), noise, weights)


def sparse(n: int = 100_000, degree: int = 10, replicas: int = 1) -> Case:
    """Row c, and row e with several replicas: an undirected random graph, unweighted, mean degree ``degree``."""
    row: Row = "c" if replicas == 1 else "e"
    rng, omega, theta0 = _states(row, n, replicas)
    indptr, indices = _random_graph(rng, n, degree)
    coupling = np.array([0.3]) if replicas == 1 else np.linspace(0.01, 0.5, replicas)
    title = (
        f"sparse, N = {n:,}, degree {degree}" if replicas == 1 else f"{replicas} couplings x N = {n:,}, degree {degree}"
    )
    return Case(row, title, "sparse", omega, theta0, coupling, indptr=indptr, indices=indices)


def _random_graph(rng: np.random.Generator, n: int, degree: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """CSR arrays of an Erdos-Renyi graph: sorted rows, no loops, no duplicates; drawn as pairs, without N^2 work."""
    pairs = rng.integers(0, n, (n * degree // 2, 2))
    pairs = pairs[pairs[:, 0] != pairs[:, 1]]
    keys = np.unique(np.concatenate([pairs[:, 0] * n + pairs[:, 1], pairs[:, 1] * n + pairs[:, 0]]))
    indptr = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(keys // n, minlength=n), out=indptr[1:])
    return indptr, (keys % n).astype(np.int32)


def standard(row: Row) -> Case:
    """The case of a row at the size that the tables quote."""
    return {"a": mean_field, "b": dense, "c": sparse, "d": _noisy_dense, "e": _ensemble}[row]()


def small(row: Row) -> Case:
    """The case of a row at a size that runs in milliseconds: for tests, never for figures."""
    if row == "a":
        return mean_field(257)
    if row == "b":
        return dense(97)
    if row == "c":
        return sparse(400)
    return _noisy_dense(129) if row == "d" else _ensemble(60, 6, 5)


def _noisy_dense(n: int = 1_024) -> Case:
    return dense(n, "d", DIFFUSION)


def _ensemble(n: int = 1_000, degree: int = 10, replicas: int = 64) -> Case:
    return sparse(n, degree, replicas)


def reference_velocity(case: Case, theta: Float) -> Float:
    """Velocity (R, N) in rad/s without noise: the sine of every phase difference, one by one, in float64.

    No addition theorem, and no order parameter except for the mean field above 4,096 nodes: N^2 sines are too many.
    """
    pulls = {"mean_field": _pull_mean_field, "dense": _pull_dense, "sparse": _pull_sparse}[case.kind]
    return case.omega + case.coupling[:, None] * np.stack([pulls(case, row) for row in theta])


def _pull_mean_field(case: Case, theta: Float) -> Float:
    if case.n_nodes <= 4_096:
        return np.asarray(np.sin(theta[None, :] - theta[:, None]).mean(axis=1))
    order = np.exp(1j * theta).mean()
    return np.asarray(np.abs(order) * np.sin(np.angle(order) - theta))


def _pull_dense(case: Case, theta: Float) -> Float:
    weights, block = case.matrix, max(1, REFERENCE_BLOCK // case.n_nodes)
    starts = range(0, case.n_nodes, block)
    rows = [np.sum(weights[i : i + block] * np.sin(theta - theta[i : i + block, None]), axis=1) for i in starts]
    return np.concatenate(rows)


def _pull_sparse(case: Case, theta: Float) -> Float:
    _, indices = case.csr
    rows = case.row_of_edge
    pulls = np.sin(theta[indices] - theta[rows])
    return np.bincount(rows, weights=pulls, minlength=case.n_nodes).astype(np.float64)


def reference_displacement(case: Case, steps: int, method: Literal["euler", "rk4"]) -> Float:
    """Phase gained (R, N) in rad over ``steps`` steps from ``theta0``, without noise."""
    theta = case.theta0
    for _ in range(steps):
        k1 = reference_velocity(case, theta)
        if method == "euler":
            theta = theta + DT * k1
            continue
        k2 = reference_velocity(case, theta + DT / 2 * k1)
        k3 = reference_velocity(case, theta + DT / 2 * k2)
        k4 = reference_velocity(case, theta + DT * k3)
        theta = theta + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return np.asarray(theta - case.theta0)
