"""Compiled steps of the oscillator models: arrays in, arrays out, one module per backend."""

if __name__ != "gpu_pipeline.kernels":
    raise ImportError(f"this folder was imported as {__name__!r}; import it as 'gpu_pipeline.kernels'")
