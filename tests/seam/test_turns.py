"""Models that stream: the requests at work take turns, through the real core."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.seam.test_steps import LONG, Serve, Streams, parts, until

from headrace import Batch


def test_each_turn_of_a_stream_may_take_as_long_as_a_step(serve: Serve) -> None:
    stopped = threading.Event()

    def act(batch: Batch) -> Iterator[Mapping[str, Any]]:
        for said in range(batch["n"].item()):
            stopped.wait(0.1 if batch["x"][0, 0] > 0 else LONG)
            yield {"y": batch["x"] + said}

    served = serve(Streams(act), hang_timeout_s=0.5)
    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda x: parts(served.ask([x], 2)), range(1, 17)))
    assert told == [[x, x + 1] for x in range(1, 17)], "a round of 16 takes 1.6 s"
    reply = served.ask([-1], 1)
    assert b"did not return from a step within 0.5 s" in reply.read()
    stopped.set()
    served.threads[0].join(LONG)


def test_who_left_while_others_had_their_turns_has_none(serve: Serve) -> None:
    turns: list[int] = []
    gone, goes_on = threading.Event(), threading.Event()

    def act(batch: Batch) -> Iterator[Mapping[str, Any]]:
        while True:
            turns.append(batch["x"].item())
            yield {"y": batch["x"]}
            if batch["x"].item() == 1 and 2 in turns and not gone.is_set():
                gone.set()
                goes_on.wait(LONG)

    served = serve(Streams(act))
    first, second = served.ask([1], 1), served.ask([2], 1)
    for one in (first, second):
        one.readline()
    gone.wait(LONG)
    second.close()
    failures = 'headrace_request_failures_total{model="m",version="1",kind="cancelled"}'
    until(lambda: served.counted(failures) == 1)
    before = list(turns)
    goes_on.set()
    until(lambda: len(turns) > len(before) + 3)
    assert turns.count(2) == before.count(2)
    first.close()
