"""The CPU backend: numba kernels in explicit SIMD, on all cores."""
