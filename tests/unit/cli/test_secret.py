"""Aspects: where a value comes from; where it goes; tags; deletion; what is refused, with which exit code."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import typer

from keyferry.backends import registry
from keyferry.cli.values import Source, read
from keyferry.errors import SpecInvalid
from tests.unit.cli.conftest import KEY, SHARED, Cli

CANARY = b"canary-5f2a"


def refused(cli: Cli, command: str, *more: str, code: int = 1, stdin: bytes = b"", store: str = "") -> str:
    """What a command says that fails: on stderr, and neither a value nor a traceback."""
    result = cli.run(command, *more, stdin=stdin, store=store or "--store team -n payments")
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert CANARY.decode() not in result.output
    assert KEY.decode() not in result.output
    return " ".join(result.stderr.replace("│", " ").split())


# The value


@pytest.mark.parametrize(
    "value", [b"v", b"v\n", b"\x00\xff\n\r\n", b" ", b"x" * 1024 * 1024], ids=lambda v: repr(v[:9])
)
@pytest.mark.parametrize("source", ["", "--from-file=-"], ids=["by default", "as -"])
def test_stdin_is_taken_byte_for_byte(cli: Cli, value: bytes, source: str):
    cli.done("put db", *filter(None, [source]), stdin=value)
    assert cli.held("db") == value


def test_the_operators_right_to_list_is_enough(cli: Cli):
    cli.kube.only_lists = {"secretstores", "clustersecretstores", "namespaces"}
    cli.done("put db", stdin=b"v")
    assert cli.held("db") == b"v"


def test_a_file_is_taken_byte_for_byte(cli: Cli, tmp_path: Path):
    file = tmp_path / "value"
    file.write_bytes(b"\x00 binary \xff\n")
    cli.done("put db", f"--from-file={file}", stdin=b"not this")
    assert cli.held("db") == b"\x00 binary \xff\n"


def test_a_line_end_that_is_kept_is_mentioned(cli: Cli):
    assert "ends with a line end, which is part of it" in cli.run("put db", stdin=b"v\n").stderr
    assert "line end" not in cli.run("put db", stdin=b"v").stderr


@pytest.mark.parametrize(
    ("given", "kept"), [(b"v\n", b"v"), (b"v\r\n", b"v"), (b"v\n\n", b"v\n"), (b"v", b"v"), (b"v\r", b"v\r")], ids=repr
)
def test_one_line_end_can_be_left_out(cli: Cli, given: bytes, kept: bytes):
    cli.done("put db --strip-newline", stdin=given)
    assert cli.held("db") == kept


def terminal() -> Any:
    return SimpleNamespace(isatty=lambda: True, read=lambda size: b"as it is\n"[:size])


def test_on_a_terminal_a_value_is_one_line_that_is_asked_for():
    assert (
        read(Source("", strip_newline=False, allow_empty=False), stdin=terminal(), ask=lambda: "žluť")
        == "žluť".encode()
    )


def test_on_a_terminal_a_dash_takes_all_lines():
    source = Source("-", strip_newline=False, allow_empty=False)
    assert read(source, stdin=terminal(), ask=lambda: pytest.fail("asked")) == b"as it is\n"


def test_an_empty_line_on_a_terminal_is_no_value():
    with pytest.raises(typer.BadParameter, match="the value is empty"):
        read(Source("", strip_newline=False, allow_empty=False), stdin=terminal(), ask=lambda: "")


def test_an_empty_value_is_taken_for_a_forgotten_stdin(cli: Cli):
    said = refused(cli, "put db", code=2)
    assert "kubectl exec passes stdin on only with -i" in said
    cli.done("put db --allow-empty")
    assert cli.held("db") == b""


@pytest.mark.parametrize(
    "arguments", [["canary-5f2a"], ["--value=canary-5f2a"], ["--from-literal", "canary-5f2a"], ["canary-5f2a", "more"]]
)
def test_a_value_on_the_command_line_is_refused_with_the_reason(cli: Cli, arguments: list[str]):
    said = refused(cli, "put db", *arguments, code=2)
    assert "is seen by everybody who can list processes, and stays in the shell's history" in said
    assert not (cli.data_dir / "sql").exists()


def test_an_option_that_does_not_exist_is_refused(cli: Cli):
    assert "No such option: --password" in refused(cli, "put db --password=canary-5f2a", code=2)


def test_more_than_a_secret_holds_is_refused(cli: Cli):
    assert "more than 1048576 bytes" in refused(cli, "put db", code=2, stdin=b"x" * (1024 * 1024 + 1))


def test_a_file_that_cannot_be_read_is_named(cli: Cli):
    assert "nothing-here cannot be read: No such file" in refused(cli, "put db", "--from-file=nothing-here", code=2)


def test_what_was_written_is_told_without_the_value(cli: Cli):
    result = cli.run("put db --tag tier=web", stdin=CANARY)
    version = cli.entries()["db"].versions[""]
    assert result.stdout == f"db: written as db, version {version}\ntags: managed-by=keyferry, tier=web\n"
    assert CANARY.decode() not in result.output


# Where it goes


@pytest.mark.parametrize(
    ("spec", "name", "tags"),
    [
        ({}, "db", {}),
        ({"prefix": "acme-"}, "acme-db", {}),
        ({"mapping": {"by": "Paths"}}, "payments/db", {}),
        ({"mapping": {"by": "Paths", "separator": "_"}, "prefix": "acme"}, "acme_payments_db", {}),
        ({"mapping": {"by": "Tags"}}, "payments/db", {"namespace": "payments", "key": "db"}),
        (
            {"mapping": {"by": "Tags", "tags": {"namespace": "ns", "key": "k", "prefix": "p"}}, "prefix": "acme"},
            "acme/payments/db",
            {"ns": "payments", "k": "db", "p": "acme"},
        ),
    ],
    ids=["names", "names with a prefix", "paths", "paths with all", "tags", "tags of other names"],
)
def test_the_mapping_decides_where_a_key_goes(cli: Cli, spec: dict[str, Any], name: str, tags: dict[str, str]):
    cli.store(
        provider={"sql": {"database": "app", "encryption": {"keySecretRef": {"name": "sql", "key": "key"}}}}, **spec
    )
    cli.done("put db", stdin=b"v")
    assert cli.tags() == {name: tags}


def test_a_namespace_is_called_what_its_annotation_says(cli: Cli):
    cli.namespace("payments", annotations={"keyferry.dev/namespace": "acme.payments"})
    cli.cluster_store()
    cli.done("put db", stdin=b"v", store="--cluster-store shared -n payments")
    assert cli.tags() == {"acme.payments/db": {"namespace": "acme.payments", "key": "db"}}


def test_a_secret_that_has_the_tags_is_updated_under_its_own_name(cli: Cli):
    cli.cluster_store()
    cli.seed("arn:whatever", namespace="payments", key="db", tier="web")
    cli.done("put db --yes", stdin=b"new", store="--cluster-store shared -n payments")
    assert cli.held("arn:whatever") == b"new"
    assert cli.tags() == {"arn:whatever": {"namespace": "payments", "key": "db", "tier": "web"}}


def test_what_is_inherited_is_not_written_to(cli: Cli):
    cli.namespace("payments", annotations={"keyferry.dev/namespace": "acme.payments"})
    cli.cluster_store()
    cli.seed("parent", namespace="acme", key="db")
    cli.done("put db", stdin=b"own", store="--cluster-store shared -n payments")
    assert (cli.held("parent"), cli.held("acme.payments/db")) == (b"seed", b"own")


def test_two_secrets_that_claim_the_place_are_named(cli: Cli):
    cli.cluster_store()
    cli.seed("one", namespace="payments", key="db")
    cli.seed("two", namespace="payments", key="db")
    said = refused(cli, "put db", stdin=CANARY, store="--cluster-store shared -n payments")
    assert said.startswith("RemoteSecretAmbiguous: key 'db': one and two claim the same prefix, namespace and key")


def test_a_name_that_belongs_elsewhere_is_not_taken(cli: Cli):
    cli.cluster_store()
    cli.seed("payments/db", namespace="shop", key="db")
    said = refused(cli, "put db", stdin=CANARY, store="--cluster-store shared -n payments")
    assert "a secret 'payments/db' is there already, and its tags say that it belongs elsewhere" in said
    assert cli.held("payments/db") == b"seed"


@pytest.mark.parametrize("key", ["../shop/db", "a/./b", "a\tb"])
def test_a_key_that_leads_elsewhere_is_refused(cli: Cli, key: str):
    assert "SpecInvalid: key" in refused(cli, "put", key, stdin=CANARY)


# Tags


def test_the_stores_default_tags_are_added_at_every_put(cli: Cli):
    cli.cluster_store(defaultTags={"owner": "a"}, mapping={"by": "Names"}, namespaces={"names": ["*"]})
    cli.done("put db", stdin=b"v", store="--cluster-store shared")
    cli.cluster_store(defaultTags={"owner": "b", "team": "c"}, mapping={"by": "Names"}, namespaces={"names": ["*"]})
    cli.done("put db", stdin=b"v", store="--cluster-store shared")
    assert cli.tags() == {"db": {"owner": "b", "team": "c"}}


def test_a_tag_that_is_given_beats_a_default(cli: Cli):
    cli.cluster_store(defaultTags={"owner": "a"})
    cli.done("put db --tag owner=me", stdin=b"v", store="--cluster-store shared -n payments")
    assert cli.tags()["payments/db"]["owner"] == "me"


def test_tags_stay_until_they_are_taken_away(cli: Cli):
    cli.done("put db --tag tier=web --tag a=b=c --tag empty=", stdin=b"v")
    cli.done("put db", stdin=b"rotated")
    assert cli.tags() == {"db": {"tier": "web", "a": "b=c", "empty": ""}}
    cli.done("put db --tag tier- --tag a=2", stdin=b"v")
    assert cli.tags() == {"db": {"a": "2", "empty": ""}}


@pytest.mark.parametrize("tag", ["namespace=shop", "key-"])
def test_the_mappings_own_tags_cannot_be_given(cli: Cli, tag: str):
    cli.cluster_store()
    said = refused(cli, "put db --tag", tag, stdin=CANARY, store="--cluster-store shared -n payments")
    assert "says whose the secret is: ClusterSecretStore shared sets it by its mapping" in said


@pytest.mark.parametrize("tag", ["tier", "=v", "-", "k=" + "v" * 257, "k" * 129 + "=v", "=v-"])
def test_a_tag_that_is_none_is_refused(cli: Cli, tag: str):
    assert "write key=value" in refused(cli, "put db --tag", tag, code=2, stdin=CANARY)


# Deletion


def test_a_deletion_asks_first(cli: Cli):
    cli.done("put db", stdin=b"v")
    result = cli.run("delete db", stdin=b"n\n")
    assert (result.exit_code, "is deleted" in result.stdout) == (1, False)
    assert "Delete db from SecretStore payments/team?" in result.stderr
    assert list(cli.entries()) == ["db"]
    assert "db: db is deleted\n" in cli.done("delete db", stdin=b"y\n")
    assert cli.entries() == {}


def test_a_deletion_with_yes_does_not_ask(cli: Cli):
    cli.cluster_store()
    cli.seed("n1", namespace="payments", key="db")
    cli.seed("n2", namespace="payments", key="other")
    result = cli.run("delete db --yes", store="--cluster-store shared -n payments")
    assert (result.stdout, result.stderr) == ("db: n1 is deleted\n", "")
    assert list(cli.entries()) == ["n2"]


def test_nobody_to_ask_deletes_nothing(cli: Cli):
    cli.done("put db", stdin=b"v")
    assert cli.run("delete db").exit_code == 1
    assert list(cli.entries()) == ["db"]


def test_what_is_not_there_cannot_be_deleted(cli: Cli):
    said = refused(cli, "delete db --yes")
    assert said == "RemoteSecretMissing: SecretStore payments/team has no secret for key 'db'"


def test_what_is_inherited_cannot_be_deleted(cli: Cli):
    cli.several()
    assert "no secret for key 'inherited'" in refused(
        cli, "delete inherited --yes", store="--cluster-store shared -n payments"
    )


# Which store


@pytest.mark.parametrize(
    ("store", "text"),
    [
        ("-n payments", "either --store NAME or --cluster-store NAME"),
        ("--store team --cluster-store shared -n payments", "either --store NAME or --cluster-store NAME"),
        ("--store team", "say in which (--namespace)"),
        ("--store ../secrets/sql -n payments", "is no name of a Kubernetes object"),
        ("--store team -n ../x", "is no name of a Kubernetes object"),
    ],
    ids=["none", "two", "no namespace", "a path", "a path as namespace"],
)
@pytest.mark.parametrize("command", ["put db", "list", "delete db --yes"])
def test_a_command_that_says_no_one_store_is_refused(cli: Cli, command: str, store: str, text: str):
    assert text in refused(cli, command, code=2, stdin=CANARY, store=store)


def test_the_namespace_is_that_of_the_kubeconfigs_context(cli: Cli):
    cli.context_namespace = "payments"
    cli.done("put db", stdin=b"v", store="--store team")
    assert cli.held("db") == b"v"


@pytest.mark.parametrize(
    ("store", "text"),
    [
        ("--store none -n payments", "StoreNotFound: there is no SecretStore payments/none"),
        ("--cluster-store none -n payments", "StoreNotFound: there is no ClusterSecretStore none"),
        ("--cluster-store shared -n none", "SpecInvalid: there is no namespace none"),
        ("--cluster-store shared", "SpecInvalid: ClusterSecretStore shared has a part for each namespace: say whose"),
    ],
)
def test_what_is_not_there_is_named(cli: Cli, store: str, text: str):
    cli.cluster_store()
    assert refused(cli, "put db", stdin=CANARY, store=store).startswith(text)


def test_a_namespace_that_the_store_does_not_serve_is_refused(cli: Cli):
    cli.cluster_store(namespaces={"selector": {"matchLabels": {"team": "yes"}}})
    said = refused(cli, "put db", stdin=CANARY, store="--cluster-store shared -n payments")
    assert said.startswith("NamespaceDenied: ClusterSecretStore shared does not serve namespace payments")
    cli.namespace("payments", labels={"team": "yes"})
    cli.done("put db", stdin=b"v", store="--cluster-store shared -n payments")


@pytest.mark.parametrize("command", ["put db --yes", "list", "delete db --yes"])
def test_by_names_too_a_namespace_that_the_store_does_not_serve_is_refused(cli: Cli, command: str):
    cli.cluster_store(mapping={"by": "Names"}, namespaces={"names": ["shop"]})
    cli.seed("db")
    said = refused(cli, command, stdin=CANARY, store="--cluster-store shared -n payments")
    assert said.startswith("NamespaceDenied: ClusterSecretStore shared does not serve namespace payments")
    cli.done(command, stdin=b"v", store="--cluster-store shared")  # for nobody's namespace: the store as it is


def test_a_spec_that_makes_no_sense_names_its_field(cli: Cli):
    cli.store(provider={"sql": {"database": "../x", "encryption": {"keySecretRef": {"name": "sql", "key": "key"}}}})
    assert refused(cli, "put db", stdin=CANARY).startswith(
        "SpecInvalid: SecretStore payments/team: spec.provider.sql.database"
    )


def test_a_backend_that_cannot_be_written_to_says_so(cli: Cli):
    cli.create = lambda *_: cast("Any", ReadOnly())
    for command in ("put db", "delete db --yes"):
        said = refused(cli, command, stdin=CANARY)
        assert (
            said
            == "SpecInvalid: SecretStore payments/team: Keyferry can only read from sql; write there with its own means"
        )
    assert "sql cannot list its secrets" in refused(cli, "list")


def test_a_failure_of_many_lines_is_told_in_one(cli: Cli):
    def create(*_: object) -> Any:
        raise SpecInvalid("what is wrong:\n  this\n  and that")

    cli.create = create
    assert cli.run("list").stderr == "SpecInvalid: what is wrong: this and that\n"


class ReadOnly:
    """A backend that is no Catalogue and no Writer."""

    async def aclose(self) -> None:
        return None


def test_without_the_operators_folder_it_says_where_to_go(cli: Cli):
    cli.data_dir = cli.data_dir / "elsewhere"
    assert "kubectl exec -i deploy/keyferry -- keyferry" in refused(cli, "put db", stdin=CANARY)


def test_a_wrong_key_is_one_line_and_exit_code_1(cli: Cli):
    cli.done("put db", stdin=b"v")
    cli.key(b"too short")
    result = cli.run("put db", stdin=CANARY)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.startswith(
        "CredentialsMissing: SQLite database app of namespace payments: Secret payments/sql"
    )


def test_the_cluster_stores_database_is_the_clusters(cli: Cli):
    cli.cluster_store()
    cli.done("put db", stdin=b"v", store="--cluster-store shared -n payments")
    assert cli.database == SHARED
    assert (cli.data_dir / "sql" / "_cluster" / "app.db").is_file()


@pytest.mark.parametrize(
    ("options", "allowed"),
    [((), False), (("--allow-endpoint", "https://vault.example:8200"), True)],
    ids=["not told", "told"],
)
@pytest.mark.parametrize("command", ["put db", "list", "delete db --yes", "restore db"])
def test_what_a_secret_store_may_name_is_what_the_operator_is_told(cli, command, options, allowed):
    asked = []

    def create(provider, context):
        asked.append(context.endpoint_allowed("https://vault.example:8200"))
        return registry.create(provider, context)

    cli.create = create
    cli.run(command, *options, stdin=b"v")
    assert asked == [allowed]
