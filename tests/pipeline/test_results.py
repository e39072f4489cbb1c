"""From raw samples to variables: wrapped phases, frequencies over chunk borders, and what the dataset says."""

import math

import numpy as np
import pytest

from gpu_pipeline.kernels.problem import Samples
from gpu_pipeline.results import ANGLE, VARIABLES, Recorder, as_dataset, chosen_variables, wrapped_phases

TURN = 2.0 * math.pi


def samples(phase, winding=None, velocity=None):
    """Samples of raw phases (S, R, N)."""
    phase = np.asarray(phase)
    theta = phase * ANGLE if phase.dtype == np.int32 else phase
    winding = np.zeros(phase.shape, np.int32) if winding is None else np.asarray(winding, np.int32)
    velocity = np.zeros((*phase.shape[:2], 0)) if velocity is None else np.asarray(velocity)
    return Samples(np.exp(1j * theta).mean(axis=2), phase, winding, velocity)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_wrapped_phases_never_reach_pi(dtype):
    """Rounding to float32 lands on the float32 above pi, and a floor of a tiny negative number on pi itself."""
    edge = np.nextafter(math.pi, 0.0)
    raw = np.array([math.pi, -math.pi, edge, -edge, TURN, -math.pi - 1e-16, np.nextafter(-math.pi, -4.0), 3.5, -9.0])
    theta = wrapped_phases(raw, np.dtype(dtype))
    assert theta.dtype == dtype
    assert (theta.astype(np.float64) >= -math.pi).all()
    assert (theta.astype(np.float64) < math.pi).all()
    np.testing.assert_allclose(np.exp(1j * theta), np.exp(1j * raw), atol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_binary_angles_become_radians(dtype):
    """2^31 units are half a turn; the largest int32 is the angle just below pi."""
    raw = np.array([0, 1, -1, 2**30, -(2**30), 2**31 - 1, -(2**31)], dtype=np.int32)
    theta = wrapped_phases(raw, np.dtype(dtype))
    assert ((theta.astype(np.float64) >= -math.pi) & (theta.astype(np.float64) < math.pi)).all()
    np.testing.assert_allclose(theta, raw * (TURN / 2**32), atol=4 * np.finfo(dtype).eps)


def test_frequency_continues_across_chunks():
    """The first interval of a chunk begins in the chunk before; whole turns come from the winding."""
    phase = np.array([[[0.0, 3.0]], [[0.5, -3.0]], [[1.0, -2.0]], [[1.5, 3.0]]])
    winding = np.array([[[0, 0]], [[0, 1]], [[0, 1]], [[2, 0]]])
    times = np.array([0.0, 0.5, 1.0, 2.0])
    displacement = phase + TURN * winding
    recorder = Recorder(np.dtype(np.float64))
    made = [
        recorder.variables(["frequency"], samples(phase[part], winding[part]), times[part])["frequency"]
        for part in (slice(0, 1), slice(1, 3), slice(3, 4))
    ]
    frequency = np.concatenate(made, axis=1)
    assert frequency.shape == (1, 4, 2)
    assert np.isnan(frequency[0, 0]).all()
    np.testing.assert_allclose(frequency[0, 1:], np.diff(displacement[:, 0], axis=0) / np.diff(times)[:, None])


def test_frequency_of_binary_angles_survives_their_overflow():
    """From just below +pi to just above -pi is a small step with a turn, not minus a turn; int32 would overflow."""
    phase = np.array([[[2**31 - 10]], [[-(2**31) + 10]]], dtype=np.int32)
    made = Recorder(np.dtype(np.float64)).variables(["frequency"], samples(phase, [[[0]], [[1]]]), np.array([0.0, 2.0]))
    assert made["frequency"][0, 1, 0] == pytest.approx(20 * ANGLE / 2.0, rel=1e-6)


def test_samples_without_phases_leave_the_last_ones():
    """A run of coherence alone records no phases, and must not make the next frequency undefined or wrong."""
    recorder = Recorder(np.dtype(np.float64))
    recorder.remember(samples([[[0.25]]]), np.array([1.0]))
    empty = Samples(np.ones((3, 1), complex), np.zeros((0, 1, 1)), np.zeros((0, 1, 1), np.int32), np.zeros((0, 1, 0)))
    assert recorder.variables(["coherence"], empty, np.arange(3.0))["coherence"].shape == (1, 3)
    made = recorder.variables(["frequency"], samples([[[0.75]]]), np.array([3.0]))
    assert made["frequency"][0, 0, 0] == 0.25


def test_coherence_and_mean_phase_are_polar_parts():
    """Samples come sample by sample, variables replica by replica: a missing transpose mixes them."""
    phase = np.random.default_rng(1).uniform(-3, 3, (4, 3, 7))
    names = ["theta", "coherence", "mean_phase"]
    made = Recorder(np.dtype(np.float32)).variables(names, samples(phase), np.arange(4.0))
    z = np.exp(1j * phase).mean(axis=2).T
    np.testing.assert_array_equal(made["coherence"], np.abs(z))
    np.testing.assert_array_equal(made["mean_phase"], np.angle(z))
    assert made["coherence"].dtype == np.float64
    assert made["theta"].dtype == np.float32
    np.testing.assert_allclose(made["theta"], phase.swapaxes(0, 1), atol=1e-6)


def test_choice_keeps_the_order_of_the_table():
    """Whatever order is asked for, equal choices must give equal stores."""
    assert chosen_variables(["coherence", "theta"], second_order=False) == ("theta", "coherence")
    assert chosen_variables(None, second_order=False) == ("theta", "frequency", "coherence", "mean_phase")
    assert chosen_variables(None, second_order=True) == tuple(VARIABLES)
    assert chosen_variables(("velocity", "velocity"), second_order=True) == ("velocity",)


def test_dataset_carries_names_and_units():
    """Plots and readers take labels from here."""
    made = {"theta": np.zeros((2, 3, 4)), "coherence": np.zeros((2, 3))}
    dataset = as_dataset(made, np.arange(3.0), np.array([5, 9]), 4)
    assert dict(dataset.sizes) == {"replica": 2, "time": 3, "node": 4}
    assert dataset.replica.values.tolist() == [5, 9]
    assert dataset.theta.attrs == {"units": "rad", "long_name": "phase, wrapped to [-pi, pi)"}
    assert dataset.time.attrs["units"] == "s"
    assert all(variable.attrs["long_name"] for variable in dataset.variables.values())
    assert "node" not in as_dataset({"coherence": np.zeros((2, 3))}, np.arange(3.0), np.array([5, 9]), 4).coords
