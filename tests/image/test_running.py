"""The image in a container, restricted as the Deployment says: it does its job, and needs nothing more."""

import http.client
import time
import urllib.request
from pathlib import Path

import pytest

from tests.cluster.manifests import external_secret
from tests.cluster.sqlite import STORE, sqlite_store

pytestmark = pytest.mark.timeout(600)  # the image may have to be built first

MANY = 1000
NO_CAPABILITY = "0" * 16
MIB = 1 << 20

# What may be written to besides the Deployment's volumes: every container's own, which hold nothing that stays.
EVERY_CONTAINERS = {"/dev/shm", "/dev/mqueue"}  # noqa: S108
WRITABLE = """
import os
for folder, below, _ in os.walk("/"):
    if folder == "/proc" or folder == "/sys":
        below.clear()
    if os.access(folder, os.W_OK) and not os.statvfs(folder).f_flag & os.ST_RDONLY:
        print(folder)
"""


@pytest.mark.parametrize("kind", ["livenessProbe", "readinessProbe"])
def test_the_probes_of_the_deployment_find_it_well(operator, kind):
    probe = operator.rules.probes[kind]
    with urllib.request.urlopen(probe.url, timeout=probe.timeout) as answer:  # noqa: S310 - our own
        assert answer.status == http.client.OK


def test_its_process_has_the_user_and_no_rights(operator):
    status = status_of(operator.pid)

    assert status["Uid"].split() == ["65532"] * 4 == [str(operator.rules.user)] * 4
    assert status["Gid"].split() == [str(operator.rules.group)] * 4
    assert {status[each] for each in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {NO_CAPABILITY}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"  # a filter


def test_its_memory_has_the_limit_of_the_chart(operator):
    assert limit_of(operator.pid) == operator.rules.memory == 512 * MIB


def test_nothing_can_be_written_but_the_volumes(operator):
    found = set(operator.execute("python3", "-c", WRITABLE).split())

    assert found - EVERY_CONTAINERS == {"/tmp", "/var/lib/keyferry"} == set(operator.container.folders)  # noqa: S108


def test_a_value_travels_and_its_rotation_follows(team):
    team.put("db", "first")
    team.declare("db", every="1s")
    team.holds("db", value=b"first")

    team.put("db", "second")

    team.holds("db", value=b"second")


def test_a_secret_put_in_the_pod_travels_from_sqlite(world, operator):
    namespace = world.namespace()
    world.apply(*sqlite_store(namespace))
    world.await_ready(namespace, STORE, "Ready", kind="SecretStore")
    world.apply(external_secret(namespace, store=STORE, kind="SecretStore", every="1s"))
    put = f"printf %s first | keyferry secret put db --store {STORE} --namespace {namespace}"

    operator.execute("sh", "-c", put)

    world.await_secret(namespace, "db", {"value": b"first"})


def test_its_commands_work_in_the_pod(operator, team):
    asked = ["keyferry", "check", "--cluster-store", team.store.name, "--namespace", team.namespace]
    assert "Ready" in operator.execute(*asked)
    assert "200" in operator.execute("keyferry", "probe", operator.rules.probes["readinessProbe"].url)
    assert "restore" in operator.execute("keyferry", "secret", "--help")


def test_a_probe_of_nobody_fails(operator):
    said = operator.execute("sh", "-c", "keyferry probe http://127.0.0.1:9/readyz 2>&1; echo $?")
    assert said.split()[-1] == "1"


def test_it_ends_when_it_is_told_to_within_its_grace(world, operator):
    began = time.monotonic()
    assert operator.stop() == 0
    assert time.monotonic() - began < operator.container.grace
    world.start()


def test_at_a_thousand_external_secrets_it_stays_within_its_memory(world, operator, team, record_property):
    world.restart()  # a new container, whose peak is its own
    keys = [f"k{n}" for n in range(MANY)]
    for key in keys:
        team.put(key, f"value of {key}")

    world.apply_all(external_secret(team.namespace, key, store=team.store) for key in keys)

    def there() -> bool:
        assert operator.running, (
            f"it ended, as one does that wants more memory than it may have\n{operator.log[-2000:]}"
        )
        return len(world.secrets(team.namespace)) == MANY

    world.eventually(there, within=180.0, what=f"{MANY} Secrets")

    wanted = {key: {"value": f"value of {key}".encode()} for key in keys}
    assert world.secrets(team.namespace) == wanted
    peak, resident = peak_of(operator.pid), int(status_of(operator.pid)["VmHWM"].split()[0]) << 10
    said = f"{peak / MIB:.0f} MiB of its control group, {resident / MIB:.0f} MiB of its process with its files"
    record_property("measured", f"most memory at {MANY} ExternalSecrets in the container: {said}")
    assert resident < operator.rules.memory
    assert peak <= operator.rules.memory


def status_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def limit_of(pid: int) -> int:
    """The limit of the memory of a process's control group, in bytes."""
    return _of_group(pid, "memory.limit_in_bytes", "memory.max")


def peak_of(pid: int) -> int:
    """The most memory that a process's control group ever had, files included that it was the first to read."""
    return _of_group(pid, "memory.max_usage_in_bytes", "memory.peak")


def _of_group(pid: int, first: str, second: str) -> int:
    """A number of the group, by its name in the first or second version of control groups."""
    groups = [line.split(":", 2) for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()]
    where = {controllers: path for _, controllers, path in groups}
    if "memory" in where:
        return int(Path(f"/sys/fs/cgroup/memory{where['memory']}/{first}").read_text())
    return int(Path(f"/sys/fs/cgroup{where['']}/{second}").read_text())
