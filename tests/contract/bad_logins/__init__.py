"""Each provider's table. A new provider gets one, and a new way to log in a row in it."""

from collections.abc import Mapping

from tests.contract.bad_logins import aws, azure, elasticsearch, gcp, hcp, infisical, kubernetes, sql, vault
from tests.contract.bad_logins.table import Table

TABLES: Mapping[str, Table] = {
    "aws": aws.TABLE,
    "azure": azure.TABLE,
    "elasticsearch": elasticsearch.TABLE,
    "gcp": gcp.TABLE,
    "hcp": hcp.TABLE,
    "infisical": infisical.TABLE,
    "kubernetes": kubernetes.TABLE,
    **{f"sql ({name})": table for name, table in sql.TABLES.items()},
    "vault": vault.VAULT,
    "vault (OpenBao)": vault.OPENBAO,
}
