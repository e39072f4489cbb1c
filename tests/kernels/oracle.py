"""The models and methods once more, slowly: numpy in float64 and Python integers, straight from the formulas.

Nothing here is taken from the kernels. The coupling is the double sum of sines as the model states it, not the pair of
sums that the kernels make of it; the random words come from Python's unbounded integers.
"""

import numpy as np

MASK = 0xFFFFFFFF
TURN = 2.0 * np.pi

# Butcher tableaux: rows of the matrix, weights. Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I.
TABLEAUX = {
    "euler": ([[]], [1.0]),
    "em": ([[]], [1.0]),
    "heun": ([[], [1.0]], [1 / 2, 1 / 2]),
    "rk4": ([[], [1 / 2], [0.0, 1 / 2], [0.0, 0.0, 1.0]], [1 / 6, 1 / 3, 1 / 3, 1 / 6]),
    "sra1": ([[], [3 / 4]], [1 / 3, 2 / 3]),
}


def philox(counter, key):
    """Philox4x32-10: four words (Salmon, Moraes, Dror & Shaw, SC 2011)."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        left, right = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (right >> 32) ^ c1 ^ k0, right & MASK, (left >> 32) ^ c3 ^ k1, left & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return c0, c1, c2, c3


def words(seed, replica, node, step):
    """Words of a step of the dynamics (stream 0)."""
    return philox((step & MASK, step >> 32, node, replica), (seed & MASK, seed >> 32))


def uniforms(x, dtype):
    """Radius and angle uniforms of four words: 52 bits each, or 23 and 32 bits in float32 runs."""
    if dtype == "float64":
        return ((x[0] << 20 | x[1] >> 12) + 0.5) * 2.0**-52, ((x[2] << 20 | x[3] >> 12) + 0.5) * 2.0**-52
    return ((x[0] >> 9) + 0.5) * 2.0**-23, x[2] * 2.0**-32


def box_muller(radius, angle):
    """Two Gaussians of two uniforms (Box & Muller, Ann. Math. Stat. 29, 610, 1958)."""
    length = np.sqrt(-2.0 * np.log(radius))
    return length * np.cos(TURN * angle), length * np.sin(TURN * angle)


def normals(problem, step):
    """z0 and z1 of a step, each (R, N)."""
    pairs = [
        [uniforms(words(int(seed), int(replica), node, step), problem.dtype) for node in range(problem.n_nodes)]
        for seed, replica in zip(problem.seeds, problem.replicas, strict=True)
    ]
    return box_muller(*np.moveaxis(np.array(pairs), -1, 0))


def torque(problem, weights, theta):
    """K sum_j A_ij sin(theta_j - theta_i - alpha), (R, N)."""
    differences = theta[:, None, :] - theta[:, :, None] - problem.alpha[:, None, None]
    return problem.coupling[:, None] * np.einsum("ij,rij->ri", weights, np.sin(differences))


def integrate(problem, weights, theta, velocity, n_steps, first_step=0):
    """Unwrapped phases and velocities after ``n_steps``, each (R, N)."""
    advance = _phase_step if problem.order == "first" else _splitting_step
    if problem.order == "second" and problem.method != "baoab":
        advance = _swing_step
    for step in range(first_step, first_step + n_steps):
        z0, z1 = normals(problem, step) if problem.stochastic else (0.0, 0.0)
        theta, velocity = advance(problem, weights, theta, velocity, z0, z1)
    return theta, velocity


def _phase_step(problem, weights, theta, velocity, z0, z1):
    """Runge-Kutta with additive noise: dW = sqrt(h) z0, I10 = h/2 (dW + sqrt(h) z1 / sqrt 3)."""
    h, (matrix, b) = problem.dt, TABLEAUX[problem.method]
    kick = np.sqrt(2.0 * problem.noise) * np.sqrt(h) * z0
    inner = {"heun": kick, "sra1": 3 / 4 * np.sqrt(2.0 * problem.noise * h) * (z0 + z1 / np.sqrt(3.0))}
    rates = []
    for row in matrix:
        stage = theta + h * sum(a * k for a, k in zip(row, rates, strict=True))
        if row:
            stage = stage + inner.get(problem.method, 0.0)
        rates.append(problem.drive + torque(problem, weights, stage))
    return theta + h * sum(w * k for w, k in zip(b, rates, strict=True)) + kick, velocity


def _swing_step(problem, weights, theta, velocity, z0, z1):
    h, (matrix, b) = problem.dt, TABLEAUX[problem.method]
    phases, kicks = [], []
    for row in matrix:
        q = theta + h * sum(a * k for a, k in zip(row, phases, strict=True))
        v = velocity + h * sum(a * k for a, k in zip(row, kicks, strict=True))
        phases.append(v)
        kicks.append((problem.drive + torque(problem, weights, q) - problem.damping * v) / problem.inertia)
    return (
        theta + h * sum(w * k for w, k in zip(b, phases, strict=True)),
        velocity + h * sum(w * k for w, k in zip(b, kicks, strict=True)),
    )


def _splitting_step(problem, weights, theta, velocity, z0, z1):
    """BAOAB (Leimkuhler & Matthews, Appl. Math. Res. Express 2013, 34), its O step exact."""
    h, m = problem.dt, problem.inertia
    kept = np.exp(-problem.damping * h / m)
    thermal = np.sqrt((1.0 - kept**2) * problem.noise / m)
    velocity = velocity + h / 2 * (problem.drive + torque(problem, weights, theta)) / m
    theta = theta + h / 2 * velocity
    velocity = kept * velocity + thermal * z0
    theta = theta + h / 2 * velocity
    return theta, velocity + h / 2 * (problem.drive + torque(problem, weights, theta)) / m
