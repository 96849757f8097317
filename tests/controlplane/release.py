"""Downloads the official release of a source, verified by the checksums that are published with it."""

import hashlib
import io
import platform
import tarfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.controlplane.pins import ETCD, HELM, KUBERNETES, Source, architecture

CONNECT_WITHIN = 5.0  # seconds: whoever has no way to the internet must not wait for it
READ_WITHIN = 60.0


class NoRelease(Exception):
    """There is no usable release here: build instead."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the releases are published."""

    kubernetes: str = "https://dl.k8s.io/release"
    etcd: str = "https://github.com/etcd-io/etcd/releases/download"
    helm: str = "https://get.helm.sh"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a release, the file that holds its checksum, and what the program is called inside the archive."""

    url: str
    checksums: str
    program: str
    member: str | None = None


def download(source: Source, into: Path, say: Callable[[str], None], site: Site | None = None) -> None:
    """Put every program of the source into the folder, or raise NoRelease."""
    for asset in assets(source, site or Site()):
        try:
            listed = _read(asset.checksums, CONNECT_WITHIN).decode()
            say(f"downloading {asset.program} {source.version}")
            content = _read(asset.url, READ_WITHIN)
        except (OSError, ValueError) as e:
            raise NoRelease(f"no download of {asset.program} {source.version} ({e})") from e
        _verify(content, listed, asset)
        (into / asset.program).write_bytes(_extracted(content, asset))
        (into / asset.program).chmod(0o755)


def assets(source: Source, site: Site) -> tuple[Asset, ...]:
    """The files to fetch for this machine."""
    if platform.system() != "Linux":
        raise NoRelease(f"{source.name}'s servers are released for Linux only")
    version, arch = source.version, architecture()
    if source is KUBERNETES:
        base = f"{site.kubernetes}/{version}/bin/linux/{arch}"
        return tuple(Asset(f"{base}/{name}", f"{base}/{name}.sha256", name) for name in source.programs)
    if source is ETCD:
        folder = f"etcd-{version}-linux-{arch}"
        base = f"{site.etcd}/{version}"
        return (Asset(f"{base}/{folder}.tar.gz", f"{base}/SHA256SUMS", "etcd", f"{folder}/etcd"),)
    if source is HELM:
        archive = f"{site.helm}/helm-{version}-linux-{arch}.tar.gz"
        return (Asset(archive, f"{archive}.sha256sum", "helm", f"linux-{arch}/helm"),)
    raise NoRelease(f"nobody publishes releases of {source.name}")


def _verify(content: bytes, listed: str, asset: Asset) -> None:
    """A list holds `checksum  file` lines; a file for one program holds the checksum alone."""
    file = asset.url.rsplit("/", 1)[-1]
    rows = [line.split() for line in listed.splitlines()]
    expected = {row[0] for row in rows if row and (len(row) == 1 or row[1].lstrip("*") == file)}
    if hashlib.sha256(content).hexdigest() not in expected:
        raise NoRelease(f"the download of {file} does not have the published checksum and was thrown away")


def _extracted(content: bytes, asset: Asset) -> bytes:
    if asset.member is None:
        return content
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive, _file_in(archive, asset.member) as file:
            return file.read()
    except (tarfile.TarError, KeyError) as e:
        raise NoRelease(f"{asset.url} holds no file {asset.member}") from e


def _file_in(archive: tarfile.TarFile, member: str) -> IO[bytes]:
    file = archive.extractfile(member)
    if file is None:  # a folder, or a link to nowhere
        raise KeyError(member)
    return file


def _read(url: str, seconds: float) -> bytes:
    with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310 — the addresses are this module's own
        return bytes(answer.read())
