"""AWS Secrets Manager: how to log in, list and read.

`secrets_manager` is the backend; what it asks goes through `connection`, which imports AWS's SDK (`sdk`) on first use.
"""

from keyferry.api.providers.aws import Aws
from keyferry.backends.aws.secrets_manager import AwsBackend
from keyferry.backends.base import Context

__all__ = ["AwsBackend", "create"]


def create(spec: Aws, context: Context) -> AwsBackend:
    """A backend that has not called anyone yet. What is wrong with the spec is told when it is first used."""
    return AwsBackend(spec, context)
