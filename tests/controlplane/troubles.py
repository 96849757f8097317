"""What can keep a control plane or the operator from running on this machine. Each says what to do about it."""

from tests.controlplane import binaries, chart, container, deployment, gobuild, plane, processes

TROUBLES = (
    binaries.BinariesMissing,
    chart.HelmFailed,
    container.CannotRun,
    deployment.NotReady,
    gobuild.BuildFailed,
    plane.KubectlFailed,
    plane.NotReady,
    processes.ProcessDied,
)
