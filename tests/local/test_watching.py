"""A person, or a pipeline, that watches a rollout to its end."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from tests.local.conftest import PATIENCE_S, start

from headrace.cli.watching import fitted

ECHO = 'return {"y": batch["x"]}'
PLAN = "rollouts: {default: {judge: {errors: {}}, steps_percent: [50, 100], approval: promotion}}"


def test_a_server_that_is_killed_and_begun_anew_is_watched_on(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    models, state = write("one", ECHO, PLAN), tmp_path / "state"
    second = models / "one" / "2"
    second.mkdir()
    (second / "model.py").write_bytes((models / "one" / "1" / "model.py").read_bytes())
    servers = [start(models, state)]
    server = servers[0]
    try:
        server.wait_ready()
        server.command("split", "one", "1=100")
        server.command("rollout", "start", "one/2")
        watched = subprocess.Popen(
            [sys.executable, "-m", "headrace", "rollout", "show", "1", "--watch"],
            env=os.environ | {"HEADRACE_URL": server.console},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert watched.stdout is not None
        told = [watched.stdout.readline()]
        server.process.kill()
        # Whose answer it was reading broke off before that.
        while not ("nobody answers at" in told[-1] and "asked again each second" in told[-1]):
            told.append(watched.stdout.readline())
            assert told[-1], told
        server.process.wait()
        servers.append(start(models, state, port=server.port))
        servers[1].wait_ready()
        servers[1].command("rollout", "promote", "1", "--why", "seen enough")
        rest, _ = watched.communicate(timeout=PATIENCE_S)
    finally:
        for one in servers:
            one.process.kill()
            one.process.wait()
    assert watched.returncode == 0, rest
    assert [line.split()[1] for line in told[:1]] == ["begin:"]
    assert " promoted: by " in rest
    assert "100 % of steps 50 100" in rest


def test_where_there_is_no_room_what_is_said_last_is_shown() -> None:
    narrow = Console(file=io.StringIO(), width=20, height=6)
    middle = "\n".join(f"line {at}" for at in range(9))
    text = f"rollout 1\n{middle}\nsince 10:00:00 hold: not yet"
    shown = fitted(narrow, text).plain.split("\n")
    assert [one.rstrip() for one in shown] == [
        "rollout 1", "line 7", "line 8", "since 10:00:00 hold:", "not yet",
    ]  # fmt: skip
    assert fitted(narrow, "rollout 1\nend").plain == "rollout 1\nend"
