"""Lays published jars out as a distribution of Elasticsearch: there is none among them."""

import re
import shutil
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

Run = Callable[[Sequence[str | Path]], None]

_LIB = "lib"
_NETTY, _CORE, _SECURITY = (f"modules/{name}" for name in ("transport-netty4", "x-pack-core", "x-pack-security"))
_OURS = "modules/unpublished"
# Which jar belongs where, by how its name begins; the first that fits counts, and the rest is the security module's.
_PLACES: Sequence[tuple[str, tuple[str, ...]]] = (
    ("", ("checker-qual-", "error_prone_", "j2objc-", "jsr305-", "listenablefuture-", "jakarta.")),  # annotations
    ("", ("jcip-annotations-1.0.jar",)),  # twice, under two names
    (_SECURITY, ("httpclient-cache-",)),
    (_NETTY, ("netty-", "transport-netty4-")),
    (_CORE, ("x-pack-core-", "x-pack-template-", "http", "commons-", "unboundid-", "slf4j-")),
    (_CORE, ("log4j-1.2-", "log4j-slf4j2-")),
    (_LIB, ("elasticsearch-", "lucene-", "HdrHistogram-", "ecs-logging-", "hppc-", "jcodings-", "joni-")),
    (_LIB, ("jopt-simple-", "log4j", "lz4-java-")),
)
_CLASSES: Mapping[str, str] = {
    _NETTY: "org.elasticsearch.transport.netty4.Netty4Plugin",
    _CORE: "org.elasticsearch.xpack.core.XPackPlugin",
    _SECURITY: "org.elasticsearch.xpack.security.Security",
    _OURS: "UnpublishedPlugin",
}
_EXTENDS: Mapping[str, str] = {_SECURITY: "x-pack-core"}
_SAML = re.compile(rb"(?:org/opensaml|net/shibboleth)/[A-Za-z0-9_/]+")


def assemble(jars: Path, sources: Path, folder: Path, run: Run) -> Path:
    """A new folder `home` in the given one: what a node runs from, but for its configuration."""
    home = folder / "home"
    for place in (_LIB, *_CLASSES):
        (home / place).mkdir(parents=True)
    for jar in jars.glob("*.jar"):
        for place in _places(jar.name):
            shutil.copy(jar, home / place)
    (version,) = (found[1] for jar in jars.iterdir() if (found := re.fullmatch(r"x-pack-core-(.+)\.jar", jar.name)))
    for place, name in _CLASSES.items():
        (home / place / "plugin-descriptor.properties").write_text(_descriptor(place, name, version))
    _compile([sources / "Launcher.java"], home / _LIB / "launcher.jar", home, folder, run)
    _compile([sources / "UnpublishedPlugin.java"], home / _OURS / "unpublished.jar", home, folder, run)
    stubs = _stubs(home / _SECURITY, folder / "stubs")
    _compile(stubs, home / _SECURITY / "saml-stubs.jar", home, folder, run)
    return home


def _places(jar: str) -> Iterable[str]:
    place = next((place for place, names in _PLACES if jar.startswith(names)), _SECURITY)
    # The security module links to netty, too, and sees no other module's jars but those of x-pack-core.
    return [_NETTY, _SECURITY] if place == _NETTY else filter(None, [place])


def _descriptor(place: str, name: str, version: str) -> str:
    module = place.rpartition("/")[2]
    extends = f"extended.plugins={_EXTENDS[place]}\n" if place in _EXTENDS else ""
    return (
        f"description={module}\nname={module}\nversion={version}\nelasticsearch.version={version}\n"
        f"classname={name}\njava.version=17\n{extends}"
    )


def _compile(sources: Sequence[Path], into: Path, home: Path, folder: Path, run: Run) -> None:
    classes = folder / f"classes-{into.stem}"
    run(["javac", "-nowarn", "-cp", f"{home / _LIB}/*", "-d", classes, *sources])
    run(["jar", "--create", "--file", into, "-C", classes, "."])


def _stubs(module: Path, folder: Path) -> Sequence[Path]:
    """Empty types for those of SAML that the security module names: it links to them, and never comes to use them."""
    (security,), (api,) = module.glob("x-pack-security-*.jar"), module.glob("es-opensaml-security-api-*.jar")
    with zipfile.ZipFile(api) as opened:
        there = {name.removesuffix(".class") for name in opened.namelist()}
    with zipfile.ZipFile(security) as opened:
        classes = [opened.read(name) for name in opened.namelist() if name.endswith(".class")]
    named = {each.decode() for content in classes for each in _SAML.findall(content)} - there
    written = []
    for each in sorted(named):
        package, _, name = each.rpartition("/")
        if name[0].isupper():
            path = folder / f"{each}.java"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"package {package.replace('/', '.')};\n{_stub(name)}\n")
            written.append(path)
    return written


def _stub(name: str) -> str:
    if name.endswith("Exception"):
        return f"public class {name} extends Exception {{}}"
    if name.startswith(("Abstract", "Predicate")):  # what is extended is a class
        return f"public abstract class {name} {{}}"
    return f"public interface {name} {{}}"
