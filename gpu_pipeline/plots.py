"""Figures of a result: one function per figure, Dataset in, matplotlib Figure out.

The figures are objects of their own, free of pyplot's state: they work in scripts, notebooks, threads and on machines
without a display. Colors can be told apart with any color vision; phases get a color map that closes on itself.
"""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gpu_pipeline.errors import InputError
from gpu_pipeline.theory import lorentzian_coherence, noisy_coherence

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "coherence_over_time",
    "encode",
    "line_angles",
    "onset",
    "phase_circle",
    "phase_raster",
]

BLUE, ORANGE, GREEN, RED, GRAY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#5F6B76"
"""Okabe-Ito colors: distinct for every common kind of color vision, and in print."""

MOST_ROWS: Final = 1500
"""A raster has no more rows or columns than this: more than a page can show."""

# The keys are Literals in some versions of matplotlib, and plain strings in others.
_STYLE: Final[dict[Any, Any]] = {
    "axes.grid": True,
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11.5,
    "figure.constrained_layout.use": True,
    "figure.dpi": 100,
    "font.size": 10.5,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
}


@cache
def _figure_class() -> type["Figure"]:
    """Return the class of the figures, which notebooks can show although pyplot does not know them."""
    try:
        from matplotlib.figure import Figure
    except ImportError as exc:
        message = f"matplotlib cannot be imported ({exc}), and figures need it; run: pip install 'gpu-pipeline[plot]'"
        raise InputError(message) from None

    class ResultFigure(Figure):
        def _repr_png_(self) -> bytes:
            return encode(self)

    return ResultFigure


@contextmanager
def _figure(width: float = 6.4, height: float = 4.0) -> Iterator["Figure"]:
    """Open a figure in the house style."""
    figure_class = _figure_class()
    from matplotlib import rc_context

    with rc_context(_STYLE):
        yield figure_class(figsize=(width, height))


def encode(figure: "Figure", *, suffix: str = "png", dpi: int = 150) -> bytes:
    """Contents of an image file that shows the figure.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        From one of the functions here, or any other.
    suffix : {"png", "svg", "pdf"}, default "png"
        Format.
    dpi : int, default 150
        Pixels per inch, of what is not drawn as lines and text.

    Returns
    -------
    contents : bytes
    """
    from matplotlib import rc_context

    buffer = io.BytesIO()
    # Text stays text, which keeps it searchable and the file small.
    with rc_context({"svg.fonttype": "none", "pdf.fonttype": 42}):
        figure.savefig(buffer, format=suffix, dpi=dpi)
    return buffer.getvalue()


def _need(dataset: "xr.Dataset", *names: str) -> None:
    missing = [name for name in names if name not in dataset]
    if missing:
        raise InputError(
            f"the result has no {missing[0]!r}, which this figure shows; it has {', '.join(map(str, dataset))}"
        )


def coherence_over_time(dataset: "xr.Dataset") -> "Figure":
    """Coherence of every replica over time, with their mean.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``coherence`` (replica, time).

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the variable is missing, or matplotlib is not installed.
    """
    _need(dataset, "coherence")
    coherence = dataset["coherence"].transpose("replica", "time")
    time, rows = coherence["time"].values, coherence.values
    with _figure() as figure:
        axes = figure.subplots()
        if len(rows) == 1:
            axes.plot(time, rows[0], color=BLUE)
        elif "coupling" in coherence.coords:
            _replicas_by_coupling(axes, time, rows, coherence["coupling"].values)
        else:
            axes.plot(time, rows.T, color=BLUE, alpha=max(0.15, min(0.6, 4 / len(rows))), linewidth=0.9)
            axes.plot(time, rows.mean(axis=0), color=RED, linewidth=2.2, label=f"mean of {len(rows)} replicas")
            axes.legend(loc="best")
        axes.set(xlabel="time (s)", ylabel="coherence R", ylim=(0, 1.02), xlim=(time[0], time[-1]))
    return figure


def _replicas_by_coupling(axes: "Axes", time: NDArray[np.float64], rows: ArrayLike, coupling: ArrayLike) -> None:
    """One color per coupling, light for weak and dark for strong; their mean would mean nothing."""
    from matplotlib import colormaps

    order = np.argsort(coupling)
    shades = colormaps["viridis_r"](np.linspace(0.12, 1.0, len(order)))
    for shade, replica in zip(shades, order, strict=True):
        axes.plot(
            time, np.asarray(rows)[replica], color=shade, label=f"{np.asarray(coupling)[replica]:g}", linewidth=1.3
        )
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], labels[::-1], title="K (rad/s)", loc="center left", bbox_to_anchor=(1.0, 0.5))


def phase_raster(dataset: "xr.Dataset", *, replica: int = 0) -> "Figure":
    """Phases as colors, nodes over time; large rasters are thinned out, never averaged.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``theta`` (replica, time, node).
    replica : int, default 0
        Position along ``replica``.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the variable or the replica is missing, or matplotlib is not installed.
    """
    theta = _replica(dataset, "theta", replica)
    every = {dim: max(1, math.ceil(theta.sizes[dim] / MOST_ROWS)) for dim in ("node", "time")}
    thin = theta.isel({dim: slice(None, None, step) for dim, step in every.items()}).transpose("node", "time")
    time = theta["time"].values
    with _figure(6.8, 4.0) as figure:
        axes = figure.subplots()
        axes.grid(visible=False)
        extent = (float(time[0]), float(time[-1]), -0.5, theta.sizes["node"] - 0.5)
        image = axes.imshow(thin.values, origin="lower", extent=extent, cmap="twilight", interpolation="nearest")
        image.set_clim(-math.pi, math.pi)
        axes.set_aspect("auto")
        bar = figure.colorbar(image, ax=axes, pad=0.02, ticks=[-math.pi, -math.pi / 2, 0, math.pi / 2, math.pi])
        bar.ax.set_yticklabels(["−π", "−π/2", "0", "π/2", "π"])
        bar.set_label("phase θ (rad)")
        axes.set(xlabel="time (s)", ylabel="node")
    return figure


def _replica(dataset: "xr.Dataset", name: str, replica: int) -> "xr.DataArray":
    _need(dataset, name)
    count = dataset.sizes["replica"]
    if not -count <= replica < count:
        raise InputError(f"replica is {replica}, but the result has {count}; choose one from 0 to {count - 1}")
    return dataset[name].isel(replica=replica)


def phase_circle(dataset: "xr.Dataset", *, replica: int = 0) -> "Figure":
    """Final phases on the unit circle, with the order parameter as an arrow.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``theta`` (replica, time, node).
    replica : int, default 0
        Position along ``replica``.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the variable or the replica is missing, or matplotlib is not installed.
    """
    last = _replica(dataset, "theta", replica).isel(time=-1)
    points = np.exp(1j * last.values.astype(np.float64))
    order, time = points.mean(), float(last["time"])
    with _figure(4.2, 4.2) as figure:
        axes = figure.subplots()
        circle = np.exp(1j * np.linspace(0, 2 * math.pi, 361))
        axes.plot(circle.real, circle.imag, color=GRAY, linewidth=0.8, alpha=0.6)
        axes.scatter(
            points.real,
            points.imag,
            s=26,
            color=BLUE,
            alpha=max(0.05, min(0.7, 60 / points.size)),
            linewidths=0,
            zorder=3,
        )
        head = {"arrowstyle": "-|>", "color": RED, "linewidth": 2.2, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 16}
        axes.annotate("", xy=(order.real, order.imag), xytext=(0, 0), arrowprops=head, zorder=4)
        axes.set(aspect="equal", xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), xlabel="cos θ", ylabel="sin θ")
        axes.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1], title=f"t = {time:g} s, R = {abs(order):.3f}")
    return figure


def onset(
    dataset: "xr.Dataset",
    *,
    burn_in: float = 0.5,
    width: float | None = None,
    noise: float | None = None,
    band: ArrayLike | None = None,
) -> "Figure":
    """Time-averaged coherence against coupling, with the theory where one is given.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``coherence`` (replica, time) and the coordinate ``coupling`` (replica) in rad/s.
    burn_in : float, default 0.5
        Share of the time left out of the average.
    width : float, optional
        Half-width of Lorentzian frequencies, rad/s: draws `theory.lorentzian_coherence`.
    noise : float, optional
        Diffusion of identical oscillators, rad^2/s: draws `theory.noisy_coherence`.
    band : array_like of float, optional
        Half-length of the error bars, one per replica.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the variable or the coordinate is missing, or matplotlib is not installed.
    """
    _need(dataset, "coherence", "coupling")
    coupling = np.asarray(dataset["coupling"].values, dtype=np.float64)
    late = dataset["coherence"].isel(time=slice(int(burn_in * dataset.sizes["time"]), None))
    fine = np.linspace(0, 1.08 * coupling.max(), 800)
    with _figure() as figure:
        axes = figure.subplots()
        if width is not None:
            axes.plot(fine, lorentzian_coherence(fine, width), color=ORANGE, label="theory: √(1 − 2Δ/K)")
            axes.axvline(2 * width, color=GRAY, linewidth=0.9, linestyle=":", label="onset K = 2Δ")
        if noise is not None:
            axes.plot(fine, noisy_coherence(fine, noise), color=ORANGE, label="theory: R = I₁(KR/D) / I₀(KR/D)")
            axes.axvline(2 * noise, color=GRAY, linewidth=0.9, linestyle=":", label="onset K = 2D")
        axes.errorbar(
            coupling,
            late.mean("time").values,
            yerr=band,
            fmt="o",
            color=BLUE,
            markersize=5.5,
            capsize=3,
            label="simulation",
        )
        axes.set(xlabel="coupling K (rad/s)", ylabel="mean coherence R", xlim=(0, fine[-1]), ylim=(-0.02, 1.02))
        axes.legend(loc="lower right")
    return figure


def line_angles(
    dataset: "xr.Dataset", lines: ArrayLike, *, replica: int = 0, expected: float | None = None
) -> "Figure":
    """Angles across the lines of a grid over time, and the frequency deviation of its buses below.

    Parameters
    ----------
    dataset : xarray.Dataset
        With ``theta`` (replica, time, node), and ``velocity`` if there is any.
    lines : array_like of int, shape (E, 2)
        The two ends of each line.
    replica : int, default 0
        Position along ``replica``.
    expected : float, optional
        Largest angle across a line at the fixed point, rad; drawn as a level.

    Returns
    -------
    figure : matplotlib.figure.Figure

    Raises
    ------
    InputError
        If the variable or the replica is missing, or matplotlib is not installed.
    """
    theta = _replica(dataset, "theta", replica).transpose("time", "node")
    time, ends = theta["time"].values, np.asarray(lines)
    difference = theta.values[:, ends[:, 0]] - theta.values[:, ends[:, 1]]
    degrees = np.degrees(np.abs((difference + math.pi) % (2 * math.pi) - math.pi))
    with _figure(6.4, 5.4 if "velocity" in dataset else 3.8) as figure:
        top, *below = figure.subplots(2 if "velocity" in dataset else 1, 1, sharex=True, squeeze=False)[:, 0]
        top.plot(time, degrees, color=BLUE, alpha=0.2, linewidth=0.6)
        top.plot(time, degrees.max(axis=1), color=RED, linewidth=1.6, label=f"largest of {len(ends)} lines")
        if expected is not None:
            top.axhline(math.degrees(expected), color="black", linestyle="--", linewidth=1, label="fixed point")
        top.set(ylabel="line angle (degrees)", xlim=(time[0], time[-1]), ylim=(0, None))
        top.legend(loc="upper right")
        for axes in below:
            velocity = _replica(dataset, "velocity", replica).transpose("time", "node")
            axes.plot(time, velocity.values / (2 * math.pi), color=BLUE, alpha=0.25, linewidth=0.6)
            axes.set(ylabel="frequency deviation (Hz)")
        (below or [top])[-1].set(xlabel="time (s)")
    return figure
