"""What the run's process asks gateways: one serves, and another may still have calls to answer."""

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from headrace.control.demand import Usage, usage
from headrace.serve.summed import summed

#: For the answers.
ANSWER_S: Final = 2.0


class Asking:
    """One question at a time, each with a bound on how long it waits. Any thread may ask."""

    def __init__(self, send: Callable[[str, int], object]) -> None:
        """``send`` says a question to a gateway's process."""
        self._send = send
        self._one_asks = threading.Lock()
        self._answered = threading.Condition()
        #: The processes of gateways that have begun to serve and have not ended, the newest last.
        self._gateways: list[int] = []
        self._question = ""
        self._answers: dict[int, str] = {}

    def hear(self, facts: Mapping[str, Any]) -> bool:
        """Take what a gateway tells; return whether it was an answer, which is for nobody else."""
        pid, kind = facts["pid"], facts["event"]
        with self._answered:
            if kind == "listening":
                self._gateways.append(pid)
            elif kind == "gone" and pid in self._gateways:
                self._gateways.remove(pid)
            elif kind == "answer" and facts["question"] == self._question:
                self._answers[pid] = str(facts["answer"])
            self._answered.notify_all()
        return bool(kind == "answer")

    def ask(self, question: str) -> list[str]:
        """Return the answers of those that answer in time, of who serves last."""
        with self._one_asks:
            with self._answered:
                self._question, self._answers = question, {}
                asked = list(self._gateways)
            # Not under the lock: a gateway that does not read would keep others from being heard.
            for pid in asked:
                self._send(question, pid)
            with self._answered:
                self._answered.wait_for(
                    lambda: {*asked} & {*self._gateways} <= self._answers.keys(), ANSWER_S
                )
                return [self._answers[pid] for pid in asked if pid in self._answers]

    def used(self) -> Mapping[str, Usage] | None:
        """Return what is counted of each version, by label; None without an answer."""
        told = self.ask("stats")
        return usage(summed([json.loads(one) for one in told])) if told else None
