"""Accuracy of sine, cosine and logarithm on SIMD registers, against extended precision."""

import lanes
import numpy as np
import pytest

from gpu_pipeline.kernels.cpu import vecmath

EXTENDED = np.longdouble
PI = EXTENDED("3.14159265358979323846264338327950288")

pytestmark = pytest.mark.skipif(
    np.finfo(EXTENDED).nmant < 63, reason="long double is no wider than float64 here: nothing to compare with"
)


def around(places, width, dtype):
    """The ``width`` neighbors of each place on either side."""
    return (np.asarray(places, dtype)[:, None] + np.arange(-width, width + 1, dtype=dtype)).ravel()


def ulps(found, exact):
    """Largest error in units of the last place of the exact result."""
    spacing = np.spacing(np.abs(exact).astype(found.dtype))
    return float((np.abs(found.astype(EXTENDED) - exact) / spacing).max())


def test_sincos_of_binary_angles_is_as_accurate_as_claimed():
    """Quadrant and offset come from bits: a wrong one shows at the eighths of a turn, a bad fit between them."""
    spread = np.arange(1 << 20, dtype=np.int64) * 4093 + 17
    eighths = around(np.arange(8, dtype=np.int64) << 29, 64, np.int64)
    x = np.concatenate([spread, eighths]).astype(np.int32)
    sine, cosine = lanes.apply(vecmath.sincos_turns, [x], [np.float32] * 2, lanes=16)
    exact = x.astype(EXTENDED) * (PI / 2**31)
    assert np.abs(sine - np.sin(exact)).max() < 1.1e-7
    assert np.abs(cosine - np.cos(exact)).max() < 1.1e-7


def test_sincos_of_binary_angles_is_exact_at_quarter_turns():
    """States such as splay sit there, and the symmetry of a network must not be broken by rounding."""
    x = (np.arange(4, dtype=np.int64) << 30).astype(np.int32)
    sine, cosine = lanes.apply(vecmath.sincos_turns, [x], [np.float32] * 2, lanes=16)
    assert sine.tolist() == [0.0, 1.0, 0.0, -1.0]
    assert cosine.tolist() == [1.0, 0.0, -1.0, 0.0]


@pytest.mark.parametrize("scale", [np.pi, 2 * np.pi, 1e3, 1e5])
def test_sincos_of_radians_is_as_accurate_as_claimed(scale):
    """Two-term range reduction loses digits as the argument grows; phases wait up to 2^16 steps for their wrap."""
    quarters = np.arange(-int(scale / (np.pi / 4)), int(scale / (np.pi / 4)) + 1) * (np.pi / 4)
    near = quarters[None, :] * (1.0 + np.arange(-3, 4)[:, None] * 2.0**-52)
    x = np.concatenate([np.linspace(-scale, scale, 1 << 18), near.ravel()])
    sine, cosine = lanes.apply(vecmath.sincos_radians, [x], [np.float64] * 2)
    exact = x.astype(EXTENDED)
    assert np.abs(sine - np.sin(exact)).max() < 2e-16
    assert np.abs(cosine - np.cos(exact)).max() < 2e-16


@pytest.mark.parametrize(
    ("log", "dtype", "width"), [(vecmath.log32, np.float32, 16), (vecmath.log64, np.float64, 8)], ids=["log32", "log64"]
)
def test_logarithm_is_within_one_ulp(log, dtype, width):
    """Exponent and fraction are taken apart by their bits; near 1 the two parts of the result cancel."""
    kind, random = np.finfo(dtype), np.random.default_rng(3)
    powers = 2.0 ** np.arange(kind.minexp, kind.maxexp, dtype=np.float64)
    steps = 1.0 + np.arange(-200, 201) * float(kind.eps)
    octaves = np.concatenate([powers, powers * (1.0 + kind.eps), powers * np.sqrt(0.5)])
    closing_in = 1.0 + random.uniform(-0.5, 0.5, 1 << 17) * 2.0 ** -random.integers(0, kind.nmant, 1 << 17)
    wide = np.exp(random.uniform(np.log(float(kind.tiny)), np.log(float(kind.max)), 1 << 17))
    x = np.concatenate([octaves, steps, closing_in, wide, random.uniform(0.5, 2.0, 1 << 18)]).astype(dtype)
    x = x[x >= kind.tiny]
    (found,) = lanes.apply(log, [x], [dtype], lanes=width)
    assert ulps(found, np.log(x.astype(EXTENDED))) < 1.0
    (at_one,) = lanes.apply(log, [np.ones(1, dtype)], [dtype], lanes=width)
    assert at_one[0] == 0.0


def test_log32_serves_every_uniform_of_the_float32_normals():
    """There are 2^23 of them, few enough to try all."""
    x = ((np.arange(1 << 23) + 0.5) * 2.0**-23).astype(np.float32)
    (found,) = lanes.apply(vecmath.log32, [x], [np.float32], lanes=16)
    assert ulps(found, np.log(x.astype(EXTENDED))) < 1.0
