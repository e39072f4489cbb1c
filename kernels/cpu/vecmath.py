"""Sine and cosine, logarithm, Philox words and Gaussians on SIMD registers.

The polynomial coefficients are minimax fits (Remez exchange in 60 digits) made for this package; the errors quoted are
theirs together with rounding, measured against extended precision in ``tests/kernels/test_vecmath.py``.
"""

from __future__ import annotations

import math

from gpu_pipeline.kernels.cpu.simd import F32, F64, I32, I64, Vec, fma, polynomial, rint, select, sqrt

# sin(pi/4 t) / t and (cos(pi/4 t) - 1) / t^2 in t^2 on [0, 1]; errors 1.2e-9 and 3.2e-8.
_SIN32 = (-3.587727405829355e-05, 0.002489872043952346, -0.08074536919593811, 0.7853981256484985)
_COS32 = (-0.0003191605501342565, 0.015850398689508438, -0.3084245026111603)
# (sin x / x - 1) / x^2 and (cos x - 1 + x^2/2) / x^4 in x^2 on [0, (pi/4)^2]; errors below 4e-18.
_SIN64 = (
    1.589681492268141e-10,
    -2.5050758486249662e-08,
    2.7557313694617663e-06,
    -0.00019841269829816942,
    0.008333333333322427,
    -0.16666666666666632,
)
_COS64 = (
    -1.1359657357563847e-11,
    2.087572347458026e-09,
    -2.755731435397079e-07,
    2.4801587289488568e-05,
    -0.0013888888888874136,
    0.0416666666666666,
)
# (log(1+f) - f + f^2/2) / f^3 on [sqrt(1/2) - 1, sqrt(2) - 1]; error 6e-9.
_LOG32 = (
    -0.07865483313798904,
    0.1287921816110611,
    -0.13125289976596832,
    0.14181417226791382,
    -0.16624970734119415,
    0.2000228315591812,
    -0.2500079572200775,
    0.33333316445350647,
)
# 2 (atanh(s)/s - 1) / s^2 in s^2 for |s| <= 0.1716; error 3e-18.
_LOG64 = (
    0.14792632246729426,
    0.15314414264786858,
    0.18183548555085965,
    0.22222198915169877,
    0.2857142873854379,
    0.39999999999435365,
    0.6666666666666731,
)
_LN2 = 0.6931471805599453
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # the high part ends in 21 zero bits
_HALF_PI_HIGH, _HALF_PI_LOW = 1.5707963267341256, 6.077100506506192e-11
_ROUND = 6755399441055744.0  # 1.5 * 2^52: adding it leaves the nearest integer in the low bits

_PHILOX_M0, _PHILOX_M1 = 0xD2511F53, 0xCD9E8D57
_PHILOX_W0, _PHILOX_W1 = 0x9E3779B9, 0xBB67AE85


def sincos_turns(x: Vec) -> tuple[Vec, Vec]:
    """Sine and cosine of 32-bit binary angles (int32, 2^-32 turn); float32, error 1.1e-7.

    Two top bits choose the quadrant and integer overflow does the range reduction, so there is none to lose digits in.
    """
    shifted = x + (1 << 29)
    offset = (x << 2).to(F32) * 2.0**-31  # distance from the middle of the quadrant, in eighths of a turn
    square = offset * offset
    sine = offset * polynomial(square, _SIN32)
    cosine = fma(polynomial(square, _COS32), square, 1.0)
    odd = (shifted & (1 << 30)).compare("!=", 0)
    sign_sine = shifted & -(1 << 31)
    sign_cosine = (shifted + (1 << 30)) & -(1 << 31)
    return _signed(select(odd, cosine, sine), sign_sine), _signed(select(odd, sine, cosine), sign_cosine)


def _signed(x: Vec, sign_bit: Vec) -> Vec:
    return (x.bits_as(sign_bit.element) ^ sign_bit).bits_as(x.element)


def sincos_radians(x: Vec) -> tuple[Vec, Vec]:
    """Sine and cosine of float64 radians for |x| up to 1e5; error 2e-16."""
    shifted = fma(x, 2.0 / math.pi, _ROUND)
    quadrant = shifted.bits_as(I64)
    turns = shifted - _ROUND
    offset = fma(turns, -_HALF_PI_LOW, fma(turns, -_HALF_PI_HIGH, x))
    return _sincos_quadrant(offset, quadrant)


def _sincos_quadrant(offset: Vec, quadrant: Vec) -> tuple[Vec, Vec]:
    square = offset * offset
    sine = fma(polynomial(square, _SIN64) * square, offset, offset)
    cosine = fma(polynomial(square, _COS64), square * square, fma(square, -0.5, 1.0))
    odd = (quadrant & 1).compare("!=", 0)
    sign_sine = (quadrant << 62) & -(1 << 63)
    sign_cosine = ((quadrant + 1) << 62) & -(1 << 63)
    return _signed(select(odd, cosine, sine), sign_sine), _signed(select(odd, sine, cosine), sign_cosine)


def log32(x: Vec) -> Vec:
    """Natural logarithm of positive normal float32 numbers; error 1 ulp."""
    bits = x.bits_as(I32)
    exponent = (bits - 0x3F3504F3) >> 23  # sqrt(1/2) splits the octaves, so that log 1 is exactly 0
    f = (bits - (exponent << 23)).bits_as(F32) - 1.0
    tail = fma(polynomial(f, _LOG32) * f, f * f, f * f * -0.5)
    return fma(exponent.to(F32), _LN2, f + tail)


def log64(x: Vec) -> Vec:
    """Natural logarithm of positive normal float64 numbers; error 1 ulp."""
    bits = x.bits_as(I64)
    exponent = (bits - 0x3FE6A09E667F3BCD) >> 52
    f = (bits - (exponent << 52)).bits_as(F64) - 1.0
    s = f / (f + 2.0)
    square = s * s
    half = f * f * 0.5
    tail = s * fma(polynomial(square, _LOG64), square, half)
    count = exponent.to(F64)
    return fma(count, _LN2_HIGH, f - (half - fma(count, _LN2_LOW, tail)))


def philox(counter: tuple[Vec, Vec, Vec, Vec], key: tuple[Vec, Vec]) -> tuple[Vec, Vec, Vec, Vec]:
    """Philox4x32-10 (Salmon et al., SC 2011): four random words from a counter and a key.

    Words travel in 64-bit lanes with a zero upper half, so that a product of two words is one instruction.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        product0, product1 = c0 * _PHILOX_M0, c2 * _PHILOX_M1
        c0, c2 = product1.logical_shift(32) ^ c1 ^ k0, product0.logical_shift(32) ^ c3 ^ k1
        c1, c3 = product1 & 0xFFFFFFFF, product0 & 0xFFFFFFFF
        k0, k1 = (k0 + _PHILOX_W0) & 0xFFFFFFFF, (k1 + _PHILOX_W1) & 0xFFFFFFFF
    return c0, c1, c2, c3


def normals32(words: tuple[Vec, Vec, Vec, Vec]) -> tuple[Vec, Vec]:
    """Two float32 Gaussians by Box-Muller: 23 bits of radius (|z| <= 5.77), 32 bits of angle.

    They use the leading bits of the words that :func:`normals64` uses, so float32 and float64 runs see one noise path.
    """
    uniform = fma(words[0].logical_shift(9).to(I32).to(F32), 2.0**-23, 2.0**-24)
    radius = sqrt(log32(uniform) * -2.0)
    sine, cosine = sincos_turns(words[2].to(I32))
    return radius * cosine, radius * sine


def normals64(words: tuple[Vec, Vec, Vec, Vec]) -> tuple[Vec, Vec]:
    """Two float64 Gaussians by Box-Muller from 52-bit uniforms on the open interval (|z| <= 8.57)."""
    radius_bits = (words[0] << 20) | words[1].logical_shift(12)
    angle_bits = (words[2] << 20) | words[3].logical_shift(12)
    uniform = fma(radius_bits.to(F64), 2.0**-52, 2.0**-53)
    radius = sqrt(log64(uniform) * -2.0)
    quadrant = (angle_bits + (1 << 49)).logical_shift(50)
    offset = (angle_bits - (quadrant << 50)).to(F64) + 0.5
    sine, cosine = _sincos_quadrant(offset * (2.0 * math.pi * 2.0**-52), quadrant)
    return radius * cosine, radius * sine


def round_to_int32(x: Vec) -> Vec:
    return rint(x).to(I32)
