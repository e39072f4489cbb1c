"""Compile the time loop for one variant, once per process and cached on disk between processes."""

from __future__ import annotations

import hashlib
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal

from numba import njit

from gpu_pipeline.kernels.cpu import advance as templates
from gpu_pipeline.kernels.cpu import couplings, passes, programs
from gpu_pipeline.kernels.cpu.angles import Binary32, Radians64
from gpu_pipeline.kernels.cpu.layout import Layout

NetworkKind = Literal["mean_field", "dense", "sparse", "sparse_unweighted"]
Order = Literal["first", "second", "splitting"]


@dataclass(frozen=True)
class Variant:
    """What decides which machine code runs.

    Attributes
    ----------
    order : {"first", "second", "splitting"}
        Kuramoto, swing equation by Runge-Kutta, swing equation by BAOAB.
    network : {"mean_field", "dense", "sparse", "sparse_unweighted"}
    dtype : {"float32", "float64"}
    tiled : bool
        Replicas in the SIMD lanes; otherwise the oscillators of the only replica.
    kinds : tuple of int
        The passes that its program uses; others are not compiled.
    """

    order: Order
    network: NetworkKind
    dtype: Literal["float32", "float64"]
    tiled: bool
    kinds: tuple[int, ...]

    @property
    def lanes(self) -> int:
        return Binary32.lanes if self.dtype == "float32" else Radians64.lanes

    @property
    def layout(self) -> Layout:
        return Layout(
            angle=Binary32 if self.dtype == "float32" else Radians64,
            uniform=self.network == "mean_field",
            tiled=self.tiled,
            paired=self.network.startswith("sparse") and not self.tiled,
        )

    @property
    def name(self) -> str:
        lanes, kinds = "tiled" if self.tiled else "single", "".join(map(str, self.kinds))
        return f"{self.order}_{self.network}_{self.dtype}_{lanes}_{kinds}"


@cache
def time_loop(variant: Variant) -> Callable[..., None]:
    """The compiled ``advance`` of a variant (compiled at its first call)."""
    layout = variant.layout
    bound: dict[str, Any] = {
        "LANES": variant.lanes,
        "WIDTH": layout.sum_width,
        "REPLICAS": layout.replicas,
        "UNIFORM": layout.uniform,
        "TILED": variant.tiled,
        "SPLITTING": variant.order == "splitting",
        "SECOND_ORDER": variant.order != "first",
        "CLOSING": programs.SPLITTING["close"],
        "EXACT": variant.dtype == "float32",
        "wind": passes.emit_winding(layout),
        "make_table": passes.emit_table(layout),
        "mean_field": passes.emit_field(layout),
    }
    second = variant.order != "first"
    take = templates.take_second_order if second else templates.take_first_order
    helpers = {
        "take_tile": (take, {}),
        "bit_reversed": (templates.bit_reversed_template, {}),
        "couple": _coupling(variant, layout),
        "run_pass": _passes(variant, layout),
    }
    for label, (template, names) in helpers.items():
        bound[label] = _compiled(template, variant, {**bound, **names}, disk=False)
    return _compiled(templates.advance, variant, bound, disk=True)


def _coupling(variant: Variant, layout: Layout) -> tuple[Callable[..., None], dict[str, Any]]:
    if variant.network == "mean_field":
        return templates.couple_uniform, {}
    if variant.network == "dense":
        emit = couplings.emit_dense_tile if variant.tiled else couplings.emit_dense
        return templates.couple_dense, {"coupling_sums": emit(layout)}
    sparse = couplings.emit_sparse_tile if variant.tiled else couplings.emit_sparse
    return templates.couple_sparse, {"coupling_sums": sparse(layout, weighted=variant.network == "sparse")}


def _passes(variant: Variant, layout: Layout) -> tuple[Callable[..., None], dict[str, Any]]:
    template, makers = {
        "first": (templates.pass_first_order, _first_order),
        "second": (templates.pass_second_order, _second_order),
        "splitting": (templates.pass_splitting, _splitting),
    }[variant.order]
    unused = _compiled(templates.unused_pass, variant, {}, disk=False)
    named = {}
    for kind, (name, make) in enumerate(makers(layout).items()):
        named[name] = make() if kind in variant.kinds else unused
    return template, named


def _first_order(layout: Layout) -> dict[str, Callable[[], Any]]:
    """In the order of ``programs.FIRST_ORDER``."""
    make = partial(partial, passes.emit_pass, layout)
    return {
        "only_stage": make(first=True, last=True, noise=False),
        "only_stage_noisy": make(first=True, last=True, noise=True),
        "first_stage": make(first=True, last=False, noise=False),
        "first_stage_noisy": make(first=True, last=False, noise=True),
        "middle_stage": make(first=False, last=False, noise=False),
        "last_stage": make(first=False, last=True, noise=False),
    }


def _second_order(layout: Layout) -> dict[str, Callable[[], Any]]:
    """In the order of ``programs.SECOND_ORDER``."""
    make = partial(partial, passes.emit_swing_pass, layout)
    return {
        "only_stage": make(first=True, last=True),
        "first_stage": make(first=True, last=False),
        "middle_stage": make(first=False, last=False),
        "last_stage": make(first=False, last=True),
    }


def _splitting(layout: Layout) -> dict[str, Callable[[], Any]]:
    """In the order of ``programs.SPLITTING``."""
    return {
        "drift": partial(passes.emit_baoab, layout, noise=False),
        "drift_noisy": partial(passes.emit_baoab, layout, noise=True),
        "closing_kick": partial(passes.emit_close, layout),
    }


@cache
def _source_digest() -> str:
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]


def _compiled(template: Any, variant: Variant, bound: Mapping[str, Any], *, disk: bool) -> Callable[..., None]:
    """A copy of the template function whose free names mean what ``bound`` says.

    The copy gets a name of its own, because the disk cache files a function under its name and compares the age of
    one source file only: the digest of all of them keeps code of an earlier version from being taken for this one.
    """
    function = types.FunctionType(template.__code__, {**template.__globals__, **bound}, template.__name__)
    function.__qualname__ = f"{template.__name__}_{variant.name}_{_source_digest()}"
    function.__module__ = template.__module__
    options: dict[str, Any] = {"nogil": True, "cache": disk, "error_model": "numpy", "_nrt": False}
    compiled: Callable[..., None] = njit(**options, forceinline=not disk)(function)
    return compiled
