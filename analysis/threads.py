"""Linear algebra on one thread: the matrices here are small, and a second thread costs more than it brings.

Sums are then in the same order on every machine too, whatever its number of cores.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def one_thread() -> Iterator[None]:
    """While open, BLAS works on one thread; afterwards on as many as before. Also a decorator."""
    with _controller().limit(limits=1, user_api="blas"):
        yield
