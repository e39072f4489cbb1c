"""Runs that survive faults: health, retries, snapshots and supervision of whatever they are given."""

if __name__ != "gpu_pipeline.resilience":
    raise ImportError(f"this folder was imported as {__name__!r}; import it as 'gpu_pipeline.resilience'")
