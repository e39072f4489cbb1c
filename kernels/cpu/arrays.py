"""Arrays as the vector code wants them: aligned, padded to whole registers, replicas in the lanes."""

from __future__ import annotations

import mmap
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

_ALIGN = 64  # bytes: a cache line and a 512-bit register
_HUGE = 1 << 21


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[np.generic]:
    """Zeros whose first element starts a cache line: a register load then never crosses one."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    raw = np.zeros(size + _ALIGN, np.uint8)
    start = -raw.ctypes.data % _ALIGN
    return raw[start : start + size].view(kind).reshape(shape)


def huge_page_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[np.generic]:
    """Zeros in huge pages where the system has them, for tables that are read at random places."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    if not hasattr(mmap, "MADV_HUGEPAGE") or size < _HUGE // 8:
        return aligned_zeros(shape, dtype)
    pages = -(-size // _HUGE) + 1
    region = mmap.mmap(-1, pages * _HUGE)
    region.madvise(mmap.MADV_HUGEPAGE)
    raw = np.frombuffer(region, np.uint8)
    start = -raw.ctypes.data % _HUGE
    return raw[start : start + size].view(kind).reshape(shape)


@dataclass(frozen=True)
class LaneMap:
    """Where oscillator ``node`` of replica ``replica`` lies.

    One replica: oscillators side by side, padded to whole registers. Several: tiles of ``lanes`` replicas, in which the
    replicas of an oscillator are side by side.
    """

    n_replicas: int
    n_nodes: int
    lanes: int

    @property
    def tiled(self) -> bool:
        return self.n_replicas > 1

    @property
    def tiles(self) -> int:
        return -(-self.n_replicas // self.lanes) if self.tiled else 1

    @property
    def elements(self) -> int:
        """Numbers per tile."""
        return self.n_nodes * self.lanes if self.tiled else -(-self.n_nodes // self.lanes) * self.lanes

    @property
    def block(self) -> int:
        """Numbers per block of work, which depends on nothing but the size: see ``advance``."""
        vectors = self.elements // self.lanes
        size = max(1, min(64, -(-vectors // 16)))
        return (-(-size // 4) * 4 if self.tiled else size) * self.lanes

    def pack(self, values: NDArray[np.generic], dtype: DTypeLike) -> NDArray[np.generic]:
        """(R, N) to (tiles, elements); what is padded is zero."""
        packed = aligned_zeros((self.tiles, self.elements), dtype)
        self.fill(packed, values)
        return packed

    def fill(self, packed: NDArray[np.generic], values: NDArray[np.generic]) -> None:
        if not self.tiled:
            packed[0, : self.n_nodes] = values[0]
            return
        view = packed.reshape(self.tiles, self.n_nodes, self.lanes)
        for tile in range(self.tiles):
            rows = values[tile * self.lanes : (tile + 1) * self.lanes]
            view[tile, :, : len(rows)] = rows.T

    def unpack(self, packed: NDArray[np.generic]) -> NDArray[np.generic]:
        """(..., tiles, elements) to (..., R, N), a copy."""
        front = packed.shape[:-2]
        if not self.tiled:
            return packed[..., : self.n_nodes].copy()
        view = packed.reshape(*front, self.tiles, self.n_nodes, self.lanes)
        rows = np.moveaxis(view, -1, -2).reshape(*front, self.tiles * self.lanes, self.n_nodes)
        return np.ascontiguousarray(rows[..., : self.n_replicas, :])

    def pack_lanes(self, values: NDArray[np.generic], dtype: DTypeLike) -> NDArray[np.generic]:
        """(R,) to (tiles, lanes); a single replica's value in every lane."""
        packed = aligned_zeros((self.tiles, self.lanes), dtype)
        if self.tiled:
            packed.reshape(-1)[: self.n_replicas] = values
        else:
            packed[:] = values[0]
        return packed
