"""The checks: one module each, a function from an artifact (and an environment) to findings. None knows of pytest."""
