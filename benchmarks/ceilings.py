"""What this machine can do at most, measured in the same process and with the same number of threads.

Each ceiling is one elementary piece of work of a case, at the case's own size: sincos of all phases, one read of the
matrix, one random gather per edge, one normal per oscillator, the cache traffic of an ensemble. Several independent
programs do each piece and the fastest counts, so that no floor rests on the code under test alone. The floor of a row
is the sum of the pieces that bind it (`FLOOR`):

a: sincos; b: one read of the matrix; c: the gathers alone, although the sincos table has to be ready before the first
of them; d: one read of the matrix and the normals; e: L2 traffic (two numbers per edge and replica) and sincos.

Threads: one long call per thread, on its own share of the data, that loops over all passes by itself. No pass pays for
a launch or a barrier, which a real integrator must; the floor stays a floor.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

import probes
from cases import Case, DType, Row
from contest import Contestant

FLOOR: dict[Row, tuple[str, ...]] = {
    "a": ("sincos",),
    "b": ("matrix read",),
    "c": ("gathers",),
    "d": ("matrix read", "normals"),
    "e": ("L2 traffic", "sincos"),
}
HUGE_PAGE = 1 << 21
L2_BUFFER = (1 << 19, 3 << 19)  # bytes per core: beyond L1, within 2 MB of L2
NORMALS_BLOCK = 1 << 14  # numpy's generator costs about 1 us a call, so it fills more than one step needs

Array = NDArray[Any]
Call = tuple[Callable[..., object], tuple[Any, ...]]


def ceilings(case: Case, dtype: DType, threads: int) -> list[Contestant]:
    """All probes of the pieces that bind this case."""
    makers = {
        "sincos": _sincos,
        "matrix read": _matrix_read,
        "gathers": _gathers,
        "normals": _normals,
        "L2 traffic": _l2_traffic,
    }
    return [probe for piece in FLOOR[case.row] for probe in makers[piece](case, dtype, threads)]


def floor(row: Row, probed: Sequence[Contestant], statistic: str = "best") -> float:
    """Floor of a row in microseconds per right-hand side: the fastest probe of each piece, added up.

    ``statistic`` is "best" or "median" over the rounds.
    """
    return float(sum(min(getattr(p, statistic) for p in probed if p.component == piece) for piece in FLOOR[row]))


def _probe(
    piece: str,
    name: str,
    dtype: DType,
    calls: Sequence[tuple[Callable[..., object], tuple[Any, ...]]],
    work: float = 1.0,
) -> Contestant:
    """A ceiling that runs one call per thread; each call takes the number of passes as its last argument."""
    pool = ThreadPoolExecutor(len(calls))

    def advance(passes: int) -> None:
        for future in [pool.submit(call, *arguments, passes) for call, arguments in calls]:
            future.result()

    return Contestant(f"{piece}: {name}", "ceiling", dtype, advance, evaluations=work, component=piece)


def _on_huge_pages(array: Array) -> Array:
    """A copy in 2 MB pages where the system grants them: small pages cost address translations on a random gather."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return array.copy()
    pages = mmap.mmap(-1, (array.nbytes // HUGE_PAGE + 2) * HUGE_PAGE)
    pages.madvise(mmap.MADV_HUGEPAGE)
    raw = np.frombuffer(pages, dtype=np.uint8)
    start = -raw.ctypes.data % HUGE_PAGE
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _sincos(case: Case, dtype: DType, threads: int) -> list[Contestant]:
    shares = np.array_split(case.theta0.ravel().astype(dtype), threads)
    kernels = {"own polynomial": probes.SINCOS[dtype, "auto"], "own polynomial, 512-bit": probes.SINCOS[dtype, "wide"]}
    found = []
    for name, kernel in kernels.items():
        calls = [(kernel, (x, np.empty_like(x), np.empty_like(x))) for x in map(np.copy, shares)]
        found.append(_probe("sincos", name, dtype, calls))
    if dtype == "float32":  # phases as 32-bit binary angles need no range reduction
        angles = [np.round(x.astype(np.float64) * (2**31 / np.pi)).astype(np.int64).astype(np.int32) for x in shares]
        calls = [(probes.SINCOS_BINARY, (x, np.empty(x.size, dtype), np.empty(x.size, dtype))) for x in angles]
        found.append(_probe("sincos", "own polynomial, 512-bit, binary angles", dtype, calls))
    return found + _our_sincos(shares, dtype)


def _our_sincos(shares: Sequence[Array], dtype: DType) -> list[Contestant]:
    """The sincos inside our own kernels, on whole registers from the start of a cache line as in the kernels."""
    from gpu_pipeline.kernels.cpu.arrays import aligned_zeros

    calls = []
    for share in shares:
        phases = aligned_zeros((-(-share.size // 16) * 16,), np.int32 if dtype == "float32" else np.float64)
        phases[: share.size] = np.rint(share * (2**31 / np.pi)) if dtype == "float32" else share
        calls.append((probes.ours_sincos(dtype), (phases, aligned_zeros((32,), dtype))))
    return [_probe("sincos", "gpu_pipeline's", dtype, calls)]


def _matrix_read(case: Case, dtype: DType, threads: int) -> list[Contestant]:
    shares = [np.ascontiguousarray(rows).ravel() for rows in np.array_split(case.matrix.astype(dtype), threads)]
    return _reads("matrix read", shares, dtype)


def _l2_traffic(case: Case, dtype: DType, threads: int) -> list[Contestant]:
    """Sequential reads of one buffer per core, scaled to two numbers per edge and replica."""
    itemsize = np.dtype(dtype).itemsize
    table = 2 * case.theta0.size * itemsize // threads
    length = int(np.clip(table, *L2_BUFFER)) // itemsize
    needed = 2 * case.nnz * case.replicas * itemsize
    work = threads * length * itemsize / needed
    buffers = [np.ones(length, dtype) for _ in range(threads)]
    return _reads("L2 traffic", buffers, dtype, work)


def _reads(piece: str, shares: Sequence[Array], dtype: DType, work: float = 1.0) -> list[Contestant]:
    huge = [_on_huge_pages(share) for share in shares]
    programs = {
        "numba sum": (probes.READ[dtype, "auto"], shares),
        "numba sum, huge pages": (probes.READ[dtype, "auto"], huge),
        "numba sum, 512-bit, huge pages": (probes.READ[dtype, "wide"], huge),
        "numpy dot, huge pages": (probes.read_numpy, huge),
    }
    return [_probe(piece, name, dtype, [(k, (x,)) for x in data], work) for name, (k, data) in programs.items()]


def _gathers(case: Case, dtype: DType, threads: int) -> list[Contestant]:
    """Sums of (sin, cos) pairs in the order of the edges: one table for all threads, a share of the edges for each."""
    _, indices = case.csr
    shares = [share.copy() for share in np.array_split(indices, threads)]
    theta = case.theta0[0]
    table = np.stack([np.sin(theta), np.cos(theta)], axis=1).astype(dtype)
    huge = _on_huge_pages(table)
    programs: list[tuple[str, Callable[..., object], Array]] = [
        ("pairs", probes.GATHER[dtype, "auto"], table),
        ("pairs, huge pages", probes.GATHER[dtype, "auto"], huge),
        ("pairs, 512-bit, huge pages", probes.GATHER[dtype, "wide"], huge),
        ("pairs, unrolled, huge pages", probes.GATHER_UNROLLED[dtype], huge),
    ]
    if dtype == "float32":  # a pair is one 8-byte word
        words = huge.view(np.uint64)[:, 0]
        programs.append(("pairs as words, huge pages", probes.GATHER_WORDS["auto"], words))
        programs.append(("pairs as words, 512-bit, huge pages", probes.GATHER_WORDS["wide"], words))
    return [_probe("gathers", name, dtype, [(kernel, (data, x)) for x in shares]) for name, kernel, data in programs]


def _normals(case: Case, dtype: DType, threads: int) -> list[Contestant]:
    count = case.theta0.size
    parts = [np.empty(part.size + -part.size % 4, dtype) for part in np.array_split(np.empty(count), threads)]
    found = [
        _probe("normals", name, dtype, [(kernel, (seed, out)) for seed, out in enumerate(parts)])
        for name, kernel in {
            "own Philox and Box-Muller": probes.NORMALS[dtype, "auto"],
            "own Philox and Box-Muller, 512-bit": probes.NORMALS[dtype, "wide"],
        }.items()
    ]
    blocks = [(np.random.Generator(np.random.Philox(k)), np.empty(NORMALS_BLOCK, dtype)) for k in range(threads)]
    calls = [(probes.normals_numpy, block) for block in blocks]
    return [*found, _probe("normals", "numpy Philox", dtype, calls, work=threads * NORMALS_BLOCK / count)]
