"""Versions with packages of their own, on Ray."""

import os
import signal
import textwrap
from pathlib import Path

from tests import wheels
from tests.integration.conftest import START_S, Run, Serve, until

MODEL = f"""
    import numpy as np
    import {wheels.MODULE} as number
    from headrace import Batch, Context, Model, Tensor

    class Numbered(Model):
        inputs = [Tensor("x", "FP32", [4])]
        outputs = [Tensor("number", "FP32", [1])]
        def load(self, context: Context) -> None: ...
        def predict(self, batch: Batch):
            return {{"number": np.full((batch.rows, 1), number.NUMBER, np.float32)}}
"""


def write(repository: Path, version: int, packages: str, model: str = "numbered") -> None:
    folder = repository / model / str(version)
    folder.mkdir(parents=True)
    (folder / "model.py").write_text(textwrap.dedent(MODEL))
    (folder / "requirements.txt").write_text(packages)


def test_versions_of_one_model_have_packages_that_do_not_go_together(
    serve: Serve, tmp_path: Path
) -> None:
    wheels.write(tmp_path / "wheels")
    models = tmp_path / "models"
    write(models, 1, wheels.requirements(tmp_path / "wheels", "1.0"))
    (models / "numbered" / "model.yaml").write_text("environment: requirements.txt\n")
    # What another model asks for and nobody has keeps nobody from being served.
    write(models, 1, wheels.requirements(tmp_path / "wheels", "3.0"), "hopeless")
    (models / "hopeless" / "model.yaml").write_text("environment: requirements.txt\n")
    run = serve(models)
    assert number(run) == 1.0
    (lost,) = run.status()["lost"]
    assert (lost["model"], lost["version"]) == ("hopeless", 1)
    assert "No matching distribution found" in lost["reason"]
    write(models, 2, wheels.requirements(tmp_path / "wheels", "2.0"))
    run.command("load", "numbered/2", "--swap")
    until(lambda: number(run) == 2.0, START_S, "version 2 answers")
    # Its host has them again when it is replaced.
    os.kill(run.pids("numbered/2")[0], signal.SIGKILL)
    until(lambda: number(run) == 2.0, START_S, "version 2 answers again")
    # What cannot be installed leaves what serves untouched, and says why.
    write(models, 3, wheels.requirements(tmp_path / "wheels", "3.0"))
    assert "No matching distribution found" in run.command("load", "numbered/3", code=1)
    assert number(run) == 2.0
    assert run.end() == 0


def number(run: Run) -> float:
    """What the model's package says of itself; 0 where nobody answered."""
    status, body = run.infer("numbered", 0.0)
    return float(body["outputs"][0]["data"][0]) if status == 200 else 0.0
