"""Aspects: what a namespace sees; whose it is; for machines; what other people wrote."""

import json

import yaml

from keyferry.cli.writing import CREATED
from tests.unit.cli.conftest import Cli


def test_a_list_shows_what_the_namespace_sees_and_the_nearest_of_it(cli: Cli):
    cli.several()
    at = {name: entry.versions[""] for name, entry in cli.entries().items()}
    lines = cli.done("list", store="--cluster-store shared -n payments").splitlines()
    assert [line.split() for line in lines] == [
        ["KEY", "NAME", "VERSION", "TAGS"],
        ["inherited", "n2", at["n2"], "key=inherited,", "namespace=acme,", "prefix=p"],
        ["own", "n1", at["n1"], "key=own,", "namespace=acme.payments,", "prefix=p,", "tier=web"],
    ]


def test_a_list_of_all_shows_whose_each_is(cli: Cli):
    cli.several()
    lines = cli.done("list --all", store="--cluster-store shared").splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["KEY", "NAMESPACE", "NAME"],
        ["foreign", "shop", "n4"],
        ["inherited", "acme", "n2"],
        ["own", "acme", "n3"],
        ["own", "acme.payments", "n1"],
    ]


def test_a_list_for_machines_has_it_all(cli: Cli):
    cli.done("put db --tag tier=web", stdin=b"canary-5f2a")
    version = cli.entries()["db"].versions[""]
    told = [{"key": "db", "namespace": "", "name": "db", "version": version, "tags": {**CREATED, "tier": "web"}}]
    assert json.loads(cli.done("list -o json")) == told
    assert yaml.safe_load(cli.done("list -o yaml")) == told
    assert cli.done("list -o name") == "db\n"
    assert "canary" not in cli.done("list -o json")


def test_an_empty_list_is_empty(cli: Cli):
    assert cli.done("list").split() == ["KEY", "NAME", "VERSION", "TAGS"]
    assert json.loads(cli.done("list -o json")) == []


def test_a_table_holds_no_control_characters_of_others(cli: Cli):
    cli.seed("db", evil="\x1b[2J\n")
    assert "evil=\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}" in cli.done("list")
