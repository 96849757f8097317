"""What an exception of an SDK's wraps: each has its own way to do that."""

from collections.abc import Iterator

_NAMES = ("reason", "original_error", "inner_exception", "certificate_error")  # of attributes that hold one


def within(error: object, depth: int = 8) -> Iterator[BaseException]:
    """The exception and those that it wraps, from the outermost on."""
    if not isinstance(error, BaseException) or not depth:
        return
    yield error
    named = (getattr(error, name, None) for name in _NAMES)
    of_botocore = getattr(error, "kwargs", None) or {}
    for inner in (*error.args, *named, of_botocore.get("error"), error.__cause__):
        yield from within(inner, depth - 1)
