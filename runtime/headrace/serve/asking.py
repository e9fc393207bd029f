"""What the run's process asks the gateway that serves."""

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from headrace.control.demand import Usage, usage

#: For the gateway's answer.
ANSWER_S: Final = 2.0


class Asking:
    """One question at a time, each with a bound on how long it waits. Any thread may ask."""

    def __init__(self, send: Callable[[str], int]) -> None:
        """``send`` says a question to every gateway; the one that serves answers."""
        self._send = send
        self._one_asks = threading.Lock()
        self._answered = threading.Condition()
        self._answers: dict[str, str] = {}
        #: Whether one serves by now; nobody waits for an answer before.
        self.is_served = False

    def hear(self, facts: Mapping[str, Any]) -> None:
        """Take an answer."""
        with self._answered:
            self._answers[facts["question"]] = str(facts["answer"])
            self._answered.notify_all()

    def ask(self, question: str) -> str | None:
        """Return the answer, or None when nobody answers."""
        with self._one_asks, self._answered:
            self._answers.pop(question, None)
            self._send(question)
            limit_s = ANSWER_S if self.is_served else 0
            self._answered.wait_for(lambda: question in self._answers, limit_s)
            return self._answers.get(question)

    def used(self) -> Mapping[str, Usage] | None:
        """Return what is counted of each version, by label; None without an answer."""
        told = self.ask("stats")
        return None if told is None else usage(json.loads(told))
