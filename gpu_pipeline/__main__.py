"""``python -m gpu_pipeline`` is the command ``gpu-pipeline``."""

from gpu_pipeline.cli import main

if __name__ == "__main__":
    main()
