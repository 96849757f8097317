"""`python -m tests.foreign` writes tests/foreign/kinds.yaml: others' kinds, reduced to what we use of them.

The real CRDs come with their projects' Go modules, which are too large to be got by each run of the tests; of
HelmRelease only the Go types can be had, and kubebuilder's generator makes the CRD of them. A field that we use and the
real kind does not know is refused here; one that this did not write into kinds.yaml the tests refuse.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tests.controlplane import binaries
from tests.foreign import KINDS, foreign, watching

CRDS = {  # a module, and where its CRDs are
    "github.com/argoproj/argo-cd/v3@v3.5.7": ("manifests/crds/application-crd.yaml",),
    "github.com/fluxcd/kustomize-controller@v1.9.6": (
        "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
    ),
    "github.com/fluxcd/source-controller@v1.9.6": ("config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": tuple(
        f"example/prometheus-operator-crd/monitoring.coreos.com_{plural}.yaml"
        for plural in ("podmonitors", "prometheusrules", "servicemonitors")
    ),
}
TYPES = "github.com/fluxcd/helm-controller/api/v2@v1.6.5"  # a package, so that what it needs comes with it
GENERATOR = "sigs.k8s.io/controller-tools/cmd/controller-gen@v0.19.0"
WITHIN = 900.0
KEPT = {"type", "enum", "pattern", "format", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"} | {
    "required",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string",
}

Schema = dict[str, Any]


def go(folder: Path, *arguments: str) -> str:
    """What a command of Go prints."""
    program = shutil.which("go") or sys.exit("this needs Go")
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=WITHIN
    )
    if done.returncode:
        sys.exit(f"go {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def real() -> Iterable[Schema]:
    """The CRDs as their projects have them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for module, paths in CRDS.items():
            at = Path(json.loads(go(folder, "mod", "download", "-json", module))["Dir"])
            yield from (yaml.safe_load((at / path).read_text()) for path in paths)
        go(folder, "mod", "init", "kinds")
        go(folder, "get", TYPES, GENERATOR)
        generator, types = GENERATOR.partition("@")[0], TYPES.partition("@")[0]
        yield yaml.safe_load(go(folder, "run", "-mod=mod", generator, "crd", f"paths={types}", "output:crd:stdout"))


def reduced(schema: Schema, used: list[Any], at: str) -> Schema:
    """The part of a schema that these values, all of that place, use."""
    kept = {name: rule for name, rule in schema.items() if name in KEPT}
    if known := schema.get("properties"):
        names = sorted({name for value in used for name in value})
        if strange := sorted(set(names) - set(known)):
            sys.exit(f"{at} has no {', '.join(strange)}")
        kept["properties"] = {
            name: reduced(known[name], [value[name] for value in used if name in value], f"{at}.{name}")
            for name in names
        }
    if (each := schema.get("additionalProperties")) and used:
        inner = [item for value in used for item in value.values()]
        kept["additionalProperties"] = reduced(each, inner, f"{at}.*") if isinstance(each, dict) else each
    if each := schema.get("items"):
        kept["items"] = reduced(each, [item for value in used for item in value], f"{at}[]")
    return kept


def kind(crd: Schema, version: str, used: list[Any]) -> Schema:
    """A CRD of one version, with a schema for no more than these objects."""
    (found,) = [each for each in crd["spec"]["versions"] if each["name"] == version]
    schema = reduced(found["schema"]["openAPIV3Schema"]["properties"]["spec"], used, crd["spec"]["names"]["kind"])
    whole = {"type": "object", "required": ["spec"], "properties": {"spec": schema}}
    one = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": whole}}
    names = {name: crd["spec"]["names"][name] for name in ("kind", "plural")}
    return {
        "apiVersion": crd["apiVersion"],
        "kind": crd["kind"],
        "metadata": {"name": crd["metadata"]["name"]},
        "spec": {"group": crd["spec"]["group"], "names": names, "scope": crd["spec"]["scope"], "versions": [one]},
    }


def main() -> None:
    """Write the file."""
    made, ours = [], foreign() + watching(binaries.find())
    for crd in real():
        of_kind = [each for each in ours if each["kind"] == crd["spec"]["names"]["kind"]]
        (version,) = {each["apiVersion"].partition("/")[2] for each in of_kind}
        made.append(kind(crd, version, [each["spec"] for each in of_kind]))
    KINDS.write_text(
        "# Written by python -m tests.foreign: what we use of these kinds, and no more.\n"
        + yaml.safe_dump_all(made, sort_keys=False, width=110)
    )


if __name__ == "__main__":
    main()
