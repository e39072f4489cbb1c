"""Properties that hold for every run, on random small networks: symmetries, and bits that must not depend on how."""

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_pipeline import Kuramoto, MeanField, SecondOrder, Simulation, as_network, open_result
from gpu_pipeline.networks import Dense, Sparse, from_edges, from_scipy

reproducible = settings(deadline=None, derandomize=True, max_examples=15, database=None)

DT, STEPS = 0.02, 30
KINDS = ("mean_field", "dense", "sparse")


@dataclass(frozen=True)
class Case:
    """A drawn model with all that a simulation of it needs."""

    kind: str
    n_nodes: int
    replicas: int
    dtype: str
    noisy: bool
    swing: bool
    seed: int

    @property
    def rng(self):
        """The same numbers for every use of one case."""
        return np.random.default_rng(self.seed)

    @property
    def network(self):
        """Directed and weighted, with both signs, in the form of its kind."""
        if self.kind == "mean_field":
            return MeanField(self.n_nodes)
        a = np.where(self.rng.random((self.n_nodes,) * 2) < 0.6, self.rng.normal(size=(self.n_nodes,) * 2), 0.0)
        np.fill_diagonal(a, 0.0)
        a /= self.n_nodes  # the pull on a node, and with it the growth of rounding errors, stays of order one
        return as_network(a) if self.kind == "dense" else from_scipy(as_sparse(a))

    def model(self, network=None, order=slice(None)):
        """The model, with the nodes in another order if one is given."""
        network = self.network if network is None else network
        rng, shape = np.random.default_rng(self.seed + 1), (self.replicas, self.n_nodes)
        drive, coupling, alpha = rng.normal(size=shape)[:, order], rng.uniform(-1, 2, self.replicas), rng.uniform(-1, 1)
        if self.swing:
            masses = rng.uniform(0.5, 2.0, self.n_nodes)[order]
            return SecondOrder(
                network, drive, inertia=masses, coupling=coupling, alpha=alpha, temperature=0.3 * self.noisy
            )
        return Kuramoto(network, drive, coupling=coupling, alpha=alpha, noise=0.3 * self.noisy)

    @property
    def start(self):
        """Initial phases in rad, (R, N)."""
        return np.random.default_rng(self.seed + 2).uniform(-3.0, 3.0, (self.replicas, self.n_nodes))

    def simulation(self, model=None, **others):
        """Ready to run."""
        options = {"dt": DT, "dtype": self.dtype, "seed": self.seed, "theta0": self.start}
        if self.swing and self.dtype == "float64":
            options["method"] = "baoab"
        return Simulation(self.model() if model is None else model, **(options | others))

    @property
    def rounding(self):
        """How far rounding errors can move two runs apart: a few units each step, amplified by the pulls."""
        unit = 2.0**-23 if self.dtype == "float32" else 2.0**-52
        model = self.model()
        pull = float(np.abs(model.coupling).max() * model.network.row_sums().max())
        size = 2.0 * math.pi + pull + float(np.abs(model.parameters()["power" if self.swing else "omega"]).max())
        return 8.0 * STEPS * unit * size * math.exp(2.0 * pull * DT * STEPS)


def as_sparse(a):
    """Coordinates of the entries, for scipy."""
    from scipy.sparse import coo_array

    return coo_array(a)


def cases(*, kinds=KINDS, replicas=(1, 3), dtypes=("float64",), noisy=(True,), swing=(False,)):
    """Cases over these choices; each combination of kind, replicas, dtype and order is a kernel to compile."""
    return st.builds(
        Case,
        kind=st.sampled_from(kinds),
        n_nodes=st.integers(1, 20),
        replicas=st.sampled_from(replicas),
        dtype=st.sampled_from(dtypes),
        noisy=st.sampled_from(noisy),
        swing=st.sampled_from(swing),
        seed=st.integers(0, 2**32),
    )


BITS = st.one_of(
    cases(),
    cases(kinds=("mean_field",), dtypes=("float32",)),
    cases(kinds=("mean_field",), replicas=(3,), swing=(True,)),
)
"""Cases for what must hold to the last bit: noise, both precisions, both orders."""


def record(simulation, *pieces, every=5, **others):
    """The samples of successive runs, one after the other."""
    parts = [simulation.run(steps, sample_every=every, progress="none", **others) for steps in pieces]
    return xr.concat(parts, "time", join="exact", combine_attrs="drop_conflicts")


def same_bits(one, other):
    """Equal names, coordinates and values, NaN equal to NaN."""
    xr.testing.assert_equal(one, other)
    assert all(one[name].dtype == other[name].dtype for name in one.data_vars)


def apart(one, other):
    """Largest angle between two arrays of phases."""
    return np.abs(np.angle(np.exp(1j * (np.asarray(one) - np.asarray(other))))).max()


@reproducible
@given(
    case=st.one_of(cases(replicas=(3,)), cases(kinds=("mean_field",), replicas=(3,), dtypes=("float32",))),
    turn=st.floats(-10.0, 10.0),
)
def test_turning_all_phases_turns_the_solution(case, turn):
    """Only differences act; a coupling that used a phase itself, or a table with an uneven grid, would not turn."""
    straight, turned = case.simulation(), case.simulation(theta0=case.start + turn)
    straight.advance(STEPS)
    turned.advance(STEPS)
    assert apart(turned.theta, straight.theta + turn) < case.rounding


@reproducible
@given(case=cases(noisy=(False,), replicas=(1,)))
def test_numbering_of_the_nodes_is_a_name(case):
    """Permuted networks, parameters and phases give permuted phases: no index of one array used for another."""
    order = case.rng.permutation(case.n_nodes)
    network = case.network
    if isinstance(network, Dense):
        network = as_network(network.weights[np.ix_(order, order)])
    elif isinstance(network, Sparse):
        network = from_scipy(network.to_scipy()[order][:, order])
    plain, permuted = case.simulation(), case.simulation(case.model(network, order), theta0=case.start[:, order])
    plain.advance(STEPS)
    permuted.advance(STEPS)
    assert apart(permuted.theta, plain.theta[:, order]) < case.rounding


@reproducible
@given(case=BITS)
def test_same_call_gives_the_same_bits(case):
    """Sums whose order depends on timing, or noise from global state, would differ from run to run."""
    same_bits(record(case.simulation(), STEPS), record(case.simulation(), STEPS))


@reproducible
@given(case=BITS, cut=st.integers(1, 5))
def test_chunks_leave_no_trace(case, cut):
    """run(a) and run(b) are run(a + b) to the last bit, samples included: winding, noise counters, half kicks."""
    whole = record(case.simulation(), STEPS)
    same_bits(record(case.simulation(), 5 * cut, STEPS - 5 * cut), whole)
    by_steps = case.simulation()
    for _ in range(STEPS):
        by_steps.advance(1)
    np.testing.assert_array_equal(by_steps.theta, at_once(case).theta)


def at_once(case):
    """The simulation after all its steps."""
    simulation = case.simulation()
    simulation.advance(STEPS)
    return simulation


@reproducible
@given(case=BITS, every=st.sampled_from([1, 2, 3, 6, 10, 15, 30]))
def test_sampling_does_not_disturb(case, every):
    """Wrapping, or closing a half kick, for a sample must not change a bit of what follows."""
    dense, thin = record(case.simulation(), STEPS, every=1), record(case.simulation(), STEPS, every=every)
    state = [name for name in dense.data_vars if name != "frequency"]
    same_bits(thin[state], dense[state].isel(time=slice(None, None, every)))


@reproducible
@given(case=BITS, kept=st.sets(st.sampled_from(["theta", "frequency", "coherence", "mean_phase"]), min_size=1))
def test_chosen_variables_are_those_of_all(case, kept):
    """Leaving phases out takes another path through the kernel, which must be the same run."""
    full, some = record(case.simulation(), STEPS), record(case.simulation(), STEPS, variables=sorted(kept))
    assert set(some.data_vars) == kept
    for name in kept:
        np.testing.assert_array_equal(some[name].values, full[name].values)


@reproducible
@given(case=BITS, split=st.integers(1, STEPS - 1))
def test_snapshot_goes_on_where_it_was_taken(case, split):
    """A state that a snapshot forgets, such as the winding or the step of the noise, shows in the continuation."""
    original = case.simulation()
    original.advance(split)
    snapshot = original.snapshot()
    kept = {name: value.copy() for name, value in snapshot.items()}
    original.advance(STEPS - split)
    copy = case.simulation(theta0=np.zeros(case.n_nodes))
    copy.restore(snapshot)
    assert copy.step == split
    copy.advance(STEPS - split)
    for name, value in copy.snapshot().items():
        np.testing.assert_array_equal(value, original.snapshot()[name], err_msg=name)
    for name, value in snapshot.items():
        np.testing.assert_array_equal(value, kept[name], err_msg=f"{name} of the snapshot changed with the run")


@reproducible
@given(case=BITS)
def test_store_holds_what_memory_would(case):
    """Pieces, chunks and the appended rest must come back in order and unrounded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.zarr"
        stored = case.simulation()
        for _ in range(2):
            stored.run(STEPS // 2, sample_every=5, store=path, progress="none")
        with open_result(path) as result:
            same_bits(result.load(), record(case.simulation(), STEPS))


@pytest.mark.parametrize("kind", KINDS)
@settings(reproducible, max_examples=5)
@given(seed=st.integers(0, 2**32))
def test_replica_does_not_feel_the_others(kind, seed):
    """Replica 7 is the same to the last bit in any company, at any place; alone it is so up to the order of sums."""
    case = Case(kind, 9, 3, "float64", True, False, seed)
    drive, start = case.model().omega, case.start

    def ends(chosen, numbers):
        model = Kuramoto(case.network, drive[chosen], coupling=0.8, noise=0.3)
        run = case.simulation(model, theta0=start[chosen], replicas=numbers)
        run.advance(STEPS)
        return run.theta

    three, two, alone = ends([0, 1, 2], [4, 7, 2]), ends([2, 1], [2, 7]), ends([1], [7])
    np.testing.assert_array_equal(two, three[[2, 1]])
    assert apart(alone[0], three[1]) < case.rounding * math.exp(2.0 * DT * STEPS)
    assert apart(ends([0, 1, 2], [4, 8, 2])[1], three[1]) > 1e-3


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_row_is_the_target(kind):
    """Node 0 pulls node 1 and not the reverse: a transposed matrix gives the opposite, and symmetric tests hide it."""
    a = np.array([[0.0, 0.0], [1.0, 0.0]])
    for matrix, still in ((a, 0), (a.T, 1)):
        run = Simulation(Kuramoto(as_network(matrix) if kind == "dense" else from_scipy(as_sparse(matrix)), [0.0, 0.0]),
                         dt=DT, theta0=[0.5, -0.5])  # fmt: skip
        run.advance(STEPS)
        assert run.theta[0, still] == 0.5 - still
        moved = 2.0 * math.atan(math.tan(0.5) * math.exp(-DT * STEPS))
        assert abs(abs(run.theta[0, 0] - run.theta[0, 1]) - moved) < (DT**5) * STEPS
    edge = Simulation(Kuramoto(from_edges([(0, 1)], 2, directed=True), [0.0, 0.0]), dt=DT, theta0=[0.5, -0.5])
    edge.advance(STEPS)
    assert edge.theta[0, 0] == 0.5
    assert edge.theta[0, 1] > -0.5


@reproducible
@given(case=cases(kinds=("dense", "sparse"), replicas=(1,), noisy=(False,)))
def test_transposing_a_directed_network_changes_the_solution(case):
    """Up to the case that the network happens to be symmetric, or nothing pulls."""
    network = case.network
    if isinstance(network, Dense):
        transposed = as_network(network.weights.T.copy())
    else:
        transposed = from_scipy(network.to_scipy().T)
    if network.is_symmetric:
        return
    plain, other = case.simulation(), case.simulation(case.model(transposed))
    plain.advance(STEPS)
    other.advance(STEPS)
    assert apart(plain.theta, other.theta) > 100.0 * case.rounding
