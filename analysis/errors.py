"""The library's own errors; nothing here knows of HTTP or of the service.

AnalysisError
└── Refused      a request that cannot be answered honestly: a result, not a fault
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class AnalysisError(Exception):
    """Root of the errors this library raises on purpose."""


class Refused(AnalysisError):
    """What was asked cannot be answered; says why and what would help (docs/methods.md §1).

    `code` is stable and lower_snake; `message` and `what_would_help` are sentences for the person who asked.
    """

    def __init__(self, code: str, message: str, what_would_help: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.what_would_help = what_would_help

    def as_dict(self) -> dict[str, str]:
        """The refusal as the JSON front answers it."""
        return {"code": self.code, "message": self.message, "what_would_help": self.what_would_help}


@contextmanager
def computable(raised: Sequence[BaseException] = ()) -> Iterator[None]:
    """Turn a breakdown of the arithmetic into a refusal: never an exception, never a made-up number.

    NumPy's LinAlgError and what SciPy finds out of range are ValueErrors. `raised` is what the caller's own progress
    raised: that is passed on.
    """
    try:
        yield
    except (ArithmeticError, ValueError) as error:
        if raised:
            raise
        raise Refused(
            "not_computable",
            f"The computation broke down on these numbers ({type(error).__name__}: {error}).",
            "Check the data, the reference SD and the priors for numbers of another size than the rest.",
        ) from error
