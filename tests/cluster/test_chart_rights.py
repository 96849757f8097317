"""What the chart's roles let the operator and its users do, as the API server's own authorizer sees it."""

import json
import re
import time
from pathlib import Path

import pytest

from tests.controlplane.chart import of_kind

OWN = "keyferry.dev"
PAGE = Path(__file__).parents[2] / "docs" / "rights.md"

RIGHTS = {
    *(
        (OWN, kind, verb)
        for kind in ("externalsecrets", "secretstores", "clustersecretstores")
        for verb in ("list", "watch")
    ),
    *((OWN, f"{kind}/status", "patch") for kind in ("externalsecrets", "secretstores", "clustersecretstores")),
    *(("", "secrets", verb) for verb in ("get", "list", "watch", "create", "patch", "delete")),
    *(("", "namespaces", verb) for verb in ("list", "watch")),
    ("", "serviceaccounts", "get"),
    ("", "serviceaccounts/token", "create"),
    ("", "configmaps", "get"),
    ("", "events", "create"),
}
NO_RIGHTS = {
    (OWN, "externalsecrets", "get"),
    (OWN, "externalsecrets", "delete"),
    (OWN, "externalsecrets", "patch"),
    (OWN, "externalsecrets/status", "update"),
    (OWN, "clustersecretstores", "create"),
    ("", "secrets", "deletecollection"),
    ("", "secrets", "update"),
    ("", "configmaps", "list"),
    ("", "configmaps", "watch"),
    ("", "events", "patch"),
    ("", "pods", "list"),
    ("", "namespaces", "patch"),
    ("", "serviceaccounts", "list"),
    ("", "serviceaccounts", "watch"),
    ("", "serviceaccounts", "patch"),
    ("apiextensions.k8s.io", "customresourcedefinitions", "list"),
    ("rbac.authorization.k8s.io", "clusterroles", "update"),
    ("rbac.authorization.k8s.io", "clusterrolebindings", "create"),
}


def may(plane, namespace, user, right):
    """What the API server's own authorizer answers."""
    group, resource, verb = right
    resource, _, subresource = resource.partition("/")
    asked = {"group": group, "resource": resource, "subresource": subresource, "verb": verb, "namespace": namespace}
    review = {"spec": {"user": user, "resourceAttributes": asked}}
    answer = plane.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return answer["status"]["allowed"]


def test_its_role_holds_no_right_but_those_that_the_operator_needs(installed):
    role = next(m for m in of_kind(installed, "ClusterRole") if "aggregate" not in json.dumps(m))

    given = {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }

    assert given == RIGHTS


def test_its_role_holds_what_replicas_need_to_share_the_work_and_only_in_their_own_namespace(installed, namespace):
    (role,) = of_kind(installed, "Role")

    assert role["metadata"]["namespace"] == namespace
    assert role["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["list", "create", "patch", "delete"]}
    ]


def test_its_service_account_may_use_leases_in_its_own_namespace_and_in_no_other(plane, installed, namespace):
    user = f"system:serviceaccount:{namespace}:{namespace}"
    verbs = ("list", "create", "patch", "delete", "get", "watch", "update")

    def may_in(where):
        return [verb for verb in verbs if may(plane, where, user, ("coordination.k8s.io", "leases", verb))]

    eventually(lambda: may_in(namespace) == ["list", "create", "patch", "delete"])
    assert may_in("kube-system") == []


def test_its_service_account_may_do_that_and_nothing_else(plane, installed, namespace):
    user = f"system:serviceaccount:{namespace}:{namespace}"

    eventually(lambda: [right for right in RIGHTS if not may(plane, "kube-system", user, right)] == [])
    assert [right for right in NO_RIGHTS if may(plane, namespace, user, right)] == []


@pytest.mark.parametrize(
    ("value", "resource"),
    [
        ("serviceAccountTokens", "serviceaccounts"),
        ("serviceAccountTokens", "serviceaccounts/token"),
        ("configMaps", "configmaps"),
    ],
)
def test_rights_that_not_every_store_needs_can_be_left_out(chart, value, resource):
    role = json.dumps(of_kind(chart(rbac={value: False}), "ClusterRole"))
    assert f'"{resource}"' not in role


def test_the_page_says_what_each_of_the_clusters_roles_gets(installed):
    roles = [role for role in of_kind(installed, "ClusterRole") if "aggregate" in json.dumps(role)]
    row = re.compile(r"^\| `(view|edit|admin)` \| ([a-z, ]+) \|$", re.MULTILINE)
    told = {role: verbs.split(", ") for role, verbs in row.findall(PAGE.read_text())}

    assert {kind for role in roles for rule in role["rules"] for kind in rule["resources"]} == {
        "externalsecrets",
        "secretstores",
    }
    assert told == {
        user: [
            verb
            for role in roles
            if f"rbac.authorization.k8s.io/aggregate-to-{user}" in role["metadata"]["labels"]
            for verb in role["rules"][0]["verbs"]
        ]
        for user in ("view", "edit", "admin")
    }


def test_whoever_may_view_a_namespace_sees_its_stores_and_whoever_edits_it_declares_them(plane, installed, namespace):
    for role, user in (("view", "viewer"), ("edit", "editor")):
        plane.kubectl("-n", namespace, "create", "rolebinding", user, f"--clusterrole={role}", f"--user={user}")

    def rights(user):
        asked = [
            (OWN, "externalsecrets", "list"),
            (OWN, "secretstores", "create"),
            (OWN, "clustersecretstores", "list"),
        ]
        return [may(plane, namespace, user, right) for right in asked]

    eventually(lambda: rights("viewer") == [True, False, False])
    eventually(lambda: rights("editor") == [True, True, False])


def eventually(true):
    """The authorizer hears of a role a moment after it is there; Kubernetes' controller puts roles together later."""
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)
