"""Models that fork: the child is the model's own, and the server ends and answers as before."""

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from tests.local.test_serving import ONES, listens, until

#: What predict does with 2, and nothing with any other number.
WISH = """
import multiprocessing, signal
if batch["x"][0, 0] == 2:
{wish}
return {{"y": batch["x"]}}
"""
POOL = """
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(abs, [-1, -2]))
"""
#: It is told to end before it can have done anything at all.
AT_ONCE = """
    for _ in range(20):
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
        child.start()
        child.terminate()
        child.join()
        assert child.exitcode == -signal.SIGTERM, child.exitcode
"""
SLEEPS = """
    if (child := os.fork()) == 0:
        time.sleep(600)
    print(f"child {child}")
"""
COMES_BACK = """
    if os.fork() == 0:
        print("said by the child")
"""
RAISES = """
    if os.fork() == 0:
        raise ValueError("raised by the child")
"""


@pytest.mark.parametrize("wish", [POOL, AT_ONCE], ids=["pool", "at once"])
def test_a_signal_for_a_forked_process_is_none_for_the_server(
    serve: Callable[..., Any], write: Callable[..., Any], wish: str
) -> None:
    own = serve(write("forks", WISH.format(wish=wish)))
    own.wait_ready()
    assert own.post("forks", [2.0, 0, 0, 0])[0] == 200, own.output()
    # A signal that had come would have closed the ports by then.
    time.sleep(1)  # noqa: TID251 - nothing tells that a signal does not come
    assert own.post("forks", ONES)[0] == 200
    assert own.end() == 0, own.output()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_forked_process_keeps_neither_ports_nor_connections_nor_the_state_folder(
    serve: Callable[..., Any], write: Callable[..., Any], how: signal.Signals
) -> None:
    own = serve(write("forks", WISH.format(wish=SLEEPS)))
    own.wait_ready()
    early = socket.create_connection(("127.0.0.1", own.port), timeout=10)
    early.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    assert early.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert own.post("forks", [2.0, 0, 0, 0])[0] == 200
    until(lambda: "child " in own.output(), "it has forked")
    child = int(own.output().partition("child ")[2].split()[0])
    try:
        own.process.send_signal(how)
        assert own.process.wait(30) == (0 if how == signal.SIGTERM else -how), own.output()
        os.kill(child, 0)
        with suppress(ConnectionResetError):
            assert early.recv(1) == b"", "who was connected hears of the end"
        assert not any(listens(own.port + at) for at in range(4))
        again = serve(own.models, port=own.port, state=own.state)
        again.wait_ready()
        assert again.end() == 0, again.output()
    finally:
        early.close()
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize(
    ("wish", "said"),
    [(COMES_BACK, "said by the child"), (RAISES, "ValueError: raised by the child")],
    ids=["returns", "raises"],
)
def test_a_forked_process_that_comes_back_answers_nobody_and_ends(
    serve: Callable[..., Any], write: Callable[..., Any], wish: str, said: str
) -> None:
    own = serve(write("forks", WISH.format(wish=wish)))
    own.wait_ready()
    for number in range(20):
        assert own.post("forks", [2.0, 0, 0, 0])[0] == 200
        status, answer = own.post("forks", [float(10 + number), 0, 0, 0])
        assert (status, answer["outputs"][0]["data"][0]) == (200, 10.0 + number)
    until(lambda: own.output().count("forks/1 forked came back from it") == 20, "all of them end")
    assert own.output().count(said) == 20
    assert own.end() == 0, own.output()


def test_a_forked_process_does_not_finish_what_loads_the_model(
    serve: Callable[..., Any], write: Callable[..., Any]
) -> None:
    body = 'if not hasattr(self, "forked"):\n    self.forked = os.fork()\nreturn {"y": batch["x"]}'
    own = serve(write("forks", body))
    own.wait_ready()
    until(lambda: "forks/1 forked came back from it" in own.output(), "it ends")
    assert own.post("forks", ONES)[0] == 200
    assert own.output().count("forks/1 | ready: loaded") == 1
    assert own.end() == 0, own.output()
