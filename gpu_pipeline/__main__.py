"""``python -m gpu_pipeline`` is the command ``gpu-pipeline``."""

import sys

from gpu_pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
