"""Generated graphs and initial phases: sizes, reproducibility, and refusals."""

import math

import numpy as np
import pytest

from gpu_pipeline.errors import InputError
from gpu_pipeline.generators import erdos_renyi, ring, scale_free, small_world
from gpu_pipeline.initial import splay, twisted, uniform, wrap


def test_ring_couples_the_nearest_neighbors():
    """Both sides count in k; taking it per side would double the coupling."""
    want = [sorted((i + s) % 9 for s in (-2, -1, 1, 2)) for i in range(9)]
    assert ring(9, 4).indices.reshape(9, 4).tolist() == want
    assert ring(5).row_sums().tolist() == [2] * 5


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: erdos_renyi(300, degree=8, seed=seed),
        lambda seed: erdos_renyi(300, p=0.03, seed=seed),
        lambda seed: small_world(300, 6, 0.2, seed=seed),
        lambda seed: scale_free(300, 3, seed=seed),
    ],
)
def test_seed_alone_decides_the_graph(make):
    """A generator that drew from global state would differ between two runs of one script."""
    assert make(1).digest() == make(1).digest()
    assert make(1).digest() != make(2).digest()


@pytest.mark.parametrize(
    "network", [ring(50, 6), erdos_renyi(200, degree=5), small_world(100, 4, 0.5), scale_free(100, 2)]
)
def test_generated_graphs_are_unweighted_and_symmetric(network):
    """Detailed balance and the unweighted kernels rest on it."""
    assert network.weights is None
    assert network.is_symmetric


def test_edge_counts_are_exact_where_the_model_fixes_them():
    """Rewiring and attachment may neither lose nor add an edge."""
    assert small_world(200, 6, 0.7, seed=3).indices.size == 200 * 6
    assert scale_free(200, 3, seed=3).indices.size == 2 * 3 * (200 - 3)


def test_erdos_renyi_has_the_mean_degree():
    """Taking p = degree / n, or counting pairs twice, would shift the mean by more than five standard errors."""
    n, degree = 4000, 10
    got = erdos_renyi(n, degree=degree, seed=7).row_sums().mean()
    assert abs(got - degree) < 5 * math.sqrt(2 * degree / n)
    assert erdos_renyi(6, p=1.0).row_sums().tolist() == [5] * 6
    assert erdos_renyi(6, degree=0).indices.size == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: ring(-5), "n is -5, expected at least 3"),
        (lambda: ring(10, 3), "k is 3, expected an even number below n = 10"),
        (lambda: ring(4, 4), "k is 4, expected an even number below n = 4"),
        (lambda: ring(10, 0), "k is 0, expected at least 2"),
        (lambda: erdos_renyi(10), "found degree=None and p=None, expected exactly one"),
        (lambda: erdos_renyi(10, degree=2, p=0.2), "expected exactly one"),
        (lambda: erdos_renyi(10, degree=9.5), "degree is 9.5, expected 0 to n - 1 = 9"),
        (lambda: erdos_renyi(10, p=1.5), "p is 1.5, expected a probability"),
        (lambda: erdos_renyi(10, p=math.nan), "p is nan"),
        (lambda: erdos_renyi(10, p=0.5, seed=None), "seed is None, expected a whole number"),
        (lambda: erdos_renyi(10, p=0.5, seed=-1), "seed is -1"),
        (lambda: small_world(10, 5, 0.1), "k is 5"),
        (lambda: small_world(10, 4, -0.1), "p is -0.1"),
        (lambda: scale_free(10, 10), "m is 10, expected 1 to n - 1 = 9"),
        (lambda: scale_free(10, 0), "m is 0"),
        (lambda: twisted(0, 1), "n is 0"),
        (lambda: twisted(5, 0.5), "q is 0.5, expected a whole number"),
        (lambda: uniform(5, 7.0, rng=1), "spread is 7.0"),
        (lambda: uniform(5, rng=None), "rng is None"),
    ],
)
def test_parameters_out_of_range_are_refused(call, words):
    """Networkx rounds an odd k down and takes any p; a silent change gives results about another graph."""
    with pytest.raises(InputError, match=words):
        call()


@pytest.mark.parametrize("q", [-3, 0, 1, 2, 5, 13])
def test_twisted_state_winds_q_times(q):
    """Rounding in 2 pi q j / n would leave steps that differ in the last bits, and a phase of +pi."""
    theta = twisted(12, q)
    steps = wrap(np.diff(theta, append=theta[0]))
    assert ((theta >= -math.pi) & (theta < math.pi)).all()
    np.testing.assert_allclose(np.exp(1j * steps), np.exp(2j * math.pi * q / 12), atol=1e-14)


def test_splay_state_has_no_order():
    """Leaving out the last step of the circle leaves a resultant of order 1/n."""
    for n in (2, 3, 10, 1001):
        assert abs(np.exp(1j * splay(n)).mean()) < 1e-14


def test_uniform_fills_its_arc_and_no_more():
    """An arc that starts at zero instead of being centered there shifts the mean phase."""
    theta = uniform(10_000, 1.0, rng=3)
    assert -0.5 <= theta.min() < -0.49
    assert 0.49 < theta.max() <= 0.5
    np.testing.assert_array_equal(theta, uniform(10_000, 1.0, rng=np.random.default_rng(3)))


def test_wrap_returns_minus_pi_never_plus_pi():
    """The remainder of a tiny negative number rounds up to a full turn; phases inside must stay bit for bit."""
    edge = np.nextafter(-math.pi, -10)
    got = wrap([math.pi, -math.pi, edge, 0.1, 7.0, -1e-17])
    assert ((got >= -math.pi) & (got < math.pi)).all()
    assert got[1] == -math.pi
    assert got[3] == 0.1
    assert got[4] == pytest.approx(7.0 - math.tau)
    assert got[5] == -1e-17
