"""KV version 1, on a real OpenBao."""

from tests.contract.subjects._vault import opener
from tests.servers import openbao

open_subject = opener(openbao.shared, 1)
