"""What a backend is asked to integrate: arrays and launch parameters, with no notion of where they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
Order = Literal["first", "second"]
NetworkKind = Literal["mean_field", "dense", "sparse"]
DType = Literal["float32", "float64"]
Method = Literal["euler", "heun", "rk4", "dopri5", "em", "sra1", "baoab"]


@dataclass(frozen=True)
class Graph:
    """Couplings A[i, j], row = target, column = source.

    Attributes
    ----------
    kind : {"mean_field", "dense", "sparse"}
    n_nodes : int
    weights : ndarray, (N, N) for dense, (nnz,) for sparse, or None (mean field; sparse with all weights one)
    indptr : ndarray of int64, (N + 1,), sparse only
    indices : ndarray of int32, (nnz,), sparse only
    row_sum : float
        Largest sum of absolute weights of a row, dimensionless: times K it bounds the torque.
    """

    kind: NetworkKind
    n_nodes: int
    row_sum: float
    weights: Float | None = None
    indptr: NDArray[np.int64] | None = None
    indices: NDArray[np.int32] | None = None

    @property
    def n_edges(self) -> int:
        """Stored couplings: N^2 for a matrix, none for the mean field."""
        if self.kind == "mean_field":
            return 0
        return self.n_nodes**2 if self.indices is None else int(self.indices.size)


@dataclass(frozen=True)
class Problem:
    """One integration: R replicas of N oscillators on one graph.

    First order, in rad/s:    theta_i' = drive_i + K sum_j A_ij sin(theta_j - theta_i - alpha) + sqrt(2 noise_i) xi_i
    Second order, in rad/s^2: M_i v_i' = drive_i - g_i v_i + K sum_j A_ij sin(...) + sqrt(2 g_i noise_i) xi_i

    Attributes
    ----------
    drive : ndarray of float64, (R, N)
        Natural frequency in rad/s, or power.
    coupling, alpha : ndarray of float64, (R,)
        K and the phase lag in rad.
    noise : ndarray of float64, (N,)
        Diffusion in rad^2/s, or temperature; zero for a deterministic run.
    inertia, damping : ndarray of float64, (N,)
        M and g of the second-order model.
    seeds : ndarray of uint64, (R,)
        Keys of the noise streams.
    replicas : ndarray of int64, (R,)
        Replica numbers of the noise streams, below 2^24.
    dt : float
        Step in s.
    """

    order: Order
    graph: Graph
    method: Method
    dtype: DType
    dt: float
    drive: Float
    coupling: Float
    alpha: Float
    noise: Float
    seeds: NDArray[np.uint64]
    replicas: NDArray[np.int64]
    inertia: Float = field(default_factory=lambda: np.empty(0))
    damping: Float = field(default_factory=lambda: np.empty(0))
    atol: float = 1e-8

    @property
    def n_nodes(self) -> int:
        """Number of oscillators N."""
        return self.graph.n_nodes

    @property
    def n_replicas(self) -> int:
        """Number of replicas R."""
        return int(self.drive.shape[0])

    @property
    def stochastic(self) -> bool:
        """Whether any oscillator has noise."""
        return bool(np.any(self.noise > 0.0))

    @property
    def largest_pull(self) -> float:
        """Bound of the coupling torque over all replicas and nodes."""
        return float(np.max(np.abs(self.coupling))) * self.graph.row_sum

    def step_bound(self) -> float:
        """Bound in rad of what one step of the first-order model can move a phase."""
        rate = float(np.max(np.abs(self.drive))) + self.largest_pull
        # 1.25 covers the inner stage of sra1; no Gaussian exceeds 8.6 (52-bit Box-Muller).
        return rate * self.dt + 1.25 * 8.6 * float(np.sqrt(2.0 * np.max(self.noise) * self.dt))


@dataclass(frozen=True)
class Samples:
    """What a chunk recorded at its sample points.

    Attributes
    ----------
    order_parameter : ndarray of complex128, (S, R)
    phase : ndarray, (S, R, N)
        Raw phases: int32 binary angles (2^-32 turn) of a float32 run, float64 radians otherwise; S = 0 if not asked.
    winding : ndarray of int32, (S, R, N)
    velocity : ndarray, (S, R, N), rad/s
        Second order only, else N = 0.
    """

    order_parameter: NDArray[np.complex128]
    phase: NDArray[np.int32] | Float
    winding: NDArray[np.int32]
    velocity: NDArray[np.float32] | Float


State = dict[str, NDArray[Any]]


class Engine(Protocol):
    """A backend's hold on a problem: state on the device, advanced chunk by chunk."""

    step: int
    threads: int

    @property
    def description(self) -> dict[str, object]:
        """How the backend runs it: kernel variant, threads, device."""
        ...

    @property
    def trying(self) -> bool:
        """Whether the next chunk is a trial of another way to run, and should be short."""
        ...

    def compile(self) -> float:
        """Compile what the problem needs, if that has not been done; seconds it took."""
        ...

    def load(self, state: State) -> None:
        """Take over ``phase``, ``winding``, ``velocity`` (R, N), ``step`` and whatever ``state()`` gave."""
        ...

    def state(self) -> State:
        """A copy of all that decides the future of the run."""
        ...

    def advance(self, n_steps: int, every: int = 0, *, record: bool = False) -> Samples:
        """Advance by ``n_steps``; sample after each ``every`` steps (0: never), phases too if ``record``."""
        ...


class StepOverflowError(ArithmeticError):
    """A phase moved too far in one step, or became non-finite."""
