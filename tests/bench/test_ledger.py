import json

from tests.bench.ledger import Ledger

OURS = "system:serviceaccount:keyferry-system:keyferry"


def line(user=OURS, verb="patch", name="db", sub=""):
    about = {"resource": "secrets", "namespace": "team", "name": name, "subresource": sub}
    return json.dumps(
        {
            "user": {"username": user},
            "verb": verb,
            "objectRef": {key: value for key, value in about.items() if value},
            "responseStatus": {"code": 200},
            "requestReceivedTimestamp": "2026-01-01T00:00:00.000000Z",
            "stageTimestamp": "2026-01-01T00:00:00.250000Z",
        },
        separators=(",", ":"),
    )


def test_only_one_users_requests_are_seen_and_a_line_only_when_it_is_whole(tmp_path):
    log = tmp_path / "audit.log"
    ledger = Ledger(log, OURS)
    log.write_text(f"{line(name='a')}\n{line(user='admin')}\n{line(name='b')[:40]}")
    assert [each.name for each in ledger.asked()] == ["a"]

    log.write_text(f"{line(name='a')}\n{line(user='admin')}\n{line(name='b')}\n")

    assert [each.name for each in ledger.asked()] == ["a", "b"]
    assert [each.name for each in ledger.asked(since=1)] == ["b"]


def test_reads_and_watches_are_no_writes(tmp_path):
    log = tmp_path / "audit.log"
    log.write_text("".join(f"{line(verb=verb, sub='status')}\n" for verb in ("get", "watch", "patch")))
    ledger = Ledger(log, OURS)

    (written,) = ledger.writes()

    assert (written.what, written.at - written.began) == ("secrets/status", 0.25)
    assert len(ledger) == 2
