"""Where reading a secret may make a new one, it is not read to find out whether it changed."""

import pytest

from keyferry.errors import PermissionDenied
from keyferry.values import Lookup
from tests.unit.fetch.counter import NO_LISTING, Counter, filled

pytestmark = pytest.mark.looptime(start=1000.0)


async def test_where_a_read_makes_something_only_the_catalogue_is_looked_at_whatever_it_costs():
    counter = Counter(filled(1000, page=10), demand=1)
    counter.backend.mints = True
    for _ in range(2):
        assert [each.version for each in await counter.found("k7")] == ["v8"]
    assert counter.backend.calls == {"list": 200}


async def test_where_a_read_makes_something_nothing_is_read_where_the_catalogue_is_refused():
    counter = Counter(filled(3, access=NO_LISTING))
    counter.backend.mints = True
    looked = await counter.look("k0")
    assert isinstance(looked[Lookup("k0")], PermissionDenied)
    assert counter.backend.calls == {}
