"""A kubeconfig that stands alone: the certificate and the token are in it, the file is the owner's only."""

import base64
import json
from pathlib import Path

from tests.controlplane.api import Api


def write(path: Path, api: Api, *, user: str, namespace: str = "default") -> Path:
    """Write it (JSON is YAML) for the user whose token the Api holds."""
    authority = base64.b64encode(api.ca_file.read_bytes()).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": {"server": api.url, "certificate-authority-data": authority}}],
        "users": [{"name": user, "user": {"token": api.token}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": user, "namespace": namespace}}],
        "current-context": "local",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content, indent=1))
    return path
