"""A server on Ray whose terminal goes away: it serves on, and lets accepted calls finish."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.integration.conftest import END_S, START_S, Serve, alive, until, write_model
from tests.integration.models import SLEEPER


@pytest.mark.parametrize("when", ["before it is ready", "while it serves"])
def test_a_server_whose_terminal_is_gone_lets_accepted_calls_finish(
    serve: Serve, tmp_path: Path, when: str
) -> None:
    write_model(tmp_path / "models", "sleeper", SLEEPER)
    reader, writer = os.pipe()
    if when == "before it is ready":
        os.close(reader)
    run = serve(tmp_path / "models", wait=False, terminal=writer)
    os.close(writer)
    until(lambda: run.answers("sleeper") or run.process.poll() is not None, START_S, "it serves")
    if when == "while it serves":
        os.close(reader)
    ended: list[Any] = []
    caller = threading.Thread(target=lambda: ended.append(run.infer("sleeper", 3.0)))
    caller.start()
    until(lambda: run.accepted("sleeper") == 1, 20, "the call is accepted")
    below = run.below()
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(END_S) == 0
    caller.join(END_S)
    assert [status for status, _ in ended] == [200]
    assert not alive(below)
