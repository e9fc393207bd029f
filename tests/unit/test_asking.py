"""What the run's process asks gateways, of which one serves and another may still answer."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from headrace.control.demand import Usage
from headrace.serve import asking
from headrace.serve.asking import Asking
from headrace.serve.summed import summed

#: Whose processes begin to serve in this order.
OLD, NEW = 7, 5


class Gateways:
    """Gateways that answer what they are asked as the test says, each from a thread."""

    def __init__(self, answers: Callable[[int, str], list[tuple[str, str]]]) -> None:
        self.answers, self.asked = answers, list[tuple[int, str]]()
        self.asking = Asking(self.send)

    def listen(self, *pids: int) -> None:
        for pid in pids:
            assert not self.asking.hear({"event": "listening", "pid": pid})

    def send(self, question: str, pid: int) -> None:
        self.asked.append((pid, question))
        threading.Thread(target=self._answer, args=(question, pid)).start()

    def _answer(self, question: str, pid: int) -> None:
        for to, text in self.answers(pid, question):
            if text == "gone":
                self.asking.hear({"event": "gone", "pid": pid})
            else:
                facts = {"event": "answer", "pid": pid, "question": to, "answer": text}
                assert self.asking.hear(facts)


def row(**more: int) -> dict[str, int]:
    none = {"waiting": 0, "waiting_rows": 0, "in_flight": 0, "in_flight_rows": 0, "idle_ms": 9000}
    return none | more


def stats(**versions: dict[str, Any]) -> dict[str, Any]:
    """Return what a gateway says; the names of arguments are models', each of version 1."""
    return {"models": {name: {"versions": {"1": one}} for name, one in versions.items()}}


def test_all_that_serve_are_asked_and_the_newest_answers_last() -> None:
    gateways = Gateways(lambda pid, question: [("before", "late"), (question, f"of {pid}")])
    assert gateways.asking.ask("evidence") == []
    gateways.listen(OLD, NEW)
    assert gateways.asking.ask("evidence") == [f"of {OLD}", f"of {NEW}"]
    assert gateways.asked == [(OLD, "evidence"), (NEW, "evidence")]
    gateways.asking.hear({"event": "gone", "pid": OLD})
    gateways.asking.hear({"event": "gone", "pid": 1})
    assert gateways.asking.ask("stats") == [f"of {NEW}"]


def test_who_is_gone_is_not_waited_for_and_who_is_silent_not_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gateways = Gateways(lambda pid, question: [(question, "gone" if pid == OLD else "here")])
    gateways.listen(OLD, NEW)
    assert gateways.asking.ask("stats") == ["here"]
    monkeypatch.setattr(asking, "ANSWER_S", 0.05)
    silent = Gateways(lambda pid, question: [(question, "here")] if pid == NEW else [])
    silent.listen(OLD, NEW)
    assert silent.asking.ask("stats") == ["here"]


def test_calls_of_all_gateways_keep_a_version() -> None:
    told = {
        OLD: stats(a=row(in_flight=2, in_flight_rows=4), gone=row(waiting=1, waiting_rows=3)),
        NEW: stats(a=row(waiting=1, waiting_rows=8, idle_ms=20), b=row()),
    }
    gateways = Gateways(lambda pid, question: [(question, json.dumps(told[pid]))])
    assert gateways.asking.used() is None
    gateways.listen(OLD, NEW)
    assert gateways.asking.used() == {
        "a/1": Usage(3, 0.02, 10),
        "b/1": Usage(0, 9.0, 0),
        "gone/1": Usage(1, 9.0, 3),
    }


def test_what_is_no_sum_is_said_by_who_serves() -> None:
    first = stats(a=row(share=10_000, hosts=2)) | {"shadows": [1]}
    last = stats(a=row(share=500, hosts=1, waiting=1)) | {"shadows": [2]}
    both = summed([first, last])
    assert both["shadows"] == [2]
    assert both["models"]["a"]["versions"]["1"] == row(share=500, hosts=1, waiting=1)
    assert (summed([]), summed([last])) == ({"models": {}}, last)
