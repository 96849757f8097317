"""Each provider's table. A new provider gets one, and a new way to log in a row in it."""

from collections.abc import Mapping

from tests.contract.bad_logins import infisical
from tests.contract.bad_logins.table import Table

TABLES: Mapping[str, Table] = {
    "infisical": infisical.TABLE,
}
