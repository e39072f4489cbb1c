"""Published test grids swing back to their operating points."""

import os
from importlib.util import find_spec

import numpy as np
import pytest

from gpu_pipeline import SecondOrder, Simulation, load_grid

pytestmark = pytest.mark.skipif(
    find_spec("pandapower") is None and "pandapower" not in os.environ.get("GPU_PIPELINE_REQUIRE", ""),
    reason="pandapower is not installed; GPU_PIPELINE_REQUIRE=pandapower turns this into a failure",
)

STEPS, DT = 8000, 0.5


@pytest.mark.parametrize(
    ("name", "negative_lines", "largest"),
    [
        ("case39", "keep", 10.4),
        ("case118", "keep", 13.6),
        ("case300", "flip", 24.1),
        ("case1354pegase", "keep", 14.3),
    ],
)
def test_grid_settles_at_its_operating_point(name, negative_lines, largest):
    """Dörfler, Chertkov & Bullo, PNAS 110, 2005 (2013): the stable fixed point, whose largest line angle is known.

    Inertia and damping in proportion to the strength of a node's lines leave the fixed point alone, and make all
    grids equally stiff: the fastest swing has the rate sqrt(2). What is left at the end is at most what the second
    half of the run, in which the slowest rest decays by more than half, has changed.
    """
    grid = load_grid(name, negative_lines=negative_lines)
    strength = grid.network.row_sums()
    model = SecondOrder(grid.network, grid.power, inertia=strength, damping=0.05 * strength)
    start = np.random.default_rng(14).uniform(-0.3, 0.3, grid.n_nodes)
    run = Simulation(model, dt=DT, theta0=grid.angles + start)
    run.advance(STEPS // 2)
    halfway = centered(run.theta[0], strength)
    run.advance(STEPS // 2)
    settled = centered(run.theta[0], strength)
    left = np.abs(settled - halfway).max()
    rounding = STEPS * np.pi * np.finfo(float).eps
    assert left < 1e-6
    assert np.abs(settled - centered(grid.fixed_point(), strength)).max() < left + rounding
    assert abs(np.degrees(grid.max_line_angle(settled)) - largest) < 0.05 + np.degrees(2.0 * left)


def centered(theta, strength):
    """Phases without their common rotation, which no line feels."""
    return np.angle(np.exp(1j * (theta - np.angle((strength * np.exp(1j * theta)).sum()))))
