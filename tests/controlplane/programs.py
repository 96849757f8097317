"""How each program of a control plane is called."""

import json
from pathlib import Path

from tests.controlplane import audit
from tests.controlplane.credentials import Credentials

CONTROLLERS = (
    "clusterrole-aggregation-controller",  # view, edit and admin take in what our chart adds to them
    "daemonset-controller",
    "deployment-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "replicaset-controller",
    "serviceaccount-controller",
    "statefulset-controller",
)


def etcd(program: Path, folder: Path) -> list[str]:
    """Its sockets are files in the folder: no port to find, and no other user of this machine can reach it."""
    client, peer = f"unix://{folder}/etcd.sock", f"unix://{folder}/etcd-peer.sock"
    return [
        str(program),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # the data is thrown away: nothing is gained by waiting for a disk
        "--log-level=warn",
    ]


def apiserver(program: Path, folder: Path, made: Credentials, port: int) -> list[str]:
    """As a cluster runs it (RBAC, every default admission plugin), but with no Service of its own."""
    policy = folder / "audit-policy.json"
    policy.write_text(json.dumps(audit.POLICY))
    return [
        str(program),
        f"--etcd-servers=unix://{folder}/etcd.sock",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={made.certificate}",
        f"--tls-private-key-file={made.key}",
        f"--token-auth-file={made.tokens}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={made.service_account_key}",
        f"--service-account-key-file={made.service_account_key}",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={folder / 'audit.log'}",
        "--audit-log-maxsize=4096",  # megabytes: a log that starts anew would lose calls that a test counts
    ]


def controller_manager(program: Path, kubeconfig: Path) -> list[str]:
    """Only the controllers that an operator notices; there is no kubelet, so no pod ever runs."""
    return [
        str(program),
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(CONTROLLERS)}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]
