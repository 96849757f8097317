"""What is in the demo's AWS account. Every value is made up, so the demo may show them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "acme"

# What the operator's key may do: list, and read what is tagged for this installation. The page docs/providers/aws.md
# explains each action.
POLICY: Mapping[str, Any] = {
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["secretsmanager:ListSecrets", "secretsmanager:BatchGetSecretValue"],
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": "*",
            "Condition": {"StringEquals": {"secretsmanager:ResourceTag/prefix": PREFIX}},
        },
    ]
}


@dataclass(frozen=True, slots=True)
class Held:
    """A secret in AWS: its own name, for whom it is tagged and under which key, and what it holds."""

    name: str
    namespace: str
    key: str
    value: str
    prefix: str = PREFIX

    @property
    def tags(self) -> dict[str, str]:
        return {"prefix": self.prefix, "namespace": self.namespace, "key": self.key}


def database(password: str) -> str:
    """team-a's `db`."""
    return json.dumps({"username": "shop", "password": password})


PASSWORDS = tuple(f"made-up-password-{number}" for number in range(1, 4))
SHOP = {"session-key": "made-up-session-key", "smtp-password": "made-up-smtp-password"}
LICENSE = "made-up-license-0815"

DATABASE = Held("prod/eu/orders-db", "team-a", "db", database(PASSWORDS[0]))
SECRETS = (
    DATABASE,
    Held("shop-settings-2026", "team-a", "shop", json.dumps(SHOP)),
    Held("bank-token", "team-a", "api-bank", "made-up-bank-token"),
    Held("maps-token", "team-b", "api-maps", "made-up-maps-token"),
    Held("mail/token", "team-b", "api-mail", "made-up-mail-token"),
    Held("globex-token", "team-b", "api-globex", "made-up-globex-token", prefix="globex"),
)
MANY = tuple(
    Held(f"many/{number}", "team-a", f"many-{number}", f"made-up-token-{number}-of-many") for number in range(1, 91)
)  # all in all fewer than 100: what ListSecrets tells with one call
VALUES = (
    *PASSWORDS,
    *SHOP.values(),
    LICENSE,
    *(held.value for held in (*SECRETS, *MANY) if not held.value.startswith("{")),
)
"""What must stand nowhere but in the Secrets."""
