"""Random words bit by bit, and the Gaussians that the kernels make of them."""

import lanes
import numpy as np
import oracle
import pytest
from problems import make_problem, opened, radians, start

from gpu_pipeline.kernels import philox as numpy_philox
from gpu_pipeline.kernels.cpu import vecmath

# Salmon et al. 2011, file kat_vectors of Random123: counter, key, words.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
GOLDEN_SEED = 0x0123456789ABCDEF
GOLDEN_WORDS = "b850222e c58cb04b 14a7a020 7a84fff9"
GOLDEN_NORMALS = 0.70865860800403, 0.39355664561839

TYPES = {"float64": (vecmath.normals64, np.float64, 8), "float32": (vecmath.normals32, np.float32, 16)}


def numbers(text):
    """Words written in hexadecimal."""
    return tuple(int(word, 16) for word in text.split())


def by_numpy(counter, key):
    """The words that initial phases are drawn from."""
    counter, key = (tuple(np.array([word], np.uint64) for word in words) for words in (counter, key))
    return tuple(int(word[0]) for word in numpy_philox.philox(counter, key))


def by_simd(counter, key):
    """The words that the time loops draw."""
    inputs = [np.array([word], np.int64) for word in (*counter, *key)]
    return tuple(int(word[0]) for word in simd_words(inputs))


def simd_words(inputs):
    """Four words of each counter; they leave the registers in pairs."""

    def packed(*vecs):
        x = vecmath.philox(vecs[:4], vecs[4:])
        return (x[0] << 32) | x[1], (x[2] << 32) | x[3]

    pairs = lanes.apply(packed, inputs, [np.int64, np.int64])
    return [half for pair in pairs for half in (pair.view(np.uint64) >> np.uint64(32), pair & oracle.MASK)]


@pytest.mark.parametrize("generator", [oracle.philox, by_numpy, by_simd])
def test_words_are_the_published_ones(generator):
    """The oracle, the drawing of initial phases and the kernels each have their own Philox."""
    for counter, key, expected in KNOWN:
        assert generator(numbers(counter), numbers(key)) == numbers(expected)
    assert generator((0, 0, 0, 0), (GOLDEN_SEED & oracle.MASK, GOLDEN_SEED >> 32)) == numbers(GOLDEN_WORDS)


def test_numpy_and_simd_words_agree_on_every_counter():
    """Carries and the upper halves of 64-bit lanes matter for few counters only."""
    random = np.random.default_rng(11)
    inputs = [random.integers(0, 1 << 32, 4096) for _ in range(6)]
    unsigned = tuple(word.astype(np.uint64) for word in inputs)
    for ours, theirs in zip(simd_words(inputs), numpy_philox.philox(unsigned[:4], unsigned[4:]), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_normals_of_the_golden_words_are_the_known_ones():
    """Which bits make which uniform, and which of them is the angle, is a convention that results depend on."""
    inputs = [np.array([word], np.int64) for word in numbers(GOLDEN_WORDS)]
    z0, z1 = lanes.apply(lambda *x: vecmath.normals64(x), inputs, [np.float64] * 2)
    assert (z0[0], z1[0]) == pytest.approx(GOLDEN_NORMALS, abs=1e-14)
    z0, z1 = lanes.apply(lambda *x: vecmath.normals32(x), inputs, [np.float32] * 2, lanes=16)
    assert (z0[0], z1[0]) == pytest.approx(GOLDEN_NORMALS, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_first_kick_of_a_free_oscillator_is_the_golden_normal(dtype):
    """Seed, step, node and replica must reach the words in this order; D = 1/2 and h = 1/100 make it z0 / 10."""
    problem, _ = make_problem("first", "mean_field", "em", dtype, n=3, noise=0.5, free=True)
    problem.seeds[:], problem.replicas[:] = GOLDEN_SEED, 0
    engine = opened(problem)
    engine.load(start(problem, np.zeros((1, 3)), None))
    engine.advance(1)
    theta, _ = radians(engine)
    assert theta[0, 0] == pytest.approx(0.1 * GOLDEN_NORMALS[0], abs=1e-15 if dtype == "float64" else 1e-7)


def test_steps_beyond_32_bits_have_words_of_their_own():
    """A run of more than 2^32 steps must not repeat its noise: the step has two words."""
    problem, weights = make_problem("first", "mean_field", "em", "float64", n=5, noise=0.3, free=True)
    state = start(problem, np.zeros((1, 5)), None)
    engine = opened(problem)
    ends = []
    for step in (7, 7 + (1 << 32)):
        engine.load(state | {"step": np.int64(step)})
        engine.advance(1)
        expected, _ = oracle.integrate(problem, weights, np.zeros((1, 5)), None, 1, first_step=step)
        ends.append(radians(engine)[0])
        np.testing.assert_allclose(ends[-1], expected, atol=1e-14)
    assert np.all(ends[0] != ends[1])


def drawn(dtype, count):
    """Normals of the counters 0 to count - 1, as the kernels draw them."""
    normals, kind, width = TYPES[dtype]

    def draw(index):
        zero = index.like(0)
        return normals(vecmath.philox((zero, zero, index, zero), (index.like(12345), zero)))

    return lanes.apply(draw, [np.arange(count)], [kind, kind], lanes=width)


@pytest.mark.parametrize("dtype", TYPES)
def test_normals_have_the_moments_and_tails_of_gaussians(dtype):
    """Four standard errors; a swapped sine, a lost bit or a short period shows in one of these numbers."""
    count = 1 << 20
    z = np.concatenate(drawn(dtype, count)).astype(np.float64)
    total = z.size
    raised = np.ones(total)
    for power, moment in enumerate([0, 1, 0, 3, 0, 15, 0, 105], start=1):
        raised *= z
        spread = np.sqrt((np.prod(np.arange(2 * power - 1, 0, -2.0)) - moment**2) / total)
        assert raised.mean() == pytest.approx(moment, abs=4 * spread), f"moment {power}"
    assert np.mean(z[:count] * z[count:]) == pytest.approx(0.0, abs=4 / np.sqrt(count))
    assert np.mean(z[1:] * z[:-1]) == pytest.approx(0.0, abs=4 / np.sqrt(total))
    for threshold, share in ((2.0, 0.022750131948), (3.0, 1.349898e-3), (4.0, 3.167124e-5)):
        for side in (1, -1):
            hits = np.count_nonzero(side * z > threshold)
            assert hits == pytest.approx(total * share, abs=4 * np.sqrt(total * share)), f"beyond {side * threshold}"


@pytest.mark.parametrize(("dtype", "largest"), [("float64", 8.5717), ("float32", 5.7682)])
def test_extreme_words_give_finite_normals(dtype, largest):
    """The logarithm of 0 would be infinite and that of 1 a radius of zero; uniforms keep half a unit from both."""
    normals, kind, width = TYPES[dtype]
    extremes = np.array([0, oracle.MASK], np.int64)
    radius, angle = np.repeat(extremes, 2), np.tile(extremes, 2)
    z0, z1 = lanes.apply(lambda *x: normals(x), [radius, radius, angle, angle], [kind, kind], lanes=width)
    length = np.hypot(z0, z1)
    assert length[:2] == pytest.approx(largest, rel=1e-4)
    assert np.all((length[2:] > 0) & (length[2:] < 4e-4))


def test_float32_normals_follow_the_float64_path():
    """Runs of both precisions share their noise, up to what 23 instead of 52 bits of the radius leave open."""
    wide, narrow = drawn("float64", 1 << 18), drawn("float32", 1 << 18)
    counters = tuple(np.full(1 << 18, value, np.uint64) for value in (0, 0, 0, 0))
    index = np.arange(1 << 18, dtype=np.uint64)
    key = (np.full(1 << 18, 12345, np.uint64), counters[1])
    first = numpy_philox.philox((counters[0], counters[1], index, counters[3]), key)[0]
    middle = ((first >> np.uint64(9)).astype(np.float64) + 0.5) * 2.0**-23
    rounding = 6 * 2.0**-24 * 8  # a few units in the last place of the longest radius
    short, long = (np.sqrt(-2.0 * np.log(middle + side * 2.0**-24)) for side in (1, -1 + 1e-9))
    length = np.hypot(*(z.astype(np.float64) for z in narrow))
    assert np.all(np.hypot(*wide) <= long + rounding)
    assert np.all(np.hypot(*wide) >= short - rounding)
    np.testing.assert_allclose(length, np.sqrt(-2.0 * np.log(middle)), atol=rounding)
    for z64, z32 in zip(wide, narrow, strict=True):
        difference = np.abs(z64 / np.hypot(*wide) - z32 / length)
        assert difference.max() < 2 * np.pi * 2.0**-32 + 4 * 1.1e-7
