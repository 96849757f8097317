import json

from tests.bench.begin import warned


def test_warnings_are_counted_by_their_reason():
    messages = [("WARNING", f"ExternalSecret team/s{n}: KubeUnavailable: it does not answer") for n in range(3)]
    messages += [("INFO", "ExternalSecret team/s9: Synced"), ("ERROR", "the watch ended")]
    log = "\n".join(json.dumps({"level": level, "message": message}) for level, message in messages)

    assert warned(f"a line of somebody else's\n{log}") == {"KubeUnavailable": 3, "the watch ended": 1}
