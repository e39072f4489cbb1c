"""Arrays as the vector code wants them: aligned, padded to whole registers, replicas in the lanes."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_ALIGN = 128  # bytes: two cache lines, which are fetched together; a 512-bit register fills one
_HUGE = 1 << 21
_WORTH_HUGE = 1 << 18
_BLOCK = 64  # registers per block at most: its sums stay short, and there are blocks enough to share out


def aligned_zeros(shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Zeros whose first element starts a cache line: a register load then never crosses one.

    From a quarter of a megabyte on they lie in huge pages where the system has them: the second-level cache is then
    read almost twice as fast, and random reads do not wait for page tables.
    """
    kind = np.dtype(dtype)
    size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
    huge = hasattr(mmap, "MADV_HUGEPAGE") and size >= _WORTH_HUGE
    align = _HUGE if huge else _ALIGN
    raw = _huge_pages(size + align) if huge else np.zeros(size + align, np.uint8)
    start = -raw.ctypes.data % align
    return raw[start : start + size].view(kind).reshape(shape)


def _huge_pages(size: int) -> NDArray[np.uint8]:
    # Private: a forked child must not write into its parent's run, and shared memory seldom gets huge pages.
    region = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    region.madvise(mmap.MADV_HUGEPAGE)
    return np.frombuffer(region, np.uint8)


@dataclass(frozen=True)
class LaneMap:
    """Where oscillator ``node`` of replica ``replica`` lies.

    One replica: oscillators side by side. Several: tiles of half as many replicas as a register has lanes, in which the
    replicas of an oscillator are side by side; its sines and cosines then fill one register, and one cache line. Both
    are padded to whole registers.

    Attributes
    ----------
    n_replicas, n_nodes : int
    lanes : int
        Numbers per register.
    least_vectors : int
        Registers that are worth a block of their own.
    """

    n_replicas: int
    n_nodes: int
    lanes: int
    least_vectors: int = 1

    @property
    def tiled(self) -> bool:
        return self.n_replicas > 1

    @property
    def width(self) -> int:
        """Replicas side by side."""
        return self.lanes // 2 if self.tiled else 1

    @property
    def tiles(self) -> int:
        return -(-self.n_replicas // self.width)

    @property
    def elements(self) -> int:
        """Numbers per tile."""
        return -(-self.n_nodes * self.width // self.lanes) * self.lanes

    @property
    def block(self) -> int:
        """Numbers per block of work, which depends on nothing but the size: see ``advance``."""
        vectors = self.elements // self.lanes
        size = max(self.least_vectors, min(_BLOCK, -(-vectors // 16)))
        return (-(-size // 4) * 4 if self.tiled else size) * self.lanes

    def pack(self, values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
        """(R, N) to (tiles, elements); what is padded is zero."""
        packed = aligned_zeros((self.tiles, self.elements), dtype)
        self.fill(packed, values)
        return packed

    def fill(self, packed: NDArray[Any], values: NDArray[Any]) -> None:
        view = packed.reshape(self.tiles, -1, self.width)
        for tile in range(self.tiles):
            rows = values[tile * self.width : (tile + 1) * self.width]
            view[tile, : self.n_nodes, : len(rows)] = rows.T

    def unpack(self, packed: NDArray[Any]) -> NDArray[Any]:
        """(..., tiles, elements) to (..., R, N), a copy."""
        front, nodes = packed.shape[:-2], self.elements // self.width
        view = packed.reshape(*front, self.tiles, nodes, self.width)
        rows = np.moveaxis(view, -1, -2).reshape(*front, self.tiles * self.width, nodes)
        return rows[..., : self.n_replicas, : self.n_nodes].copy()

    def pack_lanes(self, values: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
        """(R,) to (tiles, lanes), once for every oscillator in a register."""
        packed = aligned_zeros((self.tiles, self.lanes), dtype)
        padded = np.zeros(self.tiles * self.width, dtype)
        padded[: self.n_replicas] = values
        packed[:] = np.tile(padded.reshape(self.tiles, self.width), self.lanes // self.width)
        return packed
