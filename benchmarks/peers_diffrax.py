"""diffrax with fixed steps, compiled by XLA; for the noisy case with its virtual Brownian tree and without."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import diffrax
import jax
import jax.numpy as jnp
import lineax
import numpy as np

from cases import DT, Case, DType
from contest import Contestant, Method
from peers import peer
from peers_jax import Array, blocking, start_of, velocity_of


def diffrax_peers(case: Case, dtype: DType, threads: int) -> Iterable[Contestant]:
    """``diffeqsolve`` with constant steps; with noise both with the virtual Brownian tree and without."""
    make = _diffrax_noisy if case.noise else _diffrax_plain
    yield from make(case, dtype)


def _diffrax_solve(dtype: DType, terms: Callable[[Array], Any], solver: Any) -> Callable[..., Array]:
    @jax.jit
    def solve(y: Array, network: Any, n_steps: Array) -> Array:
        end = n_steps * jnp.asarray(DT, dtype)
        solution = diffrax.diffeqsolve(
            terms(end),
            solver,
            jnp.zeros((), dtype),
            end,
            jnp.asarray(DT, dtype),
            y,
            args=network,
            saveat=diffrax.SaveAt(t1=True),
            max_steps=None,
            adjoint=diffrax.ForwardMode(),  # the cheapest forward loop; no gradient is taken
        )
        return solution.ys[0]

    return solve


class _RK4(diffrax.AbstractERK):  # type: ignore[misc]
    """The classical fourth-order tableau, which diffrax leaves to its users."""

    tableau: ClassVar[Any] = diffrax.ButcherTableau(
        a_lower=(np.array([0.5]), np.array([0.0, 0.5]), np.array([0.0, 0.0, 1.0])),
        b_sol=np.array([1, 2, 2, 1]) / 6,
        b_error=np.zeros(4),
        c=np.array([0.5, 0.5, 1.0]),
    )
    interpolation_cls: ClassVar[Any] = diffrax.ThirdOrderHermitePolynomialInterpolation.from_k

    def order(self, terms: Any) -> int:
        return 4


def _diffrax_plain(case: Case, dtype: DType) -> Iterable[Contestant]:
    velocity, network = velocity_of(case, dtype)
    solvers: tuple[tuple[Method, Any], ...] = (("rk4", _RK4()), ("euler", diffrax.Euler()))
    for method, solver in solvers:
        run = _diffrax_solve(dtype, lambda end: diffrax.ODETerm(velocity), solver)
        solve = blocking(run, start_of(case, dtype), network)
        rate = lambda y: velocity(0.0, y, network)  # noqa: E731
        yield peer(f"diffrax, {method}", case, dtype, solve, rate, jnp.asarray, method)


def _diffrax_noisy(case: Case, dtype: DType) -> Iterable[Contestant]:
    velocity, network = velocity_of(case, dtype)
    amplitude = jnp.full(case.n_nodes, math.sqrt(2 * case.noise), dtype)
    key, like = jax.random.key(1), jax.ShapeDtypeStruct((case.n_nodes,), jnp.dtype(dtype))
    zero = jnp.zeros((), dtype)
    paths = {
        "without Brownian tree": lambda end: diffrax.UnsafeBrownianPath(like, key),
        "with Brownian tree": lambda end: diffrax.VirtualBrownianTree(zero, end, DT / 2, like, key),
    }
    for name, path in paths.items():

        def terms(end: Array, path: Callable[[Array], Any] = path) -> Any:
            kicks = diffrax.ControlTerm(lambda t, y, args: lineax.DiagonalLinearOperator(amplitude), path(end))
            return diffrax.MultiTerm(diffrax.ODETerm(velocity), kicks)

        solve = blocking(_diffrax_solve(dtype, terms, diffrax.Euler()), start_of(case, dtype), network)
        rate = lambda y: velocity(0.0, y, network)  # noqa: E731
        yield peer(f"diffrax, {name}", case, dtype, solve, rate, jnp.asarray, "em")
