"""The peers, each in the strongest form that somebody who knows the library would reasonably write.

`numpy as written` is the equation as printed: the sine of every phase difference (of the order parameter for the mean
field). All others use sin(a - b) = sin a cos b - cos a sin b, which leaves one sincos per node and products with the
matrix. numpy and scipy are here; torch and JAX have modules of their own, imported when asked for, so that a missing
library is a reason to skip and no error.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from cases import DT, Case, DType, Float
from contest import EVALUATIONS, Contestant, Method

State = Any  # an array of the library at hand
Builder = Callable[[Case, DType, int], Iterable[Contestant]]


def columns(case: Case, theta: Float) -> Float:
    """Phases (R, N) as peers hold them: (N,) for one replica, (N, R) for several, so that replicas are columns."""
    return theta[0] if case.replicas == 1 else np.ascontiguousarray(theta.T)


def rows(case: Case, state: Float) -> Float:
    """Inverse of `columns`, in float64."""
    return np.asarray(state, dtype=np.float64).reshape(case.n_nodes, case.replicas).T


def peer(
    name: str,
    case: Case,
    dtype: DType,
    solve: Callable[[int], State],
    velocity: Callable[[State], State],
    to_library: Callable[[Float], State],
    method: Method,
) -> Contestant:
    """A contestant from ``solve(n_steps) -> state`` and ``velocity(state) -> state`` in the library's arrays."""

    def advance(n_steps: int) -> None:
        solve(n_steps)

    def phases(n_steps: int) -> Float:
        return rows(case, np.asarray(solve(n_steps)))

    def rate(theta: Float) -> Float:
        return rows(case, np.asarray(velocity(to_library(columns(case, theta).astype(dtype)))))

    return Contestant(name, "peer", dtype, advance, EVALUATIONS[method], method, phases, rate)


def _numpy_solver(
    case: Case, dtype: DType, velocity: Callable[[State], State]
) -> tuple[Callable[[int], State], Method]:
    start = columns(case, case.theta0).astype(dtype)

    def rk4(n_steps: int) -> State:
        y = start
        for _ in range(n_steps):
            k1 = velocity(y)
            k2 = velocity(y + DT / 2 * k1)
            k3 = velocity(y + DT / 2 * k2)
            k4 = velocity(y + DT * k3)
            y = y + DT / 6 * (k1 + 2 * (k2 + k3) + k4)
        return y

    random, scale = np.random.default_rng(1), math.sqrt(2 * case.noise * DT)

    def em(n_steps: int) -> State:
        y = start
        for _ in range(n_steps):
            y = y + DT * velocity(y) + scale * random.standard_normal(y.size, dtype=y.dtype)
        return y

    return (em, "em") if case.noise else (rk4, "rk4")


def parameters(case: Case, dtype: DType) -> tuple[Any, Any]:
    """Natural frequencies and coupling, shaped to broadcast against `columns`."""
    omega = case.omega.astype(dtype)
    if case.replicas == 1:
        return omega, omega.dtype.type(case.coupling[0])
    return omega[:, None], case.coupling.astype(dtype)


def _numpy_peer(name: str, case: Case, dtype: DType, pull: Callable[[State], State]) -> Contestant:
    omega, coupling = parameters(case, dtype)

    def velocity(y: State) -> State:
        return omega + coupling * pull(y)

    solve, method = _numpy_solver(case, dtype, velocity)
    return peer(name, case, dtype, solve, velocity, np.asarray, method)


def numpy_as_written(case: Case, dtype: DType, threads: int) -> Iterable[Contestant]:
    """The equation as printed."""

    def mean_field(y: State) -> State:
        order = np.exp(1j * y).mean()
        return abs(order) * np.sin(np.angle(order) - y)

    def dense(y: State) -> State:
        return (weights * np.sin(y - y[:, None])).sum(axis=1)

    def sparse(y: State) -> State:
        pull = np.add.reduceat(np.sin(y[sources] - y[targets]), first_edge, axis=0)
        pull[isolated] = 0  # reduceat returns one element, not zero, for an empty row
        return pull

    if case.kind == "dense":
        weights = case.matrix.astype(dtype)
    elif case.kind == "sparse":
        indptr, sources = case.csr
        targets = case.row_of_edge
        first_edge = np.minimum(indptr[:-1], sources.size - 1)
        isolated = np.diff(indptr) == 0
    pull = {"mean_field": mean_field, "dense": dense, "sparse": sparse}[case.kind]
    yield _numpy_peer("numpy as written", case, dtype, pull)


def numpy_identity(case: Case, dtype: DType, threads: int) -> Iterable[Contestant]:
    """numpy with the addition theorem: BLAS matrix-vector products for a matrix, two means for the mean field."""

    def mean_field(y: State) -> State:
        s, c = np.sin(y), np.cos(y)
        return c * s.mean() - s * c.mean()

    def dense(y: State) -> State:
        s, c = np.sin(y), np.cos(y)
        return c * (weights @ s) - s * (weights @ c)

    if case.kind == "sparse":
        return
    if case.kind == "dense":
        weights = np.asfortranarray(case.matrix.astype(dtype))  # OpenBLAS reads columns a little faster than rows
    pull = mean_field if case.kind == "mean_field" else dense
    yield _numpy_peer("numpy with the identity", case, dtype, pull)


def scipy_identity(case: Case, dtype: DType, threads: int) -> Iterable[Contestant]:
    """scipy's CSR product with the sines and cosines of all replicas side by side."""
    if case.kind != "sparse":
        return
    from scipy.sparse import csr_array

    indptr, indices = case.csr
    shape = (case.n_nodes, case.n_nodes)
    matrix = csr_array((np.ones(indices.size, dtype), indices, indptr.astype(np.int32)), shape=shape)

    def one(y: State) -> State:
        s, c = np.sin(y), np.cos(y)
        return c * (matrix @ s) - s * (matrix @ c)

    def several(y: State) -> State:
        both = np.concatenate([np.sin(y), np.cos(y)], axis=1)
        pulls = matrix @ both
        r = y.shape[1]
        return both[:, r:] * pulls[:, :r] - both[:, :r] * pulls[:, r:]

    yield _numpy_peer("scipy CSR with the identity", case, dtype, one if case.replicas == 1 else several)


def _from_module(module: str, function: str) -> Builder:
    def build(case: Case, dtype: DType, threads: int) -> Iterable[Contestant]:
        found: Builder = getattr(importlib.import_module(module), function)
        return found(case, dtype, threads)

    return build


PEERS: dict[str, Builder] = {
    "numpy as written": numpy_as_written,
    "numpy with the identity": numpy_identity,
    "scipy": scipy_identity,
    "torchdiffeq": _from_module("peers_torch", "torchdiffeq_peers"),
    "torchsde": _from_module("peers_torch", "torchsde_peers"),
    "jax": _from_module("peers_jax", "jax_peers"),
    "diffrax": _from_module("peers_diffrax", "diffrax_peers"),
}


def peers(case: Case, dtype: DType, threads: int, skipped: dict[str, str]) -> list[Contestant]:
    """All peers that can run this case; the reason why a library is missing goes into ``skipped``."""
    found: list[Contestant] = []
    for library, build in PEERS.items():
        try:
            found.extend(build(case, dtype, threads))
        except ImportError as error:
            skipped[library] = f"not installed ({error})"
    return found
