"""Words that are values, and where they are looked for: wherever one is found but in its Secret, it has escaped."""

import base64
import json
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster.world import World

KINDS = ("ExternalSecret", "SecretStore", "ClusterSecretStore", "Event", "Namespace")


@dataclass(slots=True)
class Canaries:
    """Words that are values. Each is new, so that wherever one is found it has flown there."""

    words: dict[str, str] = field(default_factory=dict)

    def word(self, name: str) -> str:
        """A word that is nowhere yet."""
        return self.words.setdefault(name, f"canary{uuid.uuid4().hex}")

    def found_in(self, text: str) -> list[str]:
        """The words that have got into the text, as they are, in Base64 at any offset, or in hexadecimal."""
        return sorted(name for name, word in self.words.items() if any(each in text for each in shapes(word)))


def shapes(word: str) -> set[str]:
    """How a word looks where it has been copied or encoded. The core of each of Base64's three alignments."""
    raw = word.encode()
    aligned = {base64.b64encode(bytes(pad) + raw).decode()[4:-4] for pad in range(3)}
    return {word, raw.hex(), *aligned}


def escaped(world: World, canaries: Canaries) -> dict[str, list[str]]:
    """Which canaries are where they must not be."""
    places = {"metrics": world.metrics(), "log": world.operator.log}
    for kind in KINDS:
        places[kind] = json.dumps(world.listed(kind))
    places["ConfigMap"] = json.dumps(world.plane.request("GET", "/api/v1/configmaps"))
    places["Lease"] = json.dumps(world.plane.request("GET", "/apis/coordination.k8s.io/v1/leases"))
    places["metadata of Secrets"] = json.dumps([metadata_of(each) for each in world.listed("Secret")])
    places["data folder"] = "".join(sorted(file_text(path) for path in world.data_dir.rglob("*") if path.is_file()))
    return {place: names for place, text in places.items() if (names := canaries.found_in(text))}


def metadata_of(found):
    """All but the API server's own list of fields, which names a Secret's keys as the Secret itself does."""
    return {name: each for name, each in found["metadata"].items() if name != "managedFields"}


def file_text(path: Path) -> str:
    """What is in a file; nothing where it is gone, as SQLite's own beside a database come and go."""
    try:
        return path.read_bytes().decode("latin-1")
    except FileNotFoundError:
        return ""
