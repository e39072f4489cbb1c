"""Problems to integrate, states to start from, and the kernels that the tests compile."""

import numpy as np
import scipy.sparse

from gpu_pipeline.kernels.cpu.engine import CpuEngine
from gpu_pipeline.kernels.problem import Graph, Problem

NETWORKS = ("mean_field", "dense", "sparse", "sparse_unweighted")
DTYPES = ("float64", "float32")
UNIT = 2.0 * np.pi / 2**32

PROGRAMS = (
    ("first", ("euler",), 0.0),
    ("first", ("em",), 0.1),
    ("first", ("heun",), 0.0),
    ("first", ("rk4",), 0.0),
    ("first", ("heun", "sra1"), 0.1),
    ("second", ("euler",), 0.0),
    ("second", ("heun",), 0.0),
    ("second", ("rk4",), 0.0),
    ("second", ("baoab",), 0.0),
    ("second", ("baoab",), 0.1),
)
"""Model order, methods and noise. The methods of a program run through the same compiled code."""


def covered():
    """Kernels that the tests compile: (program, network, dtype, tiled).

    Each takes two seconds to compile, all 160 of them minutes. Every program is here with every network, and with every
    pair of precision and layout. Every triple of network, precision and layout is here with a program of either model
    order.
    """
    for number, program in enumerate(PROGRAMS):
        for place, network in enumerate(NETWORKS):
            dtype, tiled = (number + place) % 2, (number // 2 + place // 2) % 2 == 1
            yield program, network, DTYPES[dtype], tiled


def name(kernel):
    """Readable id of a kernel."""
    (order, methods, noise), network, dtype, tiled = kernel
    parts = [order, *methods, "noisy" if noise else "plain", network, dtype, "tiled" if tiled else "single"]
    return "-".join(parts)


def network_for(order, method, noise, dtype, tiled):
    """A network with which this method, precision and layout are covered."""
    return next(
        network
        for (program_order, methods, amplitude), network, kind, layout in covered()
        if (program_order, bool(amplitude), kind, layout) == (order, noise > 0.0, dtype, tiled) and method in methods
    )


def make_graph(kind, n, random, *, pull=3.0):
    """A directed network of signed weights whose largest row sum is ``pull``, with an isolated node; and its matrix."""
    if kind == "mean_field":
        return Graph("mean_field", n, 1.0), np.full((n, n), 1.0 / n)
    weights = random.normal(size=(n, n))
    if kind != "dense":
        weights = np.where(random.uniform(size=(n, n)) < min(0.5, 7 / n), weights, 0.0)
    np.fill_diagonal(weights, 0.0)
    weights[n // 2] = 0.0  # pulled by none
    if kind == "sparse_unweighted":
        weights = (weights != 0.0) * 1.0
    else:
        weights *= pull / max(np.abs(weights).sum(axis=1).max(), 1e-300)
    row_sum = float(np.abs(weights).sum(axis=1).max())
    if kind == "dense":
        return Graph("dense", n, row_sum, weights), weights
    rows = scipy.sparse.csr_matrix(weights)
    values = rows.data if kind == "sparse" else None
    return Graph("sparse", n, row_sum, values, rows.indptr.astype(np.int64), rows.indices.astype(np.int32)), weights


def make_problem(order, kind, method, dtype, *, n, replicas=1, noise=0.0, dt=0.01, free=False, seed=5):
    """A problem with different numbers everywhere, and its coupling matrix.

    Noise differs from node to node and the first node has none; ``free`` switches drive and coupling off. The row sums
    of unweighted networks grow with the degree, their K falls accordingly.
    """
    random = np.random.default_rng([seed, n, replicas])
    graph, weights = make_graph(kind, n, random)
    scale = 0.0 if free else 3.0 / max(graph.row_sum, 1.0)
    amplitude = np.full(n, noise) if free else noise * np.linspace(0.0, 2.0, n)
    return Problem(
        order=order,
        graph=graph,
        method=method,
        dtype=dtype,
        dt=dt,
        drive=random.normal(size=(replicas, n)) * (0.0 if free else 1.0),
        coupling=random.uniform(-1.0, 1.0, replicas) * scale,
        alpha=random.uniform(-0.5, 0.5, replicas),
        noise=amplitude,
        seeds=random.integers(0, 1 << 63, replicas).astype(np.uint64),
        replicas=random.permutation(100 + replicas)[:replicas],
        inertia=random.uniform(0.5, 2.0, n),
        damping=random.uniform(0.0, 0.5, n),
    ), weights


def make_phases(problem):
    """Phases all over the circle, some within a step of its seam, and velocities."""
    random = np.random.default_rng(17)
    shape = problem.n_replicas, problem.n_nodes
    theta = random.uniform(-np.pi, np.pi, shape)
    theta[:, ::5] = (np.pi - 2e-3) * np.sign(theta[:, ::5])
    return theta, random.normal(size=shape)


def start(problem, theta, velocity):
    """The state that an engine loads."""
    state = {"step": np.int64(0), "winding": np.zeros(theta.shape, np.int32), "phase": theta.copy()}
    if problem.dtype == "float32":
        state["phase"] = np.rint(theta / UNIT).astype(np.int64).astype(np.int32)
    if problem.order == "second":
        state["velocity"] = velocity.astype(problem.dtype)
    return state


def opened(problem, threads=1, *, tilewise=False):
    """An engine with exactly so many threads, for which small problems would be refused."""
    engine = CpuEngine(problem, threads)
    engine.threads, engine.tilewise = threads, tilewise
    engine.work = engine._work_arrays()
    return engine


def radians(engine):
    """Unwrapped phases in rad and velocities of an engine."""
    state = engine.state()
    phase = state["phase"] * UNIT if state["phase"].dtype == np.int32 else state["phase"]
    return phase + 2.0 * np.pi * state["winding"], state.get("velocity")
