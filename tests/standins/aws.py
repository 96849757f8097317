"""A stand-in for AWS: Secrets Manager, STS and SQS on a port of this machine.

In a test or the demo: `with AwsStandIn() as aws:`, then `aws.put("db", "a value", {"key": "db"})` and `aws.url`.
As a process of its own: `python -m tests.standins.aws --port 4566`; it prints its address and the admin's key.
"""

import argparse
import base64
import itertools
import json
import signal
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from tests.standins.aws_calls import Calls
from tests.standins.aws_faults import Faults
from tests.standins.aws_iam import Iam
from tests.standins.aws_queues import Queues
from tests.standins.aws_secrets import Secrets
from tests.standins.aws_sts import Sts
from tests.standins.aws_wire import Answer, AwsError, Listener, Request

REGION = "eu-west-1"
_accounts = itertools.count(100000000000)  # moto's state is the process's: each stand-in has an account of its own


class AwsStandIn:
    """One AWS account. What it is asked is in `calls`, what goes wrong in `faults`, who may what in `iam` and `sts`."""

    def __init__(self, *, port: int = 0, region: str = REGION) -> None:
        self.region = region
        self.account = str(next(_accounts))
        self.calls, self.faults = Calls(), Faults()
        self.iam = Iam(self.account)
        self.sts = Sts(self.iam)
        self.secrets = Secrets(self.iam)
        self.queues = Queues(self.iam, region)
        self.admin = self.iam.user("admin")
        self._listener = Listener(self._answer, port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.port}"

    @property
    def host(self) -> str:
        """As error texts name it."""
        return f"127.0.0.1:{self._listener.port}"

    def put(self, name: str, value: str | bytes, tags: Mapping[str, str] | None = None, *, kms_key: str = "") -> str:
        """Create the secret, or give it a new value and, where they are given, new tags; returns its ARN."""
        with self.secrets.lock:
            backend = self.secrets.backend(self.region)
            held = _held(value)
            if name in backend.secrets and not backend.secrets[name].is_deleted():
                backend.put_secret_value(secret_id=name, client_request_token="", version_stages=["AWSCURRENT"], **held)
                if tags is not None:
                    backend.secrets[name].tags = _tag_list(tags)
            else:
                self._forget(name)
                self._create(name, tags or {}, kms_key_id=kms_key or None, **held)
            return str(backend.secrets[name].arn)

    def put_empty(self, name: str, tags: Mapping[str, str] | None = None) -> str:
        """Create a secret that has no value yet; returns its ARN."""
        with self.secrets.lock:
            self._create(name, tags or {}, secret_string=None, secret_binary=None, kms_key_id=None)
            return str(self.secrets.backend(self.region).secrets[name].arn)

    def rotate(self, name: str, value: str | bytes) -> str:
        """Give the secret a new value; returns its new version."""
        self.put(name, value)
        return self.version(name)

    def version(self, name: str) -> str:
        """The secret's current version."""
        with self.secrets.lock:
            return str(self.secrets.backend(self.region).secrets[name].default_version_id)

    def arn(self, name: str) -> str:
        """The secret's ARN."""
        with self.secrets.lock:
            return str(self.secrets.backend(self.region).secrets[name].arn)

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        """Give the secret these tags, and no others."""
        with self.secrets.lock:
            self.secrets.backend(self.region).secrets[name].tags = _tag_list(tags)

    def delete(self, name: str, *, at_once: bool = True) -> None:
        """Delete the secret for good, or schedule it for deletion."""
        with self.secrets.lock:
            window = None if at_once else 30
            self.secrets.backend(self.region).delete_secret(name, window, at_once)

    def restore(self, name: str) -> None:
        """Take a scheduled deletion back."""
        with self.secrets.lock:
            self.secrets.backend(self.region).restore_secret(name)

    def queue(self, name: str) -> str:
        """Create a queue of SQS; returns its URL."""
        self.queues.create(name)
        return f"{self.url}/{self.account}/{name}"

    def down(self) -> None:
        """Be unreachable: stop listening, and break open connections."""
        self._listener.down()

    def up(self) -> None:
        """Be back, on the same port, with all that was there."""
        self._listener.up()

    def stop(self) -> None:
        self.faults.clear()
        self._listener.down()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answer(self, request: Request) -> Answer:
        self.calls.note(request)
        try:
            return self.faults.answer(request, lambda: self._rightly(request))
        finally:
            self.calls.answered()

    def _rightly(self, request: Request) -> Answer:
        try:
            services = {"sts": self.sts.answer, "AmazonSQS": self.queues.answer}
            return services.get(request.service, self.secrets.answer)(request)
        except AwsError as e:
            return e.answer(request.service)

    def _create(self, name: str, tags: Mapping[str, str], **held: Any) -> None:
        self.secrets.backend(self.region).create_secret(
            name=name,
            tags=_tag_list(tags),
            description=None,
            client_request_token=None,
            replica_regions=[],
            force_overwrite=False,
            **held,
        )

    def _forget(self, name: str) -> None:
        backend = self.secrets.backend(self.region)
        if name in backend.secrets:
            backend.delete_secret(name, None, force_delete_without_recovery=True)


def _held(value: str | bytes) -> dict[str, Any]:
    if isinstance(value, str):
        return {"secret_string": value, "secret_binary": None}
    return {"secret_string": None, "secret_binary": base64.b64encode(value).decode()}


def _tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.standins.aws", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port to listen on (default: a free one)")
    parser.add_argument("--region", default=REGION, help=f"the region to seed (default: {REGION})")
    options = parser.parse_args()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with AwsStandIn(port=options.port, region=options.region) as aws:
        admin = {"accessKeyId": aws.admin.id, "secretAccessKey": aws.admin.secret}
        sys.stdout.write(json.dumps({"url": aws.url, "region": aws.region, **admin}) + "\n")
        sys.stdout.flush()
        done.wait()


if __name__ == "__main__":
    main()
