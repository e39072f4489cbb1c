"""Power grids: closed-form fixed points, refusals, and the way from a pandapower network to nodes."""

import importlib
import math
import os
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from gpu_pipeline.errors import InputError, IntegrationError, ShapeError
from gpu_pipeline.grids import PowerGrid, from_pandapower, load_grid
from gpu_pipeline.networks import from_edges

needs_pandapower = pytest.mark.skipif(
    find_spec("pandapower") is None and "pandapower" not in os.environ.get("GPU_PIPELINE_REQUIRE", ""),
    reason="pandapower is not installed; GPU_PIPELINE_REQUIRE=pandapower turns this into a failure",
)


def grid_of(edges, power, angles=None):
    """A grid written down by hand from rows (i, j, K)."""
    power = np.array(power, dtype=np.float64)
    return PowerGrid(
        name="by hand",
        network=from_edges(edges, power.size),
        power=power,
        bus_ids=np.arange(power.size),
        lines=np.array(edges, dtype=np.float64)[:, :2].astype(np.int32),
        angles=np.zeros(power.size) if angles is None else np.array(angles),
    )


def test_fixed_point_of_a_tree_is_the_arcsine_of_its_flows():
    """On a tree every flow is known: angles are arcsin(flow / K), with the sign from producer to consumer."""
    grid = grid_of([[0, 1, 2.0], [1, 2, 1.0], [1, 3, 4.0]], [1.9, -0.5, -0.9, -0.5])
    theta = grid.fixed_point()
    want = [math.asin(1.9 / 2), math.asin(0.9), math.asin(0.5 / 4)]
    np.testing.assert_allclose(theta[[0, 1, 1]] - theta[[1, 2, 3]], want, rtol=1e-13)
    assert grid.max_line_angle(theta) == pytest.approx(math.asin(1.9 / 2), rel=1e-13)


def test_fixed_point_of_a_mesh_balances_every_node():
    """A mesh has loop flows, and one of its lines a negative strength, as a series capacitor gives it."""
    edges = [[0, 1, 3.0], [1, 2, 2.0], [2, 3, 3.0], [3, 0, 2.5], [0, 2, -0.5]]
    grid = grid_of(edges, [0.8, -0.3, -0.9, 0.4])
    theta = grid.fixed_point()
    outflow = (grid.network.to_scipy().toarray() * np.sin(theta[:, None] - theta)).sum(axis=1)
    np.testing.assert_allclose(outflow, grid.power, atol=1e-13)


def test_separate_parts_are_each_solved():
    """One held node for two separate parts leaves a singular matrix."""
    grid = grid_of([[0, 1, 1.0], [2, 3, 1.0]], [0.5, -0.5, -0.1, 0.1])
    theta = grid.fixed_point()
    np.testing.assert_allclose(theta[[0, 2]] - theta[[1, 3]], [math.pi / 6, -math.asin(0.1)], rtol=1e-13)


@pytest.mark.parametrize(
    "grid",
    [
        grid_of([[0, 1, 1.0]], [1.1, -1.1]),
        grid_of([[0, 1, 1.0], [1, 2, 1.0]], [0.1, -0.1, 0.0], angles=[math.pi / 2, 0.0, math.pi / 2]),
    ],
    ids=["overloaded line", "singular start"],
)
def test_fixed_point_that_cannot_be_found_is_an_error(grid):
    """The last iterate of a Newton method that failed looks like an answer."""
    with pytest.raises(IntegrationError, match="no fixed point"):
        grid.fixed_point()


def test_line_angle_ignores_whole_turns():
    """Wrapped phases on both sides of pi differ by almost a turn, but the line does not."""
    grid = grid_of([[0, 1, 1.0], [1, 2, 1.0]], [0.0, 0.0, 0.0])
    assert grid.max_line_angle([3.1, -3.1, -3.05]) == pytest.approx(math.tau - 6.2)
    with pytest.raises(ShapeError, match=r"theta has shape \(2,\), expected \(3,\)"):
        grid.max_line_angle([0.0, 0.0])


@pytest.mark.parametrize(
    ("power", "words"),
    [
        ([1.0, -0.5, 0.0, 0.0], r"power sums to 0\.5 in connected part 0"),
        ([0.5, -0.5, 0.1, 0.0], r"power sums to 0\.1 in connected part 1"),
        ([0.5, -0.4, -0.1, 0.0], "power sums to -?0.1 in connected part"),
        ([1.0, np.nan, 0.0, 0.0], r"power\[1\] is nan"),
    ],
)
def test_grid_refuses_power_without_balance(power, words):
    """An unbalanced part drifts forever, and balance of the whole hides it; the held node would take the rest."""
    with pytest.raises(InputError, match=words):
        grid_of([[0, 1, 1.0], [2, 3, 1.0]], power)


def test_grid_refuses_arrays_of_another_size():
    """A vector of another length would be spread over the nodes or fail far away."""
    with pytest.raises(ShapeError, match=r"angles has shape \(3,\), expected \(2,\)"):
        grid_of([[0, 1, 1.0]], [1.0, -1.0], angles=[0.0, 0.0, 0.0])


def test_missing_pandapower_is_answered_with_the_command(monkeypatch):
    """An optional package that is missing must not surface as a traceback."""
    monkeypatch.setitem(sys.modules, "pandapower", None)
    with pytest.raises(InputError, match=r"pandapower cannot be imported.*pip install 'gpu-pipeline\[grid\]'"):
        load_grid("case39")
    with pytest.raises(InputError, match=r"pip install 'gpu-pipeline\[grid\]'"):
        from_pandapower(object())


def test_unknown_grid_is_answered_with_the_names():
    """A name goes into an attribute of pandapower.networks: anything but a grid must stop before."""
    with pytest.raises(InputError, match=r"'case40' is unknown, expected one of .*case39"):
        load_grid("case40")


@pytest.fixture(scope="module")
def pp():
    """Pandapower, whose import takes seconds."""
    return importlib.import_module("pandapower")


def switched_net(pp):
    """Numbered with gaps: bus 30 joined to 10 by a switch, bus 40 out of service, a three-winding transformer."""
    net = pp.create_empty_network(sn_mva=100.0)
    for bus, kv in ((10, 110.0), (20, 110.0), (30, 110.0), (40, 110.0), (50, 20.0), (60, 10.0)):
        pp.create_bus(net, kv, index=bus, in_service=bus != 40)
    pp.create_ext_grid(net, 10)
    pp.create_switch(net, 10, 30, et="b")
    line = {"r_ohm_per_km": 0.1, "x_ohm_per_km": 0.4, "c_nf_per_km": 10.0, "max_i_ka": 0.6}
    pp.create_line_from_parameters(net, 30, 20, 20.0, **line)
    pp.create_transformer3w(net, 20, 50, 60, "63/25/38 MVA 110/20/10 kV")
    pp.create_load(net, 20, p_mw=30.0)
    pp.create_load(net, 50, p_mw=10.0)
    pp.create_shunt(net, 20, q_mvar=0.0, p_mw=5.0)
    return net


@needs_pandapower
def test_nodes_lead_back_to_buses(pp):
    """Pandapower sorts, merges, drops and adds buses on its way to the equations."""
    net = switched_net(pp)
    before = net.res_bus.copy()
    grid = from_pandapower(net, name="switched")
    assert net.res_bus.equals(before)
    assert sorted(grid.bus_ids.tolist()) == [-1, 10, 20, 50, 60]
    pp.runpp(net, numba=False)
    for node, bus in enumerate(grid.bus_ids):
        if bus >= 0:
            assert math.degrees(grid.angles[node]) == pytest.approx(net.res_bus.va_degree[bus], abs=1e-9)


@needs_pandapower
def test_injections_are_loads_and_shunts_less_one_share_of_the_losses(pp):
    """A shunt is a load: counted as a loss, it would be charged to every node."""
    net = switched_net(pp)
    grid = from_pandapower(net)
    pp.runpp(net, numba=False)
    losses = (net.res_line.pl_mw.sum() + net.res_trafo3w.pl_mw.sum()) / 100
    want = {-1: 0.0, 10: net.res_ext_grid.p_mw[0] / 100, 20: -(30 + net.res_shunt.p_mw[0]) / 100, 50: -0.1, 60: 0.0}
    for node, bus in enumerate(grid.bus_ids.tolist()):
        assert grid.power[node] == pytest.approx(want[bus] - losses / 5, abs=1e-8)


@needs_pandapower
def test_strengths_are_those_of_the_lines(pp):
    """Im Y of one line is x / (r^2 + x^2): the sign, the base and the voltages enter once each."""
    net = pp.create_empty_network(sn_mva=50.0)
    pp.create_buses(net, 2, 110.0)
    pp.create_ext_grid(net, 0, vm_pu=1.02)
    pp.create_gen(net, 1, p_mw=0.0, vm_pu=0.98)
    pp.create_line_from_parameters(net, 0, 1, 10.0, 0.1, 0.4, 0.0, 1.0)
    grid = from_pandapower(net)
    r, x = 1.0 * 50 / 110**2, 4.0 * 50 / 110**2
    np.testing.assert_allclose(grid.network.weights, 1.02 * 0.98 * x / (r * r + x * x), rtol=1e-12)
    assert grid.lines.tolist() == [[0, 1]]


@needs_pandapower
def test_power_flow_without_solution_is_an_error(pp):
    """Voltages of a power flow that did not converge are no operating point."""
    net = switched_net(pp)
    net.load.p_mw *= 1e4
    with pytest.raises(IntegrationError, match="power flow of heavy did not converge"):
        from_pandapower(net, name="heavy")


@needs_pandapower
def test_other_objects_and_options_are_refused(pp):
    """A dict looks enough like a network to fail deep inside, and a misspelled option would keep the signs."""
    with pytest.raises(InputError, match="net is dict, expected a pandapower network"):
        from_pandapower({})
    with pytest.raises(InputError, match="negative_lines is 'drop', expected 'keep' or 'flip'"):
        from_pandapower(pp.create_empty_network(), negative_lines="drop")
