"""The first sync, and the restart: what it costs to begin, from nothing and from all that is there."""

import http.client
import json
import re
import ssl
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.backend import Call
from tests.bench.bare import Bare
from tests.bench.ground import Ground, Group
from tests.bench.ledger import SECRETS, STATUSES, Asked
from tests.bench.rows import Row, number, row, times_bare
from tests.bench.usage import BUSY, MIB, Usage

CHECK_CALLS = 2  # what a store's login is checked with, before any work: one of the list, one of values
REFERENCE, MANY = 1_000, 10_000
MEMORY = {REFERENCE: 120.0, MANY: 300.0}  # MiB, the goals
_READY_WITHIN = 60.0
_REASON = re.compile(r"\w+ [\w./-]+: ([A-Z]\w+)")
_LIST = {
    "/api/v1/secrets": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
    "/api/v1/namespaces": "application/json",
    "/apis/keyferry.dev/v1alpha1/clustersecretstores": "application/json",
    "/apis/keyferry.dev/v1alpha1/secretstores": "application/json",
    "/apis/keyferry.dev/v1alpha1/externalsecrets": "application/json",
}


@dataclass(frozen=True, slots=True)
class First:
    """A first sync as it was seen. Times are of the epoch."""

    size: int
    pages: int
    began: float  # the process was started
    ready: float  # it had learnt what there is, and began to work
    ended: float  # the API server had answered its last write
    calls: list[Call]
    asked: list[Asked]
    used: Usage
    wrong: int
    others: float  # the share of the machine that went to other work
    warnings: Counter[str]  # in the operator's log, by the reason that they name

    @property
    def seconds(self) -> float:
        return self.ended - self.ready


def first_sync(ground: Ground, group: Group, within: float) -> First:
    """Start the operator where everything is declared and nothing in sync."""
    since, told = len(ground.ledger), len(ground.operator.log)
    began = ground.start()
    ground.operator.wait_ready(_READY_WITHIN * ground.patience)
    ready = time.time()
    ended = ground.synced(group, since, within=within)
    ground.quiet(0.5)
    used = ground.usage()
    calls, asked = group.account.calls(), ground.ledger.asked(since)
    others = ground.sampler.share_of_others(ready, ended)
    warnings = warned(ground.operator.log[told:])
    return First(
        group.size, group.pages, began, ready, ended, calls, asked, used, ground.wrong(group), others, warnings
    )


def warned(log: str) -> Counter[str]:
    """The warnings and errors in a log of JSON lines, by the reason that they name, else as they begin."""
    lines = (json.loads(line) for line in log.splitlines() if line.startswith("{"))
    grave = (str(line["message"]) for line in lines if line["level"] in {"WARNING", "ERROR", "CRITICAL"})
    return Counter(found[1] if (found := _REASON.match(message)) else message[:40] for message in grave)


def first_rows(first: First, bare: Bare | None, reference: First | None) -> Iterator[Row]:
    """What the first sync came to. `reference`: of the same with 1,000 in the same run."""
    name = f"first sync of {first.size:,}"
    least = bare.of(first.size) if bare else None
    if bare:
        yield row(
            name,
            "bare minimum: the same writes by a loop that does nothing else",
            least,
            "s",
            note=_scaled(bare, first),
        )
    what, note = "all in sync, from when the operator is ready", _disturbed(bare, first)
    yield times_bare(name, what, first.seconds, least, factor=1.5, note=note)
    start = first.ended - first.began
    yield row(name, "the same from the start of its process", start, "s", bare=least)
    calls = Counter(call.action for call in first.calls)
    values = sum(call.of_values for call in first.calls)
    goal = f"≤ {number(-(-first.size // 20))} + 1 of the login's check"
    yield row(name, "calls for values", values, at_most=-(-first.size // 20) + 1, goal=goal)
    goal = f"≤ {first.pages} pages + 1 of the login's check"
    yield row(name, "calls for the catalogue", calls["ListSecrets"], at_most=first.pages + 1, goal=goal)
    written = Counter(each.what for each in first.asked if each.writes)
    of_ours = written[SECRETS] + written[STATUSES]
    yield row(name, "writes of Secrets and statuses", of_ours, at_most=2 * first.size)
    reads = Counter(f"{each.verb} {each.what or 'what the API offers'}" for each in first.asked if not each.writes)
    yield row(
        name,
        "reads from the API server",
        reads.total(),
        note=", ".join(f"{n} × {what}" for what, n in reads.most_common(3)),
    )
    yield row(name, "Secrets that do not hold what they should", first.wrong, at_most=0)
    troubles = ", ".join(f"{n} × {what}" for what, n in first.warnings.most_common(3))
    yield row(name, "warnings in the operator's log", first.warnings.total(), at_most=0, note=troubles)
    cpu = first.used.cpu * 1000 / first.size
    yield row(name, "CPU of the operator for one, its start included", cpu, "ms", note=_bare_cpu(bare))
    yield _scaling(first, reference)
    yield row(
        f"memory at {first.size:,}",
        "resident after the first sync",
        first.used.memory / MIB,
        "MiB",
        at_most=MEMORY.get(first.size),
    )


def _scaling(first: First, reference: First | None) -> Row:
    """Whether many cost more each than a thousand do."""
    what = f"time for one, against the same with {REFERENCE:,} in the same run"
    if reference is None:
        name, note = f"first sync of {MANY:,}", f"make bench N={MANY} measures it"
        return row(name, what, None, goal="≤ 1.2 ×", note=note)
    times = first.seconds / first.size / (reference.seconds / reference.size)
    note = f"{reference.size:,} took {reference.seconds:.1f} s"
    return row(f"first sync of {first.size:,}", what, times, "×", at_most=1.2, note=note)


def _disturbed(bare: Bare | None, first: First) -> str:
    if bare is None or max(bare.others, first.others) <= BUSY:
        return ""
    return (
        f"other work took {first.others:.0%} of the machine meanwhile, and {bare.others:.0%} in the bare minimum's time"
    )


def _scaled(bare: Bare, first: First) -> str:
    return "" if bare.size == first.size else f"measured with {bare.size:,} in {bare.seconds:.1f} s, and multiplied"


def _bare_cpu(bare: Bare | None) -> str:
    return f"the bare loop: {bare.cpu * 1000 / bare.size:.2f} ms" if bare else ""


def restart(ground: Ground, group: Group) -> Iterator[Row]:
    """Start the operator where all is in sync already; it runs not when this begins."""
    listing = listed(ground)
    since, asked = len(ground.ledger), len(group.account.calls())
    began = ground.start()
    ground.operator.wait_ready(_READY_WITHIN * ground.patience)
    ready = time.time()
    ground.until(lambda: ground.world.syncs() >= group.size, "that each was looked at again", within=120, poll=0.25)
    looked = time.time()
    ground.quiet(1.0)
    name, calls = "restart", group.account.calls(asked)
    goal = f"≤ 3 s + {listing:.2f} s, the list from the API server"
    yield row(name, "ready", ready - began, "s", at_most=3 + listing, goal=goal)
    yield row(name, "each was looked at again, from the start", looked - began, "s", note="to within 0.25 s")
    of_values = sum(call.of_values for call in calls)
    yield row(name, "calls for values", of_values, at_most=1, goal="none but the 1 of the login's check")
    yield row(
        name,
        "calls for the catalogue",
        len(calls) - of_values,
        at_most=group.pages + 1,
        goal=f"≤ {group.pages} pages + 1 of the login's check",
    )
    yield row(name, "writes to the API server", len(ground.ledger.writes(since)), at_most=0)


def listed(ground: Ground) -> float:
    """Seconds that it takes to list what an operator must know, page by page, over one connection, JSON parsed."""
    pod = ground.operator.pod
    path = ground.plane.service_account_kubeconfig(pod.namespace, pod.service_account, ground.plane.folder)
    token = json.loads(path.read_text())["users"][0]["user"]["token"]
    trust = ssl.create_default_context(cafile=str(ground.plane.ca_file))
    connection = http.client.HTTPSConnection(ground.plane.url.removeprefix("https://"), context=trust, timeout=60)
    began = time.perf_counter()
    for resource, accept in _LIST.items():
        more = ""
        while True:
            connection.request(
                "GET", f"{resource}?limit=500{more}", headers={"Authorization": f"Bearer {token}", "Accept": accept}
            )
            page = json.loads(connection.getresponse().read())
            if not (token_of_page := page["metadata"].get("continue")):
                break
            more = f"&continue={token_of_page}"
    taken = time.perf_counter() - began
    connection.close()
    return taken
