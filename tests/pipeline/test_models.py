"""Models: what their parameters imply, what they say about themselves, and that they keep it."""

import numpy as np
import pytest

from gpu_pipeline import Kuramoto, MeanField, SecondOrder, as_network, ring

N = 5


def test_network_may_be_anything_that_describes_one():
    """A matrix in place of a network is the first thing that people try."""
    matrix = np.ones((3, 3)) - np.eye(3)
    assert Kuramoto(matrix, [1, 2, 3]).network.digest() == as_network(matrix).digest()
    network = ring(4)
    assert SecondOrder(network, np.zeros(4)).network is network


@pytest.mark.parametrize(
    ("model", "replicas"),
    [
        (Kuramoto(MeanField(N), np.ones(N)), 1),
        (Kuramoto(MeanField(N), np.ones((1, N))), 1),
        (Kuramoto(MeanField(N), np.ones((4, N))), 4),
        (Kuramoto(MeanField(N), np.ones(N), coupling=[1, 2, 3]), 3),
        (Kuramoto(MeanField(N), np.ones((3, N)), coupling=[1, 2, 3], alpha=[0, 0, 0]), 3),
        (Kuramoto(MeanField(N), np.ones((3, N)), coupling=[2]), 3),
        (SecondOrder(MeanField(N), np.ones((2, N)), alpha=[0.1, 0.2]), 2),
        (SecondOrder(MeanField(N), np.ones(N), inertia=np.ones(N)), 1),
    ],
)
def test_replicas_follow_from_the_parameters(model, replicas):
    """One value serves all replicas; a node axis must not be mistaken for a replica axis."""
    assert model.replicas == replicas


def test_parameters_are_float64_copies_that_nobody_can_change():
    """A model that changed with the caller's array would no longer fit its digest, nor the run that used it."""
    omega = np.arange(N)
    model = Kuramoto(MeanField(N), omega)
    omega[0] = 99
    assert model.omega.dtype == np.float64
    assert model.omega[0] == 0.0
    with pytest.raises(ValueError, match="read-only"):
        model.omega[0] = 1.0


def test_defaults_are_the_documented_ones():
    """Results of a call without options depend on them."""
    first = Kuramoto(MeanField(N), np.ones(N)).parameters()
    assert {name: float(value.max()) for name, value in first.items()} == {
        "omega": 1.0, "coupling": 1.0, "alpha": 0.0, "noise": 0.0,
    }  # fmt: skip
    second = SecondOrder(MeanField(N), np.ones(N)).parameters()
    assert {name: float(value.max()) for name, value in second.items()} == {
        "power": 1.0, "inertia": 1.0, "damping": 0.1, "coupling": 1.0, "alpha": 0.0, "temperature": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "stochastic"),
    [
        (Kuramoto(MeanField(2), [0, 0]), False),
        (Kuramoto(MeanField(2), [0, 0], noise=[0, 1e-9]), True),
        (SecondOrder(MeanField(2), [0, 0], temperature=1.0), True),
        (SecondOrder(MeanField(2), [0, 0], temperature=1.0, damping=0.0), False),
        (SecondOrder(MeanField(2), [0, 0], temperature=[1.0, 0.0], damping=[0.0, 1.0]), False),
    ],
)
def test_noise_anywhere_makes_a_model_stochastic(model, stochastic):
    """It decides the method. Heat enters through friction: without it a temperature does nothing."""
    assert model.stochastic is stochastic
    assert ("xi" in model.equation) is stochastic


def test_equation_shows_the_terms_that_are_present():
    """Readers take it for what was computed: the 1/N of the mean field, the lag, the noise."""
    mean_field = Kuramoto(MeanField(2), [0, 0]).equation
    assert mean_field == "theta_i' = omega_i + K/N sum_j sin(theta_j - theta_i)"
    everything = Kuramoto(ring(3), np.zeros(3), alpha=0.1, noise=0.1).equation
    assert everything == "theta_i' = omega_i + K sum_j A_ij sin(theta_j - theta_i - alpha) + sqrt(2 D_i) xi_i"
    swing = SecondOrder(ring(3), np.zeros(3), alpha=[0.0, 0.1]).equation
    assert swing == "M_i v_i' = P_i - g_i v_i + K sum_j A_ij sin(theta_j - theta_i - alpha), theta_i' = v_i"


def test_digest_tells_every_parameter_apart():
    """Two runs with one digest are taken for the same run when a store is continued."""
    models = [
        Kuramoto(MeanField(2), [1.0, 2.0]),
        Kuramoto(MeanField(2), [2.0, 1.0]),
        Kuramoto(MeanField(2), [[1.0, 2.0]]),
        Kuramoto([[0, 0.5], [0.5, 0]], [1.0, 2.0]),
        Kuramoto(MeanField(2), [1.0, 2.0], coupling=2.0),
        Kuramoto(MeanField(2), [1.0, 2.0], alpha=2.0),
        Kuramoto(MeanField(2), [1.0, 2.0], noise=2.0),
        SecondOrder(MeanField(2), [1.0, 2.0]),
        SecondOrder(MeanField(2), [1.0, 2.0], inertia=2.0),
        SecondOrder(MeanField(2), [1.0, 2.0], damping=2.0),
        SecondOrder(MeanField(2), [1.0, 2.0], temperature=2.0),
    ]
    assert len({model.digest() for model in models}) == len(models)
    assert models[0].digest() == Kuramoto(MeanField(2), (1, 2)).digest()


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Kuramoto(ring(4), [1, 2, 3, 4], noise=0.5), ["Kuramoto", "1 to 4 rad/s", "0.5 rad^2/s", "Sparse(n_nodes=4"]),
        (SecondOrder(MeanField(4), np.zeros((3, 4))), ["SecondOrder", "power s^2/rad", "<td>3</td>", "MeanField"]),
    ],
)
def test_notebooks_show_parameters_with_units(model, words):
    """The equation holds characters that HTML would swallow."""
    page = model._repr_html_()
    assert page.startswith("<table>")
    assert "&#x27;" in page
    for word in words:
        assert word in page
    assert repr(model).startswith(type(model).__name__)
