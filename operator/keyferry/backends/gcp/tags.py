"""Tags, as labels and annotations of a secret hold them. Pure.

Labels take lower-case letters, digits, - and _ only; annotations take any value. Both count as tags. What a mapping
goes by must be said once: a label and an annotation that say different things are told, and neither is believed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from keyferry.errors import SpecInvalid

_LABEL_KEY = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_ANNOTATION_KEY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_MOST_LABELS = 64
_MOST_ANNOTATED = 16 * 1024  # bytes of a secret's annotations, keys and values


@dataclass(frozen=True, slots=True)
class Marks:
    """A secret's labels and annotations."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]

    def readings(self, decisive: Iterable[str]) -> Iterator[tuple[dict[str, str], str]]:
        """The tags, and what is unclear about them: then each way to read them. `decisive`: the mapping's tags."""
        tags = {**self.annotations, **self.labels}
        unclear = [key for key in decisive if self._contradicts(key)]
        if not unclear:
            yield tags, ""
            return
        why = f"its label and its annotation {unclear[0]!r} say different things: take one of them away"
        yield tags, why
        yield {**self.labels, **self.annotations}, why

    def _contradicts(self, key: str) -> bool:
        return key in self.labels and self.annotations.get(key, self.labels[key]) != self.labels[key]


def marks_for(tags: Mapping[str, str], before: Marks) -> Marks:
    """Just these tags: a label where that can hold the tag, else an annotation. Raises SpecInvalid where neither can.

    What is an annotation already stays one: whoever made it knows it as that.
    """
    annotated = {key for key, value in tags.items() if not _fits(key, value)}
    annotated |= {key for key in tags if key in before.annotations and key not in before.labels}
    for key in annotated:
        if not _ANNOTATION_KEY.fullmatch(key):
            raise SpecInvalid(
                f"tag {key!r}: neither a label nor an annotation of Google's can be called so; write at most 63 "
                "letters, digits and the characters . _ -, with a letter or digit at both ends"
            )
    made = Marks(
        {key: value for key, value in tags.items() if key not in annotated}, {key: tags[key] for key in annotated}
    )
    if len(made.labels) > _MOST_LABELS:
        raise SpecInvalid(f"a secret has at most {_MOST_LABELS} labels, not {len(made.labels)}")
    if sum(len((key + value).encode()) for key, value in made.annotations.items()) > _MOST_ANNOTATED:
        raise SpecInvalid(f"what labels cannot hold is more than the {_MOST_ANNOTATED} bytes of annotations")
    return made


def _fits(key: str, value: str) -> bool:
    return _LABEL_KEY.fullmatch(key) is not None and _LABEL_VALUE.fullmatch(value) is not None
