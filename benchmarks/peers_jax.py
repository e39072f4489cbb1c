"""JAX with the addition theorem in a loop written by hand; diffrax gets the same right-hand side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cases import DT, Case, DType
from contest import Contestant, Method
from peers import columns, parameters, peer

Array = Any
Velocity = Callable[[Any, Array, Any], Array]
jax.config.update("jax_enable_x64", True)


def start_of(case: Case, dtype: DType) -> Array:
    """Phases at the start."""
    return jnp.asarray(columns(case, case.theta0).astype(dtype))


def velocity_of(case: Case, dtype: DType) -> tuple[Velocity, Any]:
    """``velocity(t, y, network)`` and the network, whose arrays are arguments and not constants of the program."""
    omega, coupling = (jnp.asarray(x) for x in parameters(case, dtype))
    if case.kind == "mean_field":
        network, product = jnp.full(case.n_nodes, 1 / case.n_nodes, dtype), _mean_field_product
    elif case.kind == "dense":
        network, product = jnp.asarray(case.matrix.astype(dtype)), _dense_product
    else:
        network, product = _sparse(case, dtype)

    def velocity(t: Any, y: Array, network: Any) -> Array:
        s, c = jnp.sin(y), jnp.cos(y)
        pull_s, pull_c = product(network, s, c)
        return omega + coupling * (c * pull_s - s * pull_c)

    return velocity, network


def _mean_field_product(share: Array, s: Array, c: Array) -> tuple[Array, Array]:
    return s @ share, c @ share  # twice as fast as mean(), which XLA adds up one by one on a CPU


def _dense_product(weights: Array, s: Array, c: Array) -> tuple[Array, Array]:
    pulls = weights @ jnp.stack([s, c], axis=1)  # one read of the matrix; two products with a vector read it twice
    return pulls[:, 0], pulls[:, 1]


def _sparse(case: Case, dtype: DType) -> tuple[Any, Callable[[Any, Array, Array], tuple[Array, Array]]]:
    """BCSR for many columns; for one, rows padded to equal length, which was faster than segment sums and BCOO."""
    indptr, indices = case.csr
    if case.replicas > 1:
        from jax.experimental.sparse import BCSR

        parts = jnp.ones(indices.size, dtype), jnp.asarray(indices), jnp.asarray(indptr.astype(np.int32))
        return BCSR(parts, shape=(case.n_nodes, case.n_nodes)), _bcsr_product
    degrees = np.diff(indptr)
    padded = np.full((int(degrees.max()), case.n_nodes), case.n_nodes, np.int32)
    padded[np.arange(indices.size) - np.repeat(indptr[:-1], degrees), case.row_of_edge] = indices
    return jnp.asarray(padded), _padded_product


def _bcsr_product(matrix: Any, s: Array, c: Array) -> tuple[Array, Array]:
    pulls = matrix @ jnp.concatenate([s, c], axis=1)
    return pulls[:, : s.shape[1]], pulls[:, s.shape[1] :]


def _padded_product(neighbors: Array, s: Array, c: Array) -> tuple[Array, Array]:
    table = jnp.concatenate([jnp.stack([s, c], axis=1), jnp.zeros((1, 2), s.dtype)])  # the last row is nobody
    # Without the promise XLA clamps every index, which doubles the time.
    pulls = table.at[neighbors[0]].get(mode="promise_in_bounds")
    for k in range(1, neighbors.shape[0]):
        pulls = pulls + table.at[neighbors[k]].get(mode="promise_in_bounds")
    return pulls[:, 0], pulls[:, 1]


def _rk4_step(velocity: Velocity, y: Array, network: Any) -> Array:
    k1 = velocity(0.0, y, network)
    k2 = velocity(0.0, y + DT / 2 * k1, network)
    k3 = velocity(0.0, y + DT / 2 * k2, network)
    k4 = velocity(0.0, y + DT * k3, network)
    return y + DT / 6 * (k1 + 2 * (k2 + k3) + k4)


def blocking(solve: Callable[..., Array], *arguments: Any) -> Callable[[int], Array]:
    """``solve`` with its arguments bound, returning when the result is there."""
    return lambda n_steps: solve(*arguments, n_steps).block_until_ready()


def jax_peers(case: Case, dtype: DType, threads: int) -> Iterable[Contestant]:
    """``lax.fori_loop`` by hand: what JAX can do without a solver library around it."""
    velocity, network = velocity_of(case, dtype)
    scale = math.sqrt(2 * case.noise * DT)

    def rk4(y: Array, network: Any, n_steps: int) -> Array:
        return jax.lax.fori_loop(0, n_steps, lambda _, y: _rk4_step(velocity, y, network), y)

    def em(y: Array, network: Any, n_steps: int) -> Array:
        def step(k: Array, y: Array) -> Array:
            kick = jax.random.normal(jax.random.fold_in(key, k), y.shape, y.dtype)
            return y + DT * velocity(0.0, y, network) + scale * kick

        return jax.lax.fori_loop(0, n_steps, step, y)

    key = jax.random.key(1)
    method: Method = "em" if case.noise else "rk4"
    solve = blocking(jax.jit(em if case.noise else rk4), start_of(case, dtype), network)
    yield peer(f"jax loop, {method}", case, dtype, solve, lambda y: velocity(0.0, y, network), jnp.asarray, method)
