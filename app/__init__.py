"""The service: experiment tracking for pilots of well-being programs."""

__version__ = "0.1.0"
