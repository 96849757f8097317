"""Secrets as documents of an Elasticsearch index, whose values are encrypted (`backends/cipher.py`).

`backend` is what the operator asks. It asks an `index`, which makes the calls; what is in a document is in
`documents`, what goes wrong in `errors`. `connection` logs in with the official client, and `node` is the only file
that sends anything. Nothing but this module may be imported before the first use.
"""

from typing import TYPE_CHECKING

from keyferry.api.providers.elasticsearch import Elasticsearch
from keyferry.backends.base import Context

if TYPE_CHECKING:
    from keyferry.backends.elasticsearch.backend import ElasticsearchBackend


def create(spec: Elasticsearch, context: Context) -> "ElasticsearchBackend":
    """A backend that has not called anyone yet. What is wrong with the spec is told when it is first used."""
    from keyferry.backends.elasticsearch.backend import ElasticsearchBackend  # noqa: PLC0415 - the client costs 10 MiB

    return ElasticsearchBackend(spec, context)
