"""Models that are written for Triton's Python backend, as they are."""
