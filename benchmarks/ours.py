"""gpu-pipeline itself, through its public interface only."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from cases import DT, Case, DType, Float
from contest import EVALUATIONS, Contestant, Method

AVAILABLE = importlib.util.find_spec("gpu_pipeline") is not None


def network_of(case: Case) -> Any:
    """The network of a case as the package wants it."""
    from gpu_pipeline.networks import Dense, MeanField, Sparse

    if case.kind == "mean_field":
        return MeanField(case.n_nodes)
    return Dense(case.matrix) if case.kind == "dense" else Sparse(*case.csr, None)


def simulation_of(case: Case, dtype: DType, threads: int, method: Method) -> Any:
    """A simulation on the CPU, at the start of the case."""
    from gpu_pipeline.models import Kuramoto
    from gpu_pipeline.simulation import Simulation

    coupling = case.coupling if case.replicas > 1 else float(case.coupling[0])
    model = Kuramoto(network_of(case), case.omega, coupling=coupling, noise=case.noise)
    theta0 = case.theta0 if case.replicas > 1 else case.theta0[0]
    return Simulation(model, dt=DT, method=method, dtype=dtype, backend="cpu", theta0=theta0, threads=threads, seed=1)


def ours(case: Case, dtype: DType, threads: int) -> list[Contestant]:
    """Ours with every method that is timed: Euler-Maruyama with noise, otherwise Runge-Kutta and Euler."""
    methods: tuple[Method, ...] = ("em",) if case.noise else ("rk4", "euler")
    return [_contestant(case, dtype, threads, method) for method in methods]


def _contestant(case: Case, dtype: DType, threads: int, method: Method) -> Contestant:
    def phases(n_steps: int) -> Float:
        fresh = simulation_of(case, dtype, threads, method)
        fresh.advance(n_steps)
        return np.asarray(fresh.theta, dtype=np.float64).reshape(case.theta0.shape)

    timed = simulation_of(case, dtype, threads, method)
    return Contestant(f"gpu-pipeline, {method}", "ours", dtype, timed.advance, EVALUATIONS[method], method, phases)
