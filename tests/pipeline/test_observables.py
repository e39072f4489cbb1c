"""Observables against their formulas, written out as loops."""

import cmath
import math

import numpy as np
import pytest

from gpu_pipeline import (
    MeanField,
    as_network,
    effective_frequency,
    local_order_parameter,
    metastability,
    order_parameter,
    phase_locking_matrix,
)
from gpu_pipeline.errors import InputError, ShapeError
from gpu_pipeline.initial import splay
from gpu_pipeline.networks import from_edges, from_scipy


@pytest.fixture
def theta():
    """Phases (replica, time, node) of no particular order, far beyond one turn."""
    return np.random.default_rng(3).uniform(-20.0, 20.0, (2, 5, 6))


def test_order_parameter_is_the_mean_phasor(theta):
    """Over the nodes unless told otherwise; any axis must do."""
    z = order_parameter(theta)
    assert z.shape == (2, 5)
    assert z[1, 2] == pytest.approx(sum(cmath.exp(1j * angle) for angle in theta[1, 2]) / 6)
    np.testing.assert_allclose(order_parameter(np.moveaxis(theta, -1, 0), axis=0), z)
    assert order_parameter([0.3, 0.3]) == pytest.approx(cmath.exp(0.3j))
    assert abs(order_parameter(splay(7))) < 1e-15


def test_order_parameter_passes_nan_on():
    """A mean over the finite ones would hide that a replica is lost."""
    assert np.isnan(order_parameter([0.0, math.nan]))


def test_order_parameter_of_nobody_is_refused():
    """The mean of nothing is NaN with a warning that scrolls by."""
    with pytest.raises(InputError, match="no nodes along axis -1"):
        order_parameter(np.zeros((3, 0)))


def direct_local(theta, weights):
    """sum_j A_ij e^{i theta_j} / sum_j |A_ij|, term by term."""
    n = len(theta)
    return [
        sum(weights[i][j] * cmath.exp(1j * theta[j]) for j in range(n)) / sum(abs(weights[i][j]) for j in range(n))
        for i in range(n)
    ]


@pytest.mark.parametrize("convert", ["dense", "sparse"])
def test_local_order_parameter_weighs_the_sources(theta, convert):
    """Rows are targets; negative weights count with their size below and their sign above."""
    from scipy.sparse import coo_array

    a = np.random.default_rng(4).normal(size=(6, 6))
    np.fill_diagonal(a, 0.0)
    network = as_network(a) if convert == "dense" else from_scipy(coo_array(a))
    z = local_order_parameter(theta, network)
    assert z.shape == theta.shape
    np.testing.assert_allclose(z[1, 3], direct_local(theta[1, 3], a), atol=1e-12)
    np.testing.assert_allclose(local_order_parameter(theta[1, 3], network), z[1, 3], atol=1e-14)


def test_local_order_parameter_of_the_mean_field_is_the_global_one(theta):
    """The node itself is included there, as in the coupling."""
    z = local_order_parameter(theta, MeanField(6))
    assert z.shape == theta.shape
    np.testing.assert_allclose(z, order_parameter(theta)[..., None] * np.ones(6))


def test_node_without_neighbors_has_no_local_order():
    """Zero would say that its neighbors disagree."""
    z = local_order_parameter([0.1, 0.2, 0.3], from_edges([(0, 1)], 3, directed=True))
    assert np.isnan(z[[0, 2]]).all()
    assert z[1] == pytest.approx(cmath.exp(0.1j))


def test_local_order_parameter_needs_one_phase_per_node(theta):
    """Broadcasting against the wrong axis would go unnoticed."""
    with pytest.raises(ShapeError, match=r"\(2, 5, 6\), expected \(..., 5\)"):
        local_order_parameter(theta, MeanField(5))


def test_effective_frequency_is_displacement_over_time():
    """Wrapped phases must be unwrapped along time, not along nodes, and the time need not start at zero."""
    omega, time = np.array([0.3, -1.7, 2.9]), np.linspace(5.0, 25.0, 41)
    unwrapped = omega * time[:, None] + [0.0, 1.0, 2.0]
    wrapped, winding = (
        np.angle(np.exp(1j * unwrapped)),
        np.round((unwrapped - np.angle(np.exp(1j * unwrapped))) / math.tau),
    )
    np.testing.assert_allclose(effective_frequency(wrapped, time), omega)
    np.testing.assert_allclose(effective_frequency(np.stack([wrapped, -wrapped]), time), [omega, -omega])
    sparse = slice(None, None, 20)
    np.testing.assert_allclose(effective_frequency(wrapped[sparse], time[sparse], winding=winding[sparse]), omega)


@pytest.mark.parametrize(
    ("theta", "time", "error", "words"),
    [
        (np.zeros((4, 2)), [0.0, 1.0], ShapeError, "shape \\(4, 2\\), expected \\(..., 2, node\\)"),
        (np.zeros(4), np.arange(4.0), ShapeError, "shape \\(4,\\)"),
        (np.zeros((1, 2)), [0.0], InputError, "there are 1 samples, expected at least 2"),
    ],
)
def test_effective_frequency_needs_a_record(theta, time, error, words):
    """One sample is no interval; swapped axes would give a number all the same."""
    with pytest.raises(error, match=words):
        effective_frequency(theta, time)


def test_phase_locking_matrix_is_the_mean_of_differences(theta):
    """Averaged over time, per replica; each pair by its definition."""
    plv = phase_locking_matrix(theta)
    assert plv.shape == (2, 6, 6)
    direct = abs(sum(cmath.exp(1j * (theta[1, t, 2] - theta[1, t, 4])) for t in range(5))) / 5
    assert plv[1, 2, 4] == pytest.approx(direct)
    np.testing.assert_allclose(plv, plv.swapaxes(-1, -2))
    np.testing.assert_allclose(np.diagonal(plv, axis1=-2, axis2=-1), 1.0)
    assert plv.max() < 1.0 + 1e-12


def test_constant_lag_is_full_locking():
    """Locking is not agreement: a constant difference counts in full, a uniform drift over whole turns not at all."""
    time = np.arange(40) * math.tau / 40
    plv = phase_locking_matrix(np.stack([time, time + 2.0, 3.0 * time], axis=1))
    np.testing.assert_allclose(plv, [[1, 1, 0], [1, 1, 0], [0, 0, 1]], atol=1e-12)


def test_phase_locking_matrix_needs_time():
    """A single snapshot would be read as a record of one node."""
    with pytest.raises(ShapeError, match=r"expected \(\.\.\., time, node\)"):
        phase_locking_matrix(np.zeros(5))


def test_metastability_is_the_deviation_over_time():
    """Over the last axis unless told otherwise, with 1/T and not 1/(T - 1)."""
    coherence = np.array([[0.1, 0.5, 0.9], [0.4, 0.4, 0.4]])
    np.testing.assert_allclose(metastability(coherence), [math.sqrt(0.32 / 3), 0.0], atol=1e-15)
    np.testing.assert_allclose(metastability(coherence.T, axis=0), metastability(coherence))
