"""The service: experiment tracking for pilots of well-being programs."""

import gc

# Most of what is imported stays: to look for garbage as often as by default takes a fifth of the start.
gc.set_threshold(50_000)

__version__ = "0.1.0"
