"""How the service logs: one structured line an event, on standard error."""

import logging
import sys

import structlog


def configure_logs(level: str) -> None:
    """Plain, readable lines on a terminal; JSON elsewhere."""
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        # Plain tracebacks: others print the values of variables, which may be of people.
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if terminal
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
