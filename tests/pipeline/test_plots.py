"""Figures: that they show the numbers of the result, on any machine."""

import math
import sys

import numpy as np
import pytest
import xarray as xr

from gpu_pipeline.errors import InputError

pytest.importorskip("matplotlib", reason="figures need matplotlib")

from gpu_pipeline import plots


def dataset(replicas: int = 2, times: int = 50, nodes: int = 30, *, coupling: bool = False) -> xr.Dataset:
    """A result of the form that a simulation returns: phases that gather at a rate of their own in each replica."""
    rng = np.random.default_rng(1)
    time = 0.1 * np.arange(times)
    rate = np.linspace(0.2, 1.5, replicas)
    start = rng.uniform(-math.pi, math.pi, (replicas, 1, nodes))
    theta = start * np.exp(-rate[:, None] * time)[..., None] + 0.8 * time[:, None]
    theta = (theta + math.pi) % (2 * math.pi) - math.pi
    order = np.exp(1j * theta).mean(axis=-1)
    dims = ("replica", "time", "node")
    result = xr.Dataset(
        {
            "theta": (dims, theta),
            "velocity": (dims, np.gradient(start * np.exp(-rate[:, None] * time)[..., None], time, axis=1)),
            "coherence": (dims[:2], np.abs(order)),
            "mean_phase": (dims[:2], np.angle(order)),
        },
        coords={"replica": np.arange(replicas), "time": time, "node": np.arange(nodes)},
    )
    return result.assign_coords(coupling=("replica", np.linspace(0.5, 6, replicas))) if coupling else result


def test_coherence_shows_every_replica_and_their_mean():
    """A mean of one axis too many would draw a single level."""
    data = dataset(replicas=3)
    axes = plots.coherence_over_time(data).axes[0]
    drawn = [line.get_ydata() for line in axes.get_lines()]
    np.testing.assert_array_equal(drawn[:3], data["coherence"])
    np.testing.assert_allclose(drawn[3], data["coherence"].mean("replica"))
    assert axes.get_xlabel() == "time (s)"


def test_coherence_of_different_couplings_is_not_averaged():
    """Replicas below and above the onset have no common mean; the legend tells them apart instead."""
    axes = plots.coherence_over_time(dataset(replicas=3, coupling=True)).axes[0]
    assert len(axes.get_lines()) == 3
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["6", "3.25", "0.5"]


def test_raster_puts_nodes_up_and_time_right():
    """A transposed image of a square raster looks as plausible."""
    data = dataset(times=40, nodes=40)
    axes = plots.phase_raster(data, replica=1).axes[0]
    image = axes.get_images()[0]
    np.testing.assert_array_equal(image.get_array(), data["theta"][1].values.T)
    assert image.get_clim() == (-math.pi, math.pi)
    assert image.origin == "lower"
    colors = image.cmap([0.0, 1.0])
    np.testing.assert_allclose(colors[0], colors[1], atol=0.05, err_msg="-pi and pi are the same phase")


def test_large_rasters_are_thinned_out():
    """A hundred thousand nodes would make an image that no page shows and few machines draw."""
    data = dataset(replicas=1, times=4, nodes=4001)
    image = plots.phase_raster(data).axes[0].get_images()[0]
    assert image.get_array().shape == (1334, 4)
    np.testing.assert_array_equal(image.get_array()[:, 0], data["theta"].values[0, 0, ::3])
    assert image.get_extent()[3] == 4000.5


def test_circle_points_its_arrow_at_the_order_parameter():
    """The arrow is computed anew: it must agree with the coherence of the result."""
    data = dataset()
    axes = plots.phase_circle(data, replica=1).axes[0]
    tip = axes.texts[0].xy
    assert math.hypot(*tip) == pytest.approx(float(data["coherence"][1, -1]))
    assert math.atan2(tip[1], tip[0]) == pytest.approx(float(data["mean_phase"][1, -1]))


def test_onset_leaves_the_burn_in_out():
    """The approach from random phases would pull every average down."""
    data = dataset(replicas=4, coupling=True)
    figure = plots.onset(data, burn_in=0.6, width=1.0)
    points = figure.axes[0].containers[0].lines[0]
    np.testing.assert_allclose(points.get_ydata(), data["coherence"][:, 30:].mean("time"))
    np.testing.assert_allclose(points.get_xdata(), data["coupling"])


def test_line_angles_are_taken_around_the_circle():
    """Phases of 3.1 and -3.1 differ by 4.8 degrees, not by 355."""
    data = dataset(replicas=1, times=3, nodes=3)
    data["theta"][0, :, :] = np.array([3.1, -3.1, 3.05])
    axes = plots.line_angles(data, [[0, 1], [0, 2]], expected=0.1).axes
    largest = axes[0].get_lines()[2].get_ydata()
    np.testing.assert_allclose(largest, math.degrees(2 * math.pi - 6.2))
    assert len(axes) == 2
    assert axes[1].get_ylabel() == "frequency deviation (Hz)"


def test_line_angles_do_without_velocity():
    """A result may hold theta alone."""
    assert len(plots.line_angles(dataset().drop_vars("velocity"), [[0, 1]]).axes) == 1


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_figures_are_written_without_display_or_pyplot(tmp_path, suffix, monkeypatch):
    """Batch nodes have no display, and figures left open in pyplot pile up."""
    monkeypatch.delenv("DISPLAY", raising=False)
    path = tmp_path / f"figure.{suffix}"
    path.write_bytes(plots.encode(plots.coherence_over_time(dataset()), suffix=suffix))
    assert path.stat().st_size > 2000
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()


def test_notebooks_show_the_figure_itself():
    """Pyplot does not know these figures, so that only their own method can draw them."""
    assert plots.phase_circle(dataset())._repr_png_().startswith(b"\x89PNG")


def test_missing_variable_is_named():
    """Users choose variables; the figure that needs another one has to say which."""
    with pytest.raises(InputError, match="no 'theta', which this figure shows; it has coherence"):
        plots.phase_raster(dataset()[["coherence"]])


def test_missing_replica_is_named():
    """Position 2 of two replicas is the usual slip."""
    with pytest.raises(InputError, match="replica is 2, but the result has 2; choose one from 0 to 1"):
        plots.phase_circle(dataset(), replica=2)


def test_missing_matplotlib_gives_the_command(monkeypatch):
    """Matplotlib is an extra: the first user without it needs one line, not a traceback."""
    plots._figure_class.cache_clear()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(InputError, match=r"pip install 'gpu-pipeline\[plot\]'"):
        plots.coherence_over_time(dataset())
