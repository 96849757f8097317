"""Loggers that would tell at DEBUG what is read and written."""

import logging


def hold(*names: str) -> None:
    """Let these loggers say warnings and worse only, whatever the root logger's owner meant."""
    for name in names:
        logging.getLogger(name).addFilter(_no_parameters)  # it is there once, however often it is added


def _no_parameters(record: logging.LogRecord) -> bool:
    """At DEBUG these libraries log statements with all that is in them."""
    return record.levelno >= logging.WARNING
