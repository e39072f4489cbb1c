"""Operating points of published test grids: known line angles, balance and stability."""

import os
from importlib.util import find_spec

import numpy as np
import pytest

from gpu_pipeline.grids import load_grid

pytestmark = pytest.mark.skipif(
    find_spec("pandapower") is None and "pandapower" not in os.environ.get("GPU_PIPELINE_REQUIRE", ""),
    reason="pandapower is not installed; GPU_PIPELINE_REQUIRE=pandapower turns this into a failure",
)

LARGEST_LINE_ANGLE = {"case39": 10.4, "case118": 13.6, "case300": 24.1, "case1354pegase": 14.3}  # degrees
NODES = {"case39": 39, "case118": 118, "case300": 300, "case1354pegase": 1354}


@pytest.fixture(scope="module", params=LARGEST_LINE_ANGLE)
def solved(request):
    """A grid and its fixed point; loading takes seconds."""
    grid = load_grid(request.param)
    return grid, grid.fixed_point()


def test_largest_line_angle_is_the_known_one(solved):
    """Strengths, injections, losses and the solver all enter it; the power-flow angle differs, except for case39."""
    grid, theta = solved
    assert grid.n_nodes == NODES[grid.name]
    assert np.degrees(grid.max_line_angle(theta)) == pytest.approx(LARGEST_LINE_ANGLE[grid.name], abs=0.05)


def test_every_node_is_balanced(solved):
    """Solved on the reduced system, the held node is balanced only if the power sums to zero and K is symmetric."""
    grid, theta = solved
    coupling = grid.network.to_scipy().tocoo()
    flows = coupling.data * np.sin(theta[coupling.row] - theta[coupling.col])
    outflow = np.bincount(coupling.row, flows, grid.n_nodes)
    assert grid.network.is_symmetric
    np.testing.assert_allclose(outflow, grid.power, atol=1e-10)


def stiffness(grid, theta):
    """Eigenvalues of the Jacobian of the outflows, ascending, in p.u. per rad."""
    slopes = grid.network.to_scipy().toarray() * np.cos(theta[:, None] - theta)
    return np.linalg.eigvalsh(np.diag(slopes.sum(axis=1)) - slopes)


@pytest.mark.parametrize("name", LARGEST_LINE_ANGLE)
def test_operating_point_of_positive_lines_is_stable(name):
    """Newton finds saddles as well: at a minimum only the common phase has eigenvalue zero, the rest are positive."""
    grid = load_grid(name, negative_lines="flip")
    theta = grid.fixed_point()
    eigenvalues = stiffness(grid, theta)
    rounding = 1e-13 * eigenvalues[-1]
    assert abs(eigenvalues[0]) < rounding
    assert eigenvalues[1] > 100 * rounding
    assert np.degrees(grid.max_line_angle(theta)) == pytest.approx(LARGEST_LINE_ANGLE[name], abs=0.05)


def test_series_capacitor_makes_case300_a_saddle():
    """The one capacitive line leaves a bus with negative stiffness: that must stay known, not be smoothed over."""
    grid = load_grid("case300")
    flipped = load_grid("case300", negative_lines="flip")
    assert (grid.network.weights < 0).sum() == 2
    eigenvalues = stiffness(grid, grid.fixed_point())
    assert eigenvalues[0] == pytest.approx(-1.447, abs=1e-3)
    assert abs(eigenvalues[1]) < 1e-13 * eigenvalues[-1]
    assert eigenvalues[2] > 0.01
    angles = [each.max_line_angle(each.fixed_point()) for each in (grid, flipped)]
    assert np.degrees(abs(angles[0] - angles[1])) < 1e-3


def test_fixed_point_lies_near_the_power_flow(solved):
    """Losses and shifts are small, so another solution, or turns gained on the way, would show as large angles."""
    grid, theta = solved
    off = (theta - grid.angles) - (theta - grid.angles).mean()
    assert np.abs(off).max() < np.pi / 4
