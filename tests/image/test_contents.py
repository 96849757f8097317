"""What is in the image: all that every backend needs, and nothing of what or where it was built."""

import importlib.metadata
import json
import os
import re
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.image import base, building
from tests.image.podman import Podman

pytestmark = pytest.mark.timeout(600)  # the image may have to be built first

OWN = "opt/keyferry"
SBOM = "usr/share/keyferry/sbom.cdx.json"
BUILDERS = {"pip", "setuptools", "wheel", "hatchling", "cyclonedx_py", "cyclonedx", "uv", "_distutils_hack"}
COMPILERS = {"cc", "gcc", "g++", "c++", "clang", "ld", "make", "cargo", "rustc", "go"}
PATH = ("opt/keyferry/bin", "usr/local/bin", "usr/bin", "bin")
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
PAGE = building.ROOT / "docs" / "image.md"

IMPORT_ALL = """
import importlib, pkgutil, sys, keyferry
names = {found.name for found in pkgutil.walk_packages(keyferry.__path__, "keyferry.")} - {"keyferry.__main__"}
for name in [*names, *sys.argv[1:]]:
    importlib.import_module(name)
print(len(names))
"""
AWS_CLIENTS = """
import botocore.session
session = botocore.session.get_session()
for service in ("secretsmanager", "sqs", "sts", "sso", "sso-oidc", "signin"):
    print(session.create_client(service, region_name="eu-west-1").meta.endpoint_url)
"""
INSTALLED = """
import importlib.metadata
for found in importlib.metadata.distributions():
    print(found.metadata["Name"], found.version)
"""


def test_its_user_is_nobodys_and_its_program_the_operator(podman):
    (config,) = json.loads(podman.ask("image", "inspect", building.IMAGE))
    assert config["User"] == "65532:65532"
    assert config["Config"]["Entrypoint"] == ["keyferry"]
    assert config["Config"]["Cmd"] == ["run"]


def test_every_module_and_every_sdk_can_be_imported(podman):
    contracts = tomllib.loads((building.ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (sdks,) = [each["forbidden_modules"] for each in contracts if each["name"] == "SDKs stay in their backend"]

    assert int(inside(podman, IMPORT_ALL, *sdks)) > 100


def test_the_services_of_aws_that_are_asked_are_known(podman):
    assert inside(podman, AWS_CLIENTS).split() == [
        "https://secretsmanager.eu-west-1.amazonaws.com",
        "https://sqs.eu-west-1.amazonaws.com",
        "https://sts.eu-west-1.amazonaws.com",
        "https://portal.sso.eu-west-1.amazonaws.com",
        "https://oidc.eu-west-1.amazonaws.com",
        "https://signin.eu-west-1.amazonaws.com",
    ]


def test_its_bytecode_is_used_as_it_is(podman):
    imports = "import keyferry.cli, keyferry.app, kopf, kubernetes.aio.client, botocore.session"
    told = run(podman, "sh", "-c", f"python3 -v -c '{imports}' 2>&1")
    assert re.search(r"# .*/opt/keyferry/.*\.pyc matches", told)
    assert re.findall(r"# code object from '?(/opt/keyferry/[^']*\.py)\b(?!c)", told) == []


def test_nothing_that_builds_it_is_in_it(root):
    own = [*(root / OWN).rglob("*")]
    assert {each.name for each in own if each.name.partition("-")[0] in BUILDERS} == set()
    assert [each for each in (root / folder / name for folder in PATH for name in COMPILERS) if each.exists()] == []
    assert [place for place in ("src", "own", "opt/build", "root/.cache") if (root / place).exists()] == []
    assert [each for each in own if each.suffix in {".whl", ".c", ".pyx"}] == []


def test_nobody_but_root_may_change_what_is_in_it(root):
    assert [path for path in files(root / OWN) if not path.is_symlink() and changeable(path)] == []


def test_nothing_tells_of_the_machine_that_built_it(podman, root):
    private = {
        *(each.encode() for each in (building.CANARY, "canary-of-the-index")),
        *(each.encode() for name, text in building.pip_settings().items() if name != "cert" for each in text.split()),
        *extra_authorities(podman),
    }
    pattern = re.compile(b"|".join(re.escape(each) for each in sorted(private)))
    assert pattern.search(building.CANARY.encode())

    found = [path for path in files(root) if not path.is_symlink() and pattern.search(path.read_bytes())]
    recorded = podman.ask("history", "--no-trunc", building.IMAGE) + podman.ask("image", "inspect", building.IMAGE)

    assert found == []
    assert not pattern.search(recorded.encode())


def test_the_sbom_lists_just_what_is_installed_and_locked(podman, root):
    listed = json.loads((root / SBOM).read_text())
    own = listed["metadata"]["component"]
    components = {canonicalize_name(each["name"]): each["version"] for each in listed["components"]}

    assert listed["bomFormat"] == "CycloneDX"
    assert (own["name"], own["version"]) == ("keyferry", importlib.metadata.version("keyferry"))
    assert {each["purl"] for each in listed["components"]} == {f"pkg:pypi/{n}@{v}" for n, v in components.items()}
    assert components == locked()
    installed: dict[str, str] = dict(line.split() for line in inside(podman, INSTALLED).splitlines())
    assert {canonicalize_name(name): installed[name] for name in installed} == components | {"keyferry": own["version"]}


def test_make_image_wrote_the_same_sbom(root):
    assert building.SBOM.read_bytes() == (root / SBOM).read_bytes()


def test_it_is_as_large_as_its_page_says(root, record_property):
    whole, own = (sum(path.lstat().st_size for path in files(each)) / 1e6 for each in (root, root / OWN))
    record_property("measured", f"image: {whole:.0f} MB of files, {own:.0f} of them {OWN}")
    rows = dict(re.findall(r"^\| ([^|]+) \| (\d+) \|", PAGE.read_text(), re.MULTILINE))
    assert sum(int(size) for part, size in rows.items() if part != "base") == pytest.approx(own, rel=0.05)


def inside(podman: Podman, script: str, *arguments: str) -> str:
    """What a Python script prints that runs in the image."""
    return run(podman, "python3", "-W", "error::ImportWarning", "-c", script, *arguments)


def run(podman: Podman, program: str, *arguments: str) -> str:
    """What a program of the image says, as its user, on a root file system that cannot be written to."""
    restricted = ("--rm", "--pull=never", "--network=none", "--read-only", "--cap-drop=ALL", "--log-driver=none")
    return podman.ask("run", *restricted, f"--entrypoint={program}", building.IMAGE, *arguments)


def files(folder: Path) -> Iterator[Path]:
    """Every file and link to one below; links are not followed, for theirs would be this machine's files."""
    for where, _, names in os.walk(folder):
        found = (Path(where) / name for name in names)
        yield from (each for each in found if stat.S_IFMT(each.lstat().st_mode) in {stat.S_IFREG, stat.S_IFLNK})


def changeable(path: Path) -> bool:
    """Whether somebody but root could write to it, or be somebody else by it."""
    found = path.lstat()
    return found.st_uid != 0 or bool(found.st_mode & (stat.S_IWGRP | stat.S_IWOTH | stat.S_ISUID | stat.S_ISGID))


def extra_authorities(podman: Podman) -> set[bytes]:
    """A line of each certificate that this machine trusts and the base does not."""
    name = base.ensure(podman)
    at = Path(podman.ask("image", "mount", name).strip())
    try:
        known = (at / AUTHORITIES).read_bytes()
    finally:
        podman.ask("image", "unmount", name)
    starts = re.findall(rb"-----BEGIN CERTIFICATE-----\r?\n(?:\S+\r?\n){3}(\S+)\r?\n", building.machines_authorities())
    return {each for each in starts if each not in known}


def locked() -> dict[str, str]:
    """What the lock has for Linux and the image's Python, which the base's is."""
    lines = (building.ROOT / "requirements-runtime.lock").read_text().splitlines()
    wanted = [Requirement(line.removesuffix("\\").strip()) for line in lines if re.match(r"\w", line)]
    here = {"python_version": "3.11", "python_full_version": "3.11.0", "sys_platform": "linux"}
    return {
        canonicalize_name(each.name): str(each.specifier).removeprefix("==")
        for each in wanted
        if each.marker is None or each.marker.evaluate(here)
    }
