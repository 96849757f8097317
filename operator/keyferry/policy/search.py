"""Which of the secrets that a namespace sees a `find` asks for."""

from collections.abc import Callable, Mapping

import re2

from keyferry.errors import SpecInvalid
from keyferry.values import Search

_MEMORY = 1024 * 1024  # bytes of states that an expression may keep; far more than 256 characters need


def matcher(search: Search) -> Callable[[str, Mapping[str, str]], bool]:
    """A predicate over a key and its tags. Raises SpecInvalid for a regular expression that is none.

    RE2 takes time linear in the text, so that no tenant can stall the operator with an expression.
    """
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        pattern = re2.compile(search.regexp, options)
    except re2.error as wrong:
        raise SpecInvalid(f"find.name.regexp {search.regexp!r} is no RE2 expression: {_text(wrong)}") from wrong
    root = search.path.rstrip("/")

    def matches(key: str, tags: Mapping[str, str]) -> bool:
        return (
            pattern.search(key) is not None
            and (not root or key == root or key.startswith(root + "/"))
            and all(tags.get(name) == value for name, value in search.tags)
        )

    return matches


def _text(wrong: Exception) -> str:
    said = wrong.args[0] if wrong.args else wrong
    return said.decode() if isinstance(said, bytes) else str(said)
