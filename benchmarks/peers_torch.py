"""torchdiffeq with fixed steps, and torchsde for the noisy case, both eager and with the addition theorem."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torch

from cases import DT, Case, DType
from contest import Contestant, Method
from peers import columns, parameters, peer

Tensor = torch.Tensor
Velocity = Callable[[Any, Tensor], Tensor]


def _tensors(case: Case, dtype: DType, threads: int) -> tuple[Tensor, Tensor, Tensor]:
    torch.set_num_threads(threads)
    omega, coupling = parameters(case, dtype)
    start = torch.from_numpy(columns(case, case.theta0).astype(dtype))
    return start, torch.from_numpy(omega), torch.as_tensor(coupling)


def _velocity(case: Case, dtype: DType, omega: Tensor, coupling: Tensor) -> Velocity:
    if case.kind == "mean_field":
        return lambda t, y: _mean_field(y, omega, coupling)
    product = _dense_product(case, dtype) if case.kind == "dense" else _sparse_product(case, dtype)

    def velocity(t: Any, y: Tensor) -> Tensor:
        s, c = torch.sin(y), torch.cos(y)
        pull_s, pull_c = product(s, c)
        return torch.addcmul(omega, coupling, torch.addcmul(c * pull_s, s, pull_c, value=-1))

    return velocity


def _mean_field(y: Tensor, omega: Tensor, coupling: Tensor) -> Tensor:
    s, c = torch.sin(y), torch.cos(y)
    return torch.addcmul(torch.addcmul(omega, c, coupling * s.mean()), s, coupling * c.mean(), value=-1)


def _dense_product(case: Case, dtype: DType) -> Callable[[Tensor, Tensor], Any]:
    weights = torch.from_numpy(case.matrix.astype(dtype))
    # linear() with two rows reads the matrix once; two mv() read it twice.
    return lambda s, c: torch.nn.functional.linear(torch.stack((s, c)), weights)


def _sparse_product(case: Case, dtype: DType) -> Callable[[Tensor, Tensor], Any]:
    indptr, indices = case.csr
    arrays = (
        torch.from_numpy(indptr.astype("int32")),
        torch.from_numpy(indices),
        torch.ones(indices.size, dtype=getattr(torch, dtype)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CSR is announced as beta, once
        matrix = torch.sparse_csr_tensor(*arrays, (case.n_nodes, case.n_nodes))
    if case.replicas == 1:  # two products with a vector are faster than one with two columns
        return lambda s, c: (matrix.mv(s), matrix.mv(c))
    return lambda s, c: torch.split(matrix @ torch.cat((s, c), dim=1), case.replicas, dim=1)


def torchdiffeq_peers(case: Case, dtype: DType, threads: int) -> Iterable[Contestant]:
    """``odeint`` from start to end in one call, fixed steps, without gradients."""
    from torchdiffeq import odeint

    if case.noise:
        return
    start, omega, coupling = _tensors(case, dtype, threads)
    velocity = _velocity(case, dtype, omega, coupling)

    def solver(method: Method) -> Callable[[int], Tensor]:
        @torch.inference_mode()
        def solve(n_steps: int) -> Tensor:
            span = torch.tensor([0.0, n_steps * DT], dtype=start.dtype)
            return odeint(velocity, start, span, method=method, options={"step_size": DT})[-1]

        return solve

    methods: tuple[Method, ...] = ("rk4", "euler")
    for method in methods:
        rate = torch.inference_mode()(lambda y: velocity(0.0, y))
        yield peer(f"torchdiffeq, {method}", case, dtype, solver(method), rate, torch.from_numpy, method)


class _Equation(torch.nn.Module):
    """The noisy case as torchsde wants it: a batch of one."""

    noise_type = "diagonal"
    sde_type = "ito"

    def __init__(self, velocity: Velocity, amplitude: float, like: Tensor) -> None:
        super().__init__()
        self.velocity, self.amplitude = velocity, torch.full_like(like, amplitude)[None]

    def f(self, t: Any, y: Tensor) -> Tensor:
        return self.velocity(t, y[0])[None]

    def g(self, t: Any, y: Tensor) -> Tensor:
        return self.amplitude


class _FreshNormals:
    """Independent increments drawn when asked for: enough for fixed steps forwards, without a tree of them."""

    levy_area_approximation = "none"

    def __init__(self, like: Tensor) -> None:
        self.shape, self.dtype, self.device = like.shape, like.dtype, like.device

    def __call__(self, ta: Any, tb: Any, return_U: bool = False, return_A: bool = False) -> Tensor:  # noqa: N803
        return torch.randn(self.shape, dtype=self.dtype) * math.sqrt(float(tb - ta))


def torchsde_peers(case: Case, dtype: DType, threads: int) -> Iterable[Contestant]:
    """``sdeint`` with Euler-Maruyama: with its Brownian tree, and with increments drawn one after another."""
    from torchsde import sdeint

    if not case.noise:
        return
    start, omega, coupling = _tensors(case, dtype, threads)
    velocity = _velocity(case, dtype, omega, coupling)
    equation = _Equation(velocity, math.sqrt(2 * case.noise), start)

    def solver(brownian: Any) -> Callable[[int], Tensor]:
        @torch.inference_mode()
        def solve(n_steps: int) -> Tensor:
            span = torch.tensor([0.0, n_steps * DT], dtype=start.dtype)
            return sdeint(equation, start[None], span, bm=brownian, method="euler", dt=DT)[-1, 0]

        return solve

    for name, brownian in (("", None), (", fresh normals", _FreshNormals(start[None]))):
        rate = torch.inference_mode()(lambda y: velocity(0.0, y))
        yield peer(f"torchsde{name}", case, dtype, solver(brownian), rate, torch.from_numpy, "em")
