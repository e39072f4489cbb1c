# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Quickstart
#
# Oscillators that pull at each other's phases: from a thousand fireflies to a power grid. Needs the extras `plot` and
# `grid`: `pip install 'gpu-pipeline[demo]'`. The whole notebook takes well below a minute.

# %%
import tempfile
from pathlib import Path

import networkx as nx
import numpy as np

import gpu_pipeline as gp
from gpu_pipeline import plots

# %% [markdown]
# ## Everyone pulls at everyone
#
# The Kuramoto model: each oscillator turns at its own frequency $\omega_i$ and is drawn towards the mean phase of all,
#
# $$\dot\theta_i = \omega_i + \frac{K}{N} \sum_j \sin(\theta_j - \theta_i).$$
#
# Here the frequencies are Gaussian, and the coupling $K$ is well above the onset.

# %%
n = 2_000
omega = np.random.default_rng(1).normal(0.0, 1.0, n)  # rad/s

model = gp.Kuramoto(gp.MeanField(n), omega, coupling=3.0)
simulation = gp.Simulation(model, dt=0.05, seed=2)
result = simulation.run(400, sample_every=4)
result

# %% [markdown]
# The result is an `xarray.Dataset`: axes have names, and variables have units. The coherence $R$ is the length of the
# mean of $e^{i\theta}$: 0 if the phases are spread out, 1 if all are equal.

# %%
plots.coherence_over_time(result)

# %%
plots.phase_circle(result)

# %% [markdown]
# A simulation goes on from where it stopped: two runs of 100 steps are one of 200.

# %%
more = simulation.run(200, sample_every=4)
float(more.coherence[0, -1]), simulation.step, simulation.time

# %% [markdown]
# ## Many couplings at once
#
# A parameter with one value per *replica* makes as many copies of the system, which run side by side. With Lorentzian
# frequencies of half-width $\Delta$, infinitely many oscillators begin to move together at $K = 2\Delta$, with
# $R = \sqrt{1 - 2\Delta/K}$ (Ott and Antonsen 2008). The fastest few frequencies are cut off: those oscillators drift
# anyway, and would only demand a smaller step.

# %%
coupling = np.array([0.5, 1.0, 1.5, 2.5, 3.0, 4.0, 5.0, 6.0])
n = 5_000
omega = np.clip(np.random.default_rng(3).standard_cauchy(n), -50, 50)

model = gp.Kuramoto(gp.MeanField(n), omega, coupling=coupling)
sweep = gp.Simulation(model, dt=0.05, seed=4).run(2_000, sample_every=20, variables=["coherence"])
sweep = sweep.assign_coords(coupling=("replica", coupling))
plots.onset(sweep, width=1.0)

# %% [markdown]
# ## A network of your own
#
# Any `networkx` graph, `scipy.sparse` matrix or square array is a network. Weights are used as they are: $K$ is not
# divided by the number of neighbors.

# %%
graph = nx.connected_watts_strogatz_graph(n=200, k=8, p=0.1, seed=5)
network = gp.as_network(graph)

omega = np.full(200, 2 * np.pi)  # 1 Hz each
noisy = gp.Kuramoto(network, omega, coupling=0.5, noise=0.1)  # noise in rad^2/s
result = gp.Simulation(noisy, dt=0.01, replicas=4, seed=6).run(2_000, sample_every=10)
plots.coherence_over_time(result)

# %%
plots.phase_raster(result)

# %% [markdown]
# How firmly do two nodes hold together? The phase-locking value compares their phases over time, here over the second
# half of the first replica.

# %%
late = result.theta.isel(replica=0, time=slice(100, None))
locking = gp.phase_locking_matrix(late.values)
np.median(locking[np.triu_indices(200, k=1)]), gp.metastability(result.coherence.values[:, 100:])

# %% [markdown]
# ## A power grid
#
# In a grid the phases have inertia: $M\dot v_i = P_i - \gamma v_i + \sum_j A_{ij}\sin(\theta_j - \theta_i)$. The
# IEEE 39-bus system comes with its line strengths and powers. Pushed off its operating point, it swings back.

# %%
grid = gp.load_grid("case39")
fixed = grid.fixed_point()
push = np.random.default_rng(7).uniform(-0.5, 0.5, grid.n_nodes)

swing = gp.SecondOrder(grid.network, grid.power, inertia=0.2, damping=0.2)
result = gp.Simulation(swing, dt=0.005, theta0=fixed + push).run(4_000, sample_every=8)
plots.line_angles(result, grid.lines, expected=grid.max_line_angle(fixed))

# %%
np.degrees(grid.max_line_angle(result.theta.values[0, -1])), np.degrees(grid.max_line_angle(fixed))

# %% [markdown]
# ## Results on disk
#
# With `store=`, samples go to a Zarr store while the simulation runs, and come back lazily: only what is used is read.

# %%
folder = tempfile.TemporaryDirectory()
store = Path(folder.name) / "swing.zarr"
gp.Simulation(swing, dt=0.005, theta0=fixed + push).run(1_000, sample_every=10, store=store, progress="none")

opened = gp.open_result(store)
opened.attrs["equation"], opened.velocity.isel(time=-1).std().item()

# %% [markdown]
# From here: `gpu-pipeline run examples/small_world.toml` does the same from a file, and `docs/config.md` lists what
# such a file can say.
