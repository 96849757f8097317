from tests.bench.backend import Call
from tests.bench.steady import between_sweeps, looked


def sweep(at: float, pages: int) -> list[Call]:
    return [Call(at + page / 10, "ListSecrets", throttled=False, about=0 if page else 100) for page in range(pages)]


def test_pages_of_sweeps_that_were_under_way_belong_to_no_refresh_that_is_counted():
    calls = [*sweep(0, 10)[1:], *sweep(10, 10), *sweep(20, 10), *sweep(30, 2)]
    counted, whole = between_sweeps(calls)
    assert (len(counted), whole) == (20, 2)


def test_a_look_that_was_under_way_may_notice_too():
    sweeps = [call for call in (*sweep(10, 3), *sweep(20, 3)) if call.begins_sweep]
    assert looked(sweeps, since=15) == 20
    assert looked(sweeps, since=21) == 21
