import hashlib
import http.server
import io
import shutil
import tarfile
import threading
from dataclasses import replace

import pytest

from tests.controlplane import binaries, gobuild, pins, release
from tests.servers.sources import SOURCES as SERVERS
from tests.servers.sources import VAULT

NOWHERE = "http://127.0.0.1:1"  # nobody listens on port 1
PROGRAMS = ("etcd", "helm", "kube-apiserver", "kube-controller-manager", "kubectl")


class Lines(list[str]):
    """Collects what is told."""

    def __call__(self, line: str) -> None:
        self.append(line)


@pytest.fixture
def said():
    return Lines()


@pytest.fixture
def served():
    """A release site on this machine: what stands in the mapping, by path."""
    files: dict[str, bytes] = {}

    class Files(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        yield files, release.Site(*(f"{address}/{part}" for part in ("kubernetes", "etcd", "helm")))
        server.shutdown()


def publish(files, source, path, content, checksums):
    site = release.Site("/kubernetes", "/etcd", "/helm")
    (asset,) = [asset for asset in release.assets(source, site) if asset.program == path]
    files[asset.url], files[asset.checksums] = content, checksums(asset, content)


def archive(member, content):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        entry = tarfile.TarInfo(member)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def listed(asset, content):
    """A list of checksums, as etcd publishes it."""
    return f"{'0' * 64}  other.zip\n{hashlib.sha256(content).hexdigest()}  {asset.url.rsplit('/', 1)[-1]}\n".encode()


def alone(_asset, content):
    """A checksum and nothing else, as Kubernetes publishes it."""
    return hashlib.sha256(content).hexdigest().encode()


def test_a_release_is_downloaded_and_made_executable(served, said, tmp_path):
    files, site = served
    for program in pins.KUBERNETES.programs:
        publish(files, pins.KUBERNETES, program, program.encode(), alone)

    release.download(pins.KUBERNETES, tmp_path, said, site)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        name: name for name in pins.KUBERNETES.programs
    }
    assert all(path.stat().st_mode & 0o111 for path in tmp_path.iterdir())


def test_a_program_is_taken_out_of_its_archive(served, said, tmp_path):
    files, site = served
    member = f"etcd-{pins.ETCD.version}-linux-{pins.architecture()}/etcd"
    publish(files, pins.ETCD, "etcd", archive(member, b"the program"), listed)

    release.download(pins.ETCD, tmp_path, said, site)

    assert (tmp_path / "etcd").read_bytes() == b"the program"


def test_a_download_without_the_published_checksum_is_refused(served, said, tmp_path):
    files, site = served
    publish(files, pins.ETCD, "etcd", b"forged", lambda asset, _: listed(asset, b"genuine"))

    with pytest.raises(release.NoRelease, match="does not have the published checksum"):
        release.download(pins.ETCD, tmp_path, said, site)

    assert list(tmp_path.iterdir()) == []


def test_an_archive_without_the_program_is_refused(served, said, tmp_path):
    files, site = served
    publish(files, pins.ETCD, "etcd", archive("elsewhere/etcd", b"the program"), listed)

    with pytest.raises(release.NoRelease, match="holds no file etcd-"):
        release.download(pins.ETCD, tmp_path, said, site)


@pytest.fixture
def go(tmp_path, monkeypatch):
    """Puts a `go` on the PATH that does what the shell script says; the folder it was told is $out."""

    def does(script):
        folder = tmp_path / "go"
        folder.mkdir()
        (folder / "go").write_text(
            f'#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\nout=$2; shift 2; programs="$*"\n{script}\n'
        )
        (folder / "go").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")

    return does


BUILDS = """
case $out in
*/) for program in $programs; do echo built > "$out${program##*/}"; done ;;
*) echo built > "$out" ;;
esac
chmod +x "${out%/*}"/*
"""


def test_without_a_release_site_everything_is_built_once_and_then_found(go, said, tmp_path):
    go(BUILDS)
    environ = {"KEYFERRY_CACHE": str(tmp_path / "cache")}

    made = binaries.ensure(environ, said, release.Site(NOWHERE, NOWHERE, NOWHERE))

    assert made.kube_apiserver.read_text() == "built\n"
    assert sorted(path.name for path in made.etcd.parent.iterdir()) == [".lock", *PROGRAMS]
    assert len([line for line in said if "no download of" in line]) == len(pins.SOURCES)
    said.clear()
    assert binaries.ensure(environ, said) == binaries.find(environ) == made
    assert said == []


def test_a_build_that_fails_is_an_error_with_its_last_words_and_leaves_nothing(go, said, tmp_path):
    go("echo go: module lookup disabled >&2; exit 1")

    with pytest.raises(gobuild.BuildFailed, match="module lookup disabled"):
        binaries.ensure({"KEYFERRY_CACHE": str(tmp_path / "cache")}, said, release.Site(NOWHERE, NOWHERE, NOWHERE))

    assert [path.name for path in (tmp_path / "cache").glob("*/*")] == [".lock"]


def test_without_go_the_error_says_what_to_install(monkeypatch, said, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(gobuild.BuildFailed, match=r"Install Go 1\.26 or newer .* or set KUBEBUILDER_ASSETS"):
        gobuild.build(pins.ETCD, tmp_path, said)


def test_programs_of_kubebuilder_assets_come_first(tmp_path):
    assets, cache = tmp_path / "assets", {"KEYFERRY_CACHE": str(tmp_path / "cache")}
    assets.mkdir()
    for folder, programs in ((binaries.cache_folder(cache), PROGRAMS), (assets, ["etcd"])):
        folder.mkdir(parents=True, exist_ok=True)
        for program in programs:
            (folder / program).touch(mode=0o755)

    found = binaries.find(cache | {"KUBEBUILDER_ASSETS": str(assets)})

    assert found.etcd == assets / "etcd"
    assert found.helm == binaries.cache_folder(cache) / "helm"


def test_kubebuilder_assets_that_do_not_exist_are_an_error(tmp_path):
    with pytest.raises(binaries.BinariesMissing, match=r"KUBEBUILDER_ASSETS names .* which is no folder"):
        binaries.find({"KUBEBUILDER_ASSETS": str(tmp_path / "absent")})


def test_what_is_missing_is_named_with_the_command_that_gets_it(tmp_path):
    with pytest.raises(binaries.BinariesMissing, match=r"lacks etcd, helm, .*Run `make controlplane`"):
        binaries.find({"KEYFERRY_CACHE": str(tmp_path)})


def test_a_server_is_built_once_and_then_found(go, said, tmp_path):
    go(BUILDS)
    environ = {"KEYFERRY_CACHE": str(tmp_path / "cache")}
    with pytest.raises(binaries.BinariesMissing, match=r"There is no Vault .* Run `make servers` once"):
        binaries.find_program(VAULT, environ)

    made = binaries.ensure_program(VAULT, environ, said)

    assert made.read_text() == "built\n"
    assert said[0] == "nobody publishes releases of Vault: building from source"
    said.clear()
    assert binaries.ensure_program(VAULT, environ, said) == binaries.find_program(VAULT, environ) == made
    assert said == []


def test_another_line_of_a_servers_own_code_is_another_server(tmp_path):
    folder = tmp_path / "vault"
    shutil.copytree(VAULT.folder, folder)
    before = pins.digest([replace(VAULT, folder=folder)])
    (folder / "main.go").write_text((folder / "main.go").read_text() + "// more\n")

    assert before == pins.digest([VAULT])
    assert pins.digest([replace(VAULT, folder=folder)]) != before


@pytest.mark.parametrize("source", [*pins.SOURCES, *SERVERS], ids=lambda source: source.name)
def test_every_pinned_module_says_its_version_and_has_its_sums(source):
    assert source.version.startswith("v")
    assert f"{source.module} {source.version} h1:" in (source.folder / "go.sum").read_text()
