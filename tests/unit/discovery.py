"""What an API server tells of our kinds: which there are, and their schemas."""

import json
from collections.abc import Mapping

from keyferry.kube.client import Json

_OURS = "apis/keyferry.dev/v1alpha1"


def discovered(url: str, crds: Mapping[str, str], schemas: Mapping[str, Json]) -> Json:
    """The document at that address. `crds`: kinds by their plural names; `schemas`: those that OpenAPI tells."""
    if url == f"/{_OURS}":
        return {"resources": [{"name": plural} for plural in crds]}
    if url == "/openapi/v3":
        at = f"/openapi/v3/{_OURS}?hash={hash(json.dumps(schemas))}"
        return {"paths": {_OURS: {"serverRelativeURL": at}} if schemas else {}}
    told = {
        plural: {**schema, "x-kubernetes-group-version-kind": [{"kind": crds[plural]}]}
        for plural, schema in schemas.items()
    }
    return {"components": {"schemas": told}}
