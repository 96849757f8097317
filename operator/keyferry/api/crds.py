"""The files that are generated from the models: `python -m keyferry.api.crds [--write | --check]`.

These are the CRDs in crds/, the chart's copies of them, and the tables of fields in docs/reference/. Without an option,
the CRDs are printed.
"""

import argparse
import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import yaml

from keyferry.api.kinds import KINDS, Kind
from keyferry.api.reference import PAGES, page_with_fields

_HEADER = "# Generated from the models in operator/keyferry/api by `make generate`: edit those.\n"
_COPIES = ("crds", "helm/keyferry/files/crds")
_HINT_LINES = 40  # of a difference: enough to see what it is about


def _list(dumper: yaml.SafeDumper, data: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=all(map(_scalar, data)))


def _map(dumper: yaml.SafeDumper, data: dict[str, Any]) -> yaml.Node:
    plain_field = {"type", "description"} <= data.keys() and all(map(_scalar, data.values()))
    reference = data.get("x-kubernetes-map-type") == "atomic"  # there are dozens, and all are alike
    return dumper.represent_mapping("tag:yaml.org,2002:map", data, flow_style=plain_field or reference)


def _scalar(value: Any) -> bool:
    return not isinstance(value, dict | list)


class _Dumper(yaml.SafeDumper):
    """Writes everything out where it stands, so that a reader need not look an alias up; plain fields in one line."""

    yaml_representers: ClassVar[dict[Any, Any]] = {**yaml.SafeDumper.yaml_representers, list: _list, dict: _map}

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def to_yaml(kind: Kind) -> str:
    """The CustomResourceDefinition as it is checked in. The same models give the same bytes."""
    text: str = yaml.dump(kind.as_json(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=150)
    return _HEADER + text


def generated(root: Path) -> Mapping[Path, str]:
    """What each generated file below `root` should hold. Pages of the reference keep what people wrote into them."""
    texts = {f"{kind.plural}.yaml": to_yaml(kind) for kind in KINDS}
    crds = {root / folder / name: text for folder in _COPIES for name, text in texts.items()}
    pages = {root / page: page_with_fields((root / page).read_text(), kinds) for page, kinds in PAGES.items()}
    return {**crds, **pages}


def stale(files: Mapping[Path, str], root: Path) -> Iterator[str]:
    """For each file that is not what it should be, a few lines that tell what would change."""
    for path, wanted in files.items():
        found = path.read_text() if path.exists() else ""
        if found != wanted:
            name = str(path.relative_to(root))
            lines = difflib.unified_diff(
                found.splitlines(), wanted.splitlines(), f"{name} (as it is)", f"{name} (from the models)", lineterm=""
            )
            yield "\n".join(list(lines)[:_HINT_LINES])


def checkout() -> Path:
    """The root of the repository that this package is run from."""
    root = Path(__file__).resolve().parents[3]
    if not (root / "pyproject.toml").exists():
        raise SystemExit("run this in a checkout of the repository: an installed package has no files to generate")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 1 when `--check` found a file that is not up to date."""
    parser = argparse.ArgumentParser(prog="python -m keyferry.api.crds", description=__doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--write", action="store_true", help="write the generated files")
    choice.add_argument("--check", action="store_true", help="exit with 1 when a generated file is not up to date")
    options = parser.parse_args(arguments)
    if options.write:
        return _write(checkout())
    if options.check:
        return _check(checkout())
    sys.stdout.write("---\n".join(to_yaml(kind) for kind in KINDS))
    return 0


def _write(root: Path) -> int:
    for path, text in generated(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


def _check(root: Path) -> int:
    differences = list(stale(generated(root), root))
    for difference in differences:
        sys.stderr.write(f"{difference}\n")
    if differences:
        sys.stderr.write("\nGenerated files are not up to date: run make generate\n")
    return 1 if differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
