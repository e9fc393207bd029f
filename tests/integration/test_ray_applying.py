"""`headrace apply` on Ray: every host batches otherwise, and so does one that comes later."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
from tests.integration.conftest import Run, Serve, until, write_model
from tests.integration.load import call, client, load
from tests.integration.models import IDENTITY


def apply(run: Run, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "headrace", "apply", "--url", f"http://{run.console}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


def refuses_two_rows(run: Run) -> bool:
    with client(run, "http") as connected:
        ended = call(connected, "twice", np.ones((2, 4), np.float32))
    return ended.how == "told: 400"


def test_limits_change_in_all_hosts_and_in_one_that_replaces_another(
    serve: Serve, repository: Path
) -> None:
    yaml = "{}\nplacement: {{replicas: {{min: 2, max: 2}}}}\n".format
    write_model(repository, "twice", IDENTITY.format(pause=0), yaml("batching: {max_rows: 8}"))
    run = serve(repository)
    config = repository / "twice" / "model.yaml"
    with load(run, "twice", "http") as one, load(run, "twice", "grpc") as other:
        for rows in (2, 5, 1):
            config.write_text(yaml(f"batching: {{max_rows: {rows}}}"))
            assert apply(run).endswith(f" -> {rows} (2 hosts)\n")
        one.flows_on()
        other.flows_on()
    assert set(one.ended) == set(other.ended) == {"right"}
    assert refuses_two_rows(run)
    before = run.pids("twice/1")
    os.kill(before[0], signal.SIGKILL)
    until(lambda: len(set(run.pids("twice/1")) - set(before)) == 1, 60, "another host comes")
    until(lambda: run.version("twice")["hosts"] == 2, 60, "it is ready")
    assert refuses_two_rows(run), "it began as the others are"
