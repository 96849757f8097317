"""What `keyferry run` makes of its options."""

import pytest
import typer

from keyferry.cli.run import _secrets
from keyferry.values import Key


def test_secrets_are_named_with_the_namespaces_that_they_are_in():
    named = ["payments/db", "payments/login", "payments/db"]
    assert _secrets(named, ["payments", "shop"]) == (Key("payments", "db"), Key("payments", "login"))


@pytest.mark.parametrize("named", ["db", "payments/", "/db", "shop/db"])
def test_one_that_is_in_no_namespace_to_work_in_is_refused(named: str):
    with pytest.raises(typer.BadParameter, match="of a namespace that --only-namespace names"):
        _secrets([named], ["payments"])
