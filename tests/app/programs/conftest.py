"""Syntheses that end without sampling."""

from tests.app.programs.world import pool

__all__ = ["pool"]
