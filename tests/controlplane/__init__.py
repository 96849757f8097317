"""A real Kubernetes API on this machine, and the operator run in it as its Deployment says.

Demo, tests and benchmarks stand on it. It knows nothing of Keyferry's code: only its chart and its command.
"""

from tests.controlplane.audit import AuditEvent
from tests.controlplane.binaries import Binaries
from tests.controlplane.chart import install, render_chart, uninstall
from tests.controlplane.deployment import DeployedOperator
from tests.controlplane.plane import ControlPlane, free_port

__all__ = [
    "AuditEvent",
    "Binaries",
    "ControlPlane",
    "DeployedOperator",
    "free_port",
    "install",
    "render_chart",
    "uninstall",
]
