"""A value is put into team-b's own store by the command line, as anybody would do it."""

import subprocess
from pathlib import Path

from tests.controlplane.deployment import search_path
from tests.demo import account
from tests.demo.scene import NotTrue, Scene

WITHIN = 60.0


def environment(scene: Scene) -> dict[str, str]:
    """Where the command finds the API server, and the operator's data folder."""
    return {"KUBECONFIG": str(scene.stage.plane.kubeconfig), "KEYFERRY_DATA_DIR": str(scene.stage.data)}


def put_license(scene: Scene) -> str:
    """Run what COMMAND says; the answer is what it prints."""
    home = {"HOME": str(Path.home()), "PATH": search_path()}
    done = subprocess.run(
        ["keyferry", *WORDS],  # noqa: S607 - that of this virtual environment
        input=account.LICENSE,
        env=home | environment(scene),
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN * max(1.0, scene.patience),
    )
    if done.returncode != 0:
        raise NotTrue(f"keyferry {' '.join(WORDS)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


WORDS = ("secret", "put", "license", "--store", "own", "-n", "team-b")
COMMAND = f"printf {account.LICENSE} | keyferry {' '.join(WORDS)}"
