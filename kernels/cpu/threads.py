"""Threads that stay inside a kernel for a whole chunk, and the barrier they meet at.

Starting a parallel region costs longer than a step of a small network takes. So Python threads enter a compiled kernel
(which releases the interpreter lock) once per chunk, and between the passes of a step they wait for each other at a
counter in memory: first by spinning, then by giving up the core, so that a machine with other work on it still
moves on.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, partial
from threading import Lock
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

_EAGER_SPINS = 200  # a pause costs as much as the whole wait usually takes
_SPINS = 4000  # about 50 us before a waiting thread gives up its core
LINE = 16  # int64 words per thread in a barrier: cache lines of their own, and no neighbor fetched along


def _pointer(context, builder, kind, array, place):
    data = context.make_array(kind)(context, builder, value=array).data
    return builder.gep(data, [place])


compiled: Callable[..., Any] = partial(njit, nogil=True, _nrt=False)()
"""``njit`` for code that allocates nothing, and so need not count references."""


@intrinsic
def _load_acquire(typing_context, array, place):
    def generate(context, builder, signature, arguments):
        return builder.load_atomic(_pointer(context, builder, signature.args[0], *arguments), "acquire", 8)

    return types.int64(array, types.int64), generate


@intrinsic
def _store_release(typing_context, array, place, value):
    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature.args[0], *arguments[:2])
        builder.store_atomic(arguments[2], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


@intrinsic
def _pause(typing_context):
    """Tell the core that this is a spin loop."""

    def generate(context, builder, signature, arguments):
        if platform.machine() in ("x86_64", "AMD64"):
            kind = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        elif platform.machine() in ("aarch64", "arm64"):
            kind = ir.FunctionType(ir.VoidType(), [ir.IntType(32)])
            hint = cgutils.get_or_insert_function(builder.module, kind, "llvm.aarch64.hint")
            builder.call(hint, [ir.IntType(32)(1)])
        return context.get_dummy_value()

    return types.void(), generate


if sys.platform == "win32":

    @compiled
    def _give_up_core():
        _pause()

else:
    _sched_yield = types.ExternalFunction("sched_yield", types.int32())

    @compiled
    def _give_up_core():
        _sched_yield()


@compiled
def wait(barrier, member, members, generation):
    """Return once all ``members`` threads have called for the ``generation``-th time (from 1 on).

    Each thread announces itself in a cache line of its own and reads those of the others, so the lines cross between
    the cores in parallel: one transfer's latency, where a shared counter pays for three.
    """
    _store_release(barrier, member * LINE, generation)  # type: ignore[call-arg]  # numba passes the context
    for other in range(members):
        spins = 0
        while _load_acquire(barrier, other * LINE) < generation:
            spins += 1
            if spins > _SPINS:
                _give_up_core()
            elif spins > _EAGER_SPINS:
                _pause()


def usable_cores() -> int:
    """Cores this process may use: ``GPU_PIPELINE_NUM_THREADS`` if set, else its CPU affinity."""
    asked = os.environ.get("GPU_PIPELINE_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _other_cores() -> set[int]:
    """The cores this thread may use, without the one it is on; empty where the system does not tell."""
    if not hasattr(os, "sched_getaffinity"):
        return set()
    try:
        here = ctypes.CDLL(None).sched_getcpu()
    except (AttributeError, OSError):
        return set()
    return os.sched_getaffinity(0) - {here}


def _beside(cores: set[int], work: Callable[[int], None], thread: int) -> None:
    """Run a share of the work away from the caller's core: two threads that wait for each other must not share one."""
    if cores:
        os.sched_setaffinity(0, cores)
    work(thread)


@cache
def _team(workers: int, process: int) -> tuple[ThreadPoolExecutor, Lock]:
    return ThreadPoolExecutor(workers, thread_name_prefix="gpu-pipeline-cpu"), Lock()


def run_on_threads(work: Callable[[int], None], threads: int) -> None:
    """Call ``work(0) ... work(threads - 1)`` at the same time, the first on this thread.

    All of them run at once, which the barrier needs: the pool is as large as the number asked for, and serves one
    caller at a time.
    """
    if threads == 1:
        work(0)
        return
    # A forked child inherits the cache but not the threads, hence the process number in the key.
    pool, turn = _team(threads - 1, os.getpid())
    with turn:
        cores = _other_cores()
        others: list[Future[None]] = [pool.submit(_beside, cores, work, thread) for thread in range(1, threads)]
        work(0)
        for other in others:
            other.result()
