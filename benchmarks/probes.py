"""The small numba programs behind the ceilings. None but `ours_sincos` imports the package: a floor needs a second
opinion.

Every kernel takes the number of passes last and releases the GIL. "wide" asks LLVM for 512-bit vectors, which it avoids
by default on some processors that have them; "auto" leaves the choice to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numba as nb
import numpy as np
from numba.core import types
from numba.extending import intrinsic

from cases import DType

Kernel = Callable[..., Any]
# Sums may be taken in any order and products fused; "fast" alone would also allow to simplify the range reduction away.
SUMS: Final = {"contract", "reassoc", "nsz"}

f4, f8, i4, u4, u8 = np.float32, np.float64, np.int32, np.uint32, np.uint64


@intrinsic  # type: ignore[untyped-decorator]
def _ask_for_512_bits(typingctx):
    """Set LLVM's preferred vector width on the function that calls this."""

    def generate(context, builder, signature, arguments):
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), generate


@nb.njit(inline="always")
def _leave_the_width():
    return None


WIDTHS: Final = {"auto": _leave_the_width, "wide": _ask_for_512_bits}


@intrinsic  # type: ignore[untyped-decorator]
def _same_bits(typingctx, value, like):
    """``value`` reinterpreted as the type of ``like``."""

    def generate(context, builder, signature, arguments):
        return builder.bitcast(arguments[0], context.get_value_type(like))

    return like(value, like), generate


# sincos: x = k pi/2 + r by Cody and Waite's reduction, then Cephes' polynomials (S. Moshier) on [-pi/4, pi/4].


@nb.njit(inline="always")
def _quadrant(s, c, q, one, minus):
    swap = (q & 1) != 0
    a = c if swap else s
    b = s if swap else c
    return a * (minus if (q & 2) != 0 else one), b * (minus if ((q + 1) & 2) != 0 else one)


S0, S1, S2 = f4(-1.6666654611e-1), f4(8.3321608736e-3), f4(-1.9515295891e-4)
C0, C1, C2 = f4(4.166664568298827e-2), f4(-1.388731625493765e-3), f4(2.443315711809948e-5)
TURN4, HALF4, ONE4 = f4(2 / math.pi), f4(0.5), f4(1.0)
ROUND4, ROUND8 = f4(12582912.0), 6755399441055744.0  # 1.5 * 2^23 and 1.5 * 2^52: adding them rounds to an integer
PI4_1, PI4_2, PI4_3 = f4(1.5703125), f4(4.837512969970703125e-4), f4(7.54978995489188216e-8)
PI8_1, PI8_2, PI8_3 = 1.57079625129699707031, 7.54978941586159635335e-8, 5.39030285815811905290e-15


@nb.njit(inline="always")
def _reduced4(r):
    z = r * r
    return r + r * z * (S0 + z * (S1 + z * S2)), ONE4 - HALF4 * z + z * z * (C0 + z * (C1 + z * C2))


@nb.njit(inline="always")
def _sincos4(x):
    k = f4(x * TURN4 + ROUND4) - ROUND4
    s, c = _reduced4(((x - k * PI4_1) - k * PI4_2) - k * PI4_3)
    return _quadrant(s, c, i4(k), ONE4, -ONE4)


@nb.njit(inline="always")
def _reduced8(r):
    z = r * r
    s = 2.75573136213857245213e-6 + z * (-2.50507477628578072866e-8 + z * 1.58962301576546568060e-10)
    s = -1.66666666666666307295e-1 + z * (8.33333333332211858878e-3 + z * (-1.98412698295895385996e-4 + z * s))
    c = -2.75573141792967388112e-7 + z * (2.08757008419747316778e-9 + z * -1.13585365213876817300e-11)
    c = -1.38888888888730564116e-3 + z * (2.48015872888517045348e-5 + z * c)
    return r + r * z * s, 1.0 - 0.5 * z + z * z * (4.16666666666665929218e-2 + z * c)


@nb.njit(inline="always")
def _sincos8(x):
    k = (x * (2 / math.pi) + ROUND8) - ROUND8
    s, c = _reduced8(((x - k * PI8_1) - k * PI8_2) - k * PI8_3)
    return _quadrant(s, c, np.int64(k), 1.0, -1.0)


TURN_OF_BIT4 = f4(2 * math.pi / 2**32)


@nb.njit(inline="always")
def _sincos_binary(x):
    """Sine and cosine of x * 2^-32 turns, x int32: the top bits are the quadrant."""
    q = (x + i4(1 << 29)) >> i4(30)
    s, c = _reduced4(f4(i4(x - i4(q << i4(30)))) * TURN_OF_BIT4)
    return _quadrant(s, c, q, ONE4, -ONE4)


def _sincos_kernel(sincos: Kernel, width: Kernel) -> Kernel:
    @nb.njit(nogil=True, fastmath={"contract"}, error_model="numpy")
    def kernel(x, sine, cosine, passes):
        width()
        for _ in range(passes):
            for i in range(x.size):
                sine[i], cosine[i] = sincos(x[i])

    return kernel


SINCOS: Final[dict[tuple[DType, str], Kernel]] = {
    (dtype, name): _sincos_kernel(sincos, width)
    for dtype, sincos in (("float32", _sincos4), ("float64", _sincos8))
    for name, width in WIDTHS.items()
}
SINCOS_BINARY: Final = _sincos_kernel(_sincos_binary, _ask_for_512_bits)


@cache
def ours_sincos(dtype: DType) -> Kernel:
    """The sincos of the package's own kernels, alone: ``kernel(phases, sums, passes)``.

    ``phases`` are int32 binary angles for float32 and radians for float64, a whole number of registers of them.
    """
    from gpu_pipeline.kernels.cpu.angles import Binary32, Radians64
    from gpu_pipeline.kernels.cpu.simd import loop, vector_operation

    angle = Binary32 if dtype == "float32" else Radians64

    def emit(o, low, high, _) -> None:
        start = [o.load("sums", part * angle.lanes, angle.lanes) for part in (0, 1)]

        def body(offset, sums):
            both = angle.sincos(o.load("phases", offset, angle.lanes))
            return [total + value for total, value in zip(sums, both, strict=True)]

        for part, total in enumerate(loop(o.b, low, high, angle.lanes, start, body)):
            o.store("sums", part * angle.lanes, total)

    operation = vector_operation("phases sums", emit)

    @nb.njit(nogil=True)
    def kernel(phases, sums, passes):
        for _ in range(passes):
            operation((phases, sums), 0, phases.size, 0)

    return kernel


def _read_kernel(width: Kernel, zero: Any) -> Kernel:
    @nb.njit(nogil=True, fastmath=SUMS)
    def kernel(x, passes):
        width()
        total = zero
        for _ in range(passes):
            for i in range(x.size):
                total += x[i]
        return total

    return kernel


ZERO: Final[dict[DType, Any]] = {"float32": f4(0), "float64": f8(0)}
READ: Final[dict[tuple[DType, str], Kernel]] = {
    (dtype, name): _read_kernel(width, zero) for dtype, zero in ZERO.items() for name, width in WIDTHS.items()
}


def read_numpy(x: np.ndarray, passes: int) -> float:
    """Read ``x`` once a pass through BLAS, which leaves the GIL."""
    return float(sum(float(np.dot(x, x)) for _ in range(passes)))


def _gather_kernel(width: Kernel, zero: Any) -> Kernel:
    @nb.njit(nogil=True, fastmath=SUMS)
    def kernel(table, indices, passes):
        width()
        sine, cosine = zero, zero
        for _ in range(passes):
            for e in range(indices.size):
                j = indices[e]
                sine += table[j, 0]
                cosine += table[j, 1]
        return sine + cosine

    return kernel


def _gather_unrolled_kernel(zero: Any) -> Kernel:
    @nb.njit(nogil=True, fastmath=SUMS)
    def kernel(table, indices, passes):
        s0 = s1 = s2 = s3 = zero
        c0 = c1 = c2 = c3 = zero
        for _ in range(passes):
            for e in range(0, indices.size - 3, 4):
                i, j, k, m = indices[e], indices[e + 1], indices[e + 2], indices[e + 3]
                s0, c0 = s0 + table[i, 0], c0 + table[i, 1]
                s1, c1 = s1 + table[j, 0], c1 + table[j, 1]
                s2, c2 = s2 + table[k, 0], c2 + table[k, 1]
                s3, c3 = s3 + table[m, 0], c3 + table[m, 1]
        return s0 + s1 + s2 + s3 + c0 + c1 + c2 + c3

    return kernel


def _gather_words_kernel(width: Kernel) -> Kernel:
    @nb.njit(nogil=True)
    def kernel(table, indices, passes):
        width()
        total = u8(0)  # exclusive or: the cheapest use of a gathered pair
        for _ in range(passes):
            for e in range(indices.size):
                total ^= table[indices[e]]
        return total

    return kernel


GATHER_WORDS: Final[dict[str, Kernel]] = {name: _gather_words_kernel(width) for name, width in WIDTHS.items()}
GATHER: Final[dict[tuple[DType, str], Kernel]] = {
    (dtype, name): _gather_kernel(width, zero) for dtype, zero in ZERO.items() for name, width in WIDTHS.items()
}
GATHER_UNROLLED: Final[dict[DType, Kernel]] = {dtype: _gather_unrolled_kernel(zero) for dtype, zero in ZERO.items()}

# Normals: Philox4x32-10 (Salmon et al., SC 2011) and the Box-Muller transform with a polynomial logarithm.

LOW = u8(0xFFFFFFFF)
M0, M1, W0, W1 = u8(0xD2511F53), u8(0xCD9E8D57), u8(0x9E3779B9), u8(0xBB67AE85)
SHIFT = u8(32)


@nb.njit(inline="always")
def _philox_round(c0, c1, c2, c3, k0, k1):
    p0, p1 = M0 * c0, M1 * c2
    return (p1 >> SHIFT) ^ c1 ^ k0, p1 & LOW, (p0 >> SHIFT) ^ c3 ^ k1, p0 & LOW, (k0 + W0) & LOW, (k1 + W1) & LOW


@nb.njit(inline="always")
def philox(c0, c1, c2, c3, k0, k1):
    """Four 32-bit words, each in a uint64, of a counter and a key given likewise."""
    # Written out, not a loop: LLVM vectorizes innermost loops only, and that is the one over blocks.
    c0, c1, c2, c3, k0, k1 = _philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _philox_round(c0, c1, c2, c3, k0, k1)
    c0, c1, c2, c3, k0, k1 = _philox_round(c0, c1, c2, c3, k0, k1)
    return c0, c1, c2, c3


LN2_4, SQRT_HALF_BITS4 = f4(math.log(2)), i4(0x3F3504F3)
SQRT_HALF_BITS8 = np.int64(0x3FE6A09E667F3BCD)


@nb.njit(inline="always")
def _log4(u):
    """Natural logarithm of a normal positive float32 through 2 artanh((m - 1) / (m + 1)), m in [sqrt(1/2), sqrt(2))."""
    bits = _same_bits(u, i4(0))
    e = (bits - SQRT_HALF_BITS4) >> i4(23)
    m = _same_bits(i4(bits - i4(e << i4(23))), f4(0))
    t = (m - ONE4) / (m + ONE4)
    z = t * t
    return f4(e) * LN2_4 + t * (f4(2) + z * (f4(2 / 3) + z * (f4(2 / 5) + z * f4(2 / 7))))


@nb.njit(inline="always")
def _log8(u):
    bits = _same_bits(u, np.int64(0))
    e = (bits - SQRT_HALF_BITS8) >> np.int64(52)
    m = _same_bits(bits - (e << np.int64(52)), f8(0))
    t = (m - 1.0) / (m + 1.0)
    z = t * t
    tail = 2 / 11 + z * (2 / 13 + z * (2 / 15 + z * (2 / 17 + z * (2 / 19 + z * (2 / 21)))))
    return f8(e) * math.log(2) + t * (2.0 + z * (2 / 3 + z * (2 / 5 + z * (2 / 7 + z * (2 / 9 + z * tail)))))


@nb.njit(inline="always")
def _box_muller4(a, b):
    """Two float32 normals from two words: 23 bits for the radius, a binary angle for the direction."""
    u = (f4(i4(a >> u8(9))) + HALF4) * f4(2.0**-23)
    radius = f4(math.sqrt(f4(-2) * _log4(u)))
    s, c = _sincos_binary(i4(u4(b)))
    return radius * c, radius * s


@nb.njit(inline="always")
def _box_muller8(a, b, c, d):
    """Two float64 normals from four words, 52 bits each for radius and direction."""
    u = (f8(np.int64((a << u8(20)) | (b >> u8(12)))) + 0.5) * 2.0**-52
    radius = math.sqrt(-2.0 * _log8(u))
    x = (f8(np.int64((c << u8(20)) | (d >> u8(12)))) + 0.5) * 2.0**-50  # quarter turns in [0, 4)
    k = (x + ROUND8) - ROUND8
    s, c = _reduced8((x - k) * (math.pi / 2))
    s, c = _quadrant(s, c, np.int64(k), 1.0, -1.0)
    return radius * c, radius * s


def _normals_kernel4(width: Kernel) -> Kernel:
    @nb.njit(nogil=True, fastmath={"contract"}, error_model="numpy")
    def kernel(seed, out, passes):
        width()
        quarter = out.size // 4
        for step in range(passes):
            for i in range(quarter):
                a, b, c, d = philox(u8(step), u8(0), u8(i), u8(0), u8(seed), u8(0))
                out[i], out[quarter + i] = _box_muller4(a, b)
                out[2 * quarter + i], out[3 * quarter + i] = _box_muller4(c, d)

    return kernel


def _normals_kernel8(width: Kernel) -> Kernel:
    @nb.njit(nogil=True, fastmath={"contract"}, error_model="numpy")
    def kernel(seed, out, passes):
        width()
        half = out.size // 2
        for step in range(passes):
            for i in range(half):
                a, b, c, d = philox(u8(step), u8(0), u8(i), u8(0), u8(seed), u8(0))
                out[i], out[half + i] = _box_muller8(a, b, c, d)

    return kernel


NORMALS: Final[dict[tuple[DType, str], Kernel]] = {
    (dtype, name): make(width)
    for dtype, make in (("float32", _normals_kernel4), ("float64", _normals_kernel8))
    for name, width in WIDTHS.items()
}


def normals_numpy(generator: np.random.Generator, out: np.ndarray, passes: int) -> None:
    """Fill ``out`` once a pass with numpy's ziggurat normals; numpy leaves the GIL while it fills."""
    for _ in range(passes):
        generator.standard_normal(dtype=out.dtype, out=out)
