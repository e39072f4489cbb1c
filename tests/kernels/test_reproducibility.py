"""Bits that must not depend on threads, chunks, samples, restarts or on the other replicas in the batch."""

from dataclasses import replace

import numpy as np
import pytest
from problems import DTYPES, make_phases, make_problem, network_for, opened, radians, start
from test_parity import STEPS, tolerance

from gpu_pipeline import Dense, Kuramoto, MeanField, SecondOrder, Simulation, Sparse

CASES = [("first", "rk4", 0.0), ("first", "sra1", 0.1), ("second", "rk4", 0.0), ("second", "baoab", 0.1)]

each_case = pytest.mark.parametrize(("order", "method", "noise"), CASES, ids=lambda value: str(value))
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
each_layout = pytest.mark.parametrize("tiled", [False, True], ids=["single", "tiled"])


def prepared(order, method, noise, dtype, tiled, *, n=150, replicas=20, dt=0.03):
    """A problem on a kernel that is compiled anyway, and a state; phases wrap every few steps."""
    network = network_for(order, method, noise, dtype, tiled)
    size = replicas if tiled else 1
    problem, _ = make_problem(order, network, method, dtype, n=n, replicas=size, noise=noise, dt=dt)
    problem = replace(problem, damping=problem.damping + 1.0)  # velocities stay far from what a step can hold
    return problem, start(problem, *make_phases(problem))


def bits(state):
    """The bytes of a state, by name."""
    return {name: value.tobytes() for name, value in state.items()}


def run(engine, state, pieces, every=0):
    """State, and all samples, after the pieces one by one."""
    engine.load(state)
    samples = [engine.advance(steps, every, record=True) for steps in pieces]
    joined = [np.concatenate(parts).tobytes() for parts in zip(*(vars(s).values() for s in samples), strict=True)]
    return bits(engine.state()), joined


@each_case
@each_dtype
@each_layout
def test_bits_do_not_depend_on_threads(order, method, noise, dtype, tiled):
    """Sums over blocks must be added in the order of blocks, and no thread may read what another has yet to write."""
    problem, state = prepared(order, method, noise, dtype, tiled)
    expected = run(opened(problem), state, [60], 20)
    teams = [(2, False), (3, False), *([(2, True), (3, True)] if tiled else [])]
    for threads, tilewise in teams:
        assert run(opened(problem, threads, tilewise=tilewise), state, [60], 20) == expected, f"{threads} threads"


@each_case
@each_dtype
@each_layout
def test_bits_do_not_depend_on_how_steps_are_cut(order, method, noise, dtype, tiled):
    """A chunk begins by making what the last one left behind: tables, half kicks, references of the winding."""
    problem, state = prepared(order, method, noise, dtype, tiled, replicas=9, n=40)
    engine = opened(problem)
    assert engine.guard < 6, "phases are to be wrapped within the run, at a cut and between cuts"
    expected, _ = run(engine, state, [400])
    for pieces in ([37, 363], [64, 336], [1] * 400, [0, 400, 0]):
        assert run(engine, state, pieces)[0] == expected, f"{len(pieces)} pieces, the first {pieces[0]}"
    for every, pieces in ((1, [400]), (7, [400]), (50, [100, 300])):
        assert run(engine, state, pieces, every)[0] == expected, f"sampled every {every}"
    whole = run(engine, state, [400], 50)
    assert run(engine, state, [50] * 8, 50)[1] == whole[1]


@each_case
@each_dtype
def test_replica_is_the_same_in_any_batch(order, method, noise, dtype):
    """Replicas share registers, weights and random counters, but none of them may see another."""
    problem, state = prepared(order, method, noise, dtype, True)
    problem = replace(problem, drive=np.repeat(problem.drive[:1], 20, axis=0))
    problem = replace(problem, coupling=np.repeat(problem.coupling[:1], 20))
    engine = opened(problem)
    engine.load(state)
    engine.advance(50)
    chosen = np.array([11, 2, 17])
    parts = ("drive", "coupling", "alpha", "seeds", "replicas")
    few = opened(replace(problem, **{name: getattr(problem, name)[chosen] for name in parts}))
    few.load({name: value if name == "step" else value[chosen] for name, value in state.items()})
    few.advance(50)
    for name, value in few.state().items():
        np.testing.assert_array_equal(value, engine.state()[name] if name == "step" else engine.state()[name][chosen])


def alone(problem, state, chosen, graph, steps):
    """One replica of a batch, run by itself."""
    parts = ("drive", "coupling", "alpha", "seeds", "replicas")
    single = replace(problem, graph=graph, **{name: getattr(problem, name)[[chosen]] for name in parts})
    engine = opened(single)
    engine.load({name: value if name == "step" else value[[chosen]] for name, value in state.items()})
    engine.advance(steps)
    return engine


@each_case
@each_dtype
def test_uncoupled_replica_alone_is_bitwise_the_one_in_a_batch(order, method, noise, dtype):
    """Its noise must be counted by replica and node, wherever in memory the two lie."""
    problem, state = prepared(order, method, noise, dtype, True)
    problem = replace(problem, coupling=np.zeros(20), drive=np.repeat(problem.drive[:1], 20, axis=0))
    graph = prepared(order, method, noise, dtype, False)[0].graph  # K = 0: no matter which
    batch = opened(problem)
    batch.load(state)
    batch.advance(50)
    for chosen in (0, 13):
        for name, value in alone(problem, state, chosen, graph, 50).state().items():
            found = batch.state()[name]
            np.testing.assert_array_equal(value, found if name == "step" else found[[chosen]])


@each_dtype
def test_coupled_replica_alone_is_close_to_the_one_in_a_batch(dtype):
    """Alone, sums over neighbors run in another order: equal up to rounding, on the same noise."""
    problem, _ = make_problem("first", "mean_field", "sra1", dtype, n=60, replicas=5, noise=0.1)
    state = start(problem, *make_phases(problem))
    batch = opened(problem)
    batch.load(state)
    batch.advance(STEPS)
    single = radians(alone(problem, state, 3, problem.graph, STEPS))[0]
    allowed = 2 * tolerance(problem, None)
    np.testing.assert_allclose(single, radians(batch)[0][[3]], rtol=0, atol=allowed)


def model(order, network, noise):
    """The same kind of network as the kernels are compiled for, as a user states it."""
    problem, weights = make_problem(order, network, "euler", "float64", n=30)
    graph = problem.graph
    coupled = {
        "mean_field": lambda: MeanField(30),
        "dense": lambda: Dense(weights),
        "sparse": lambda: Sparse(graph.indptr, graph.indices, graph.weights),
        "sparse_unweighted": lambda: Sparse(graph.indptr, graph.indices, None),
    }[network]()
    drive, coupling = problem.drive[0], 1.0 / graph.row_sum
    if order == "first":
        return Kuramoto(coupled, drive, coupling=coupling, noise=noise)
    return SecondOrder(coupled, drive, inertia=problem.inertia, damping=problem.damping, temperature=noise,
                       coupling=coupling)  # fmt: skip


@pytest.mark.parametrize(
    ("order", "method", "noise", "dtype"),
    [(*case, dtype) for case in CASES for dtype in DTYPES]
    + [(o, "dopri5", 0.0, "float64") for o in ("first", "second")],
)
def test_restored_simulation_goes_on_with_the_same_bits(order, method, noise, dtype):
    """A restart after a crash must be invisible; what a snapshot leaves out shows as another path."""
    network = "sparse" if method == "dopri5" else network_for(order, method, noise, dtype, False)
    options = {"dt": 0.05, "method": method, "dtype": dtype, "seed": 4, "backend": "cpu"}
    original = Simulation(model(order, network, noise), **options)
    original.advance(64)
    snapshot = {name: value.copy() for name, value in original.snapshot().items()}
    original.advance(77)
    restored = Simulation(model(order, network, noise), **options)
    restored.restore(snapshot)
    assert restored.step == 64
    restored.advance(77)
    assert bits(restored.snapshot()) == bits(original.snapshot())


@each_dtype
def test_run_is_the_same_with_any_samples(dtype):
    """What is written down must not change what happens."""
    network = network_for("first", "sra1", 0.1, dtype, False)
    sparse, dense = (
        Simulation(model("first", network, 0.1), dt=0.05, method="sra1", dtype=dtype, seed=4, backend="cpu")
        for _ in range(2)
    )
    rare = sparse.run(120, sample_every=40, progress="none")
    often = dense.run(120, sample_every=5, progress="none")
    assert bits(sparse.snapshot()) == bits(dense.snapshot())
    for name in ("theta", "coherence"):
        np.testing.assert_array_equal(rare[name], often[name].isel(time=slice(None, None, 8)))
