"""What happened to a version goes back to its registry, however long that is away.

A report is kept in the state folder before `Reporter.report` returns. One thread delivers them, of
a model in their order, by the process in which MLflow is asked: to start one takes seconds, so that
what is due at one registry goes together.
"""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Protocol

from headrace.config.account import WHO_READS, Account
from headrace.errors import SourceAway
from headrace.registry.answering import MLFLOW
from headrace.registry.asking import ask
from headrace.registry.delivering import Outcome
from headrace.registry.redacting import without_secrets
from headrace.registry.report import HERE, Kind, Report, as_json
from headrace.registry.source import PATIENCE_S
from headrace.registry.spool import Model, Pending, Spool
from headrace.registry.standing import Records, Standing, due_s
from headrace.retrying import Retry, jittered
from headrace.spool import BOUNDS, Bounds

#: Of the state folder: reports of versions that no registry knows.
KEPT: Final = "reports"
#: Of the state folder: reports that are still to be delivered.
PENDING: Final = Path(KEPT, ".pending")
#: Of the state folder: pictures, where MLflow is a database and no server has a place for them.
FILES: Final = "mlflow-artifacts"
#: Reports in one question.
MOST_ASKED: Final = 250
MOST_ASKED_BYTES: Final = 4 << 20
#: After some were told metrics of a model wait for more: a process for each would be dear.
GATHER_S: Final = 60.0

Batch = Sequence[tuple[Pending, Report]]
#: Is given what ends a delivery at once.
Begun = Callable[[Callable[[], None]], None]


class Deliver(Protocol):
    """Tells reports to a registry."""

    def __call__(self, reports: Sequence[Report], *, tries: int, begun: Begun) -> Sequence[Outcome]:
        """Return what became of the first ones, which are not told again.

        Args:
            reports: of one registry, in their order.
            tries: how often the first one was tried before.
            begun: see `headrace.registry.asking.ask`.

        Raises:
            HeadraceError: they are to be told again.
        """


def soonest(due_s: Mapping[Model, float], now_s: float) -> tuple[Model | None, float | None]:
    """Return whose turn it is, or else in how many seconds it is somebody's; None is never."""
    if not due_s:
        return None, None
    model = min(due_s, key=lambda one: due_s[one])
    wait_s = due_s[model] - now_s
    return (model, 0.0) if wait_s <= 0 else (None, wait_s)


@dataclass(frozen=True)
class Patience:
    """What is done while a registry is away."""

    #: How much is kept.
    bounds: Bounds = BOUNDS
    retry: Retry = jittered


PATIENCE: Final = Patience()


class Reporter:
    """Keeps reports, and delivers them from a thread of its own."""

    def __init__(
        self,
        state: Path,
        say: Callable[[str], None],
        *,
        deliver: Deliver | None = None,
        patience: Patience = PATIENCE,
    ) -> None:
        """Go on with what an earlier process did not deliver.

        Args:
            state: the state folder, which is this process's alone.
            say: hears, in a line each, what fails, is refused, has to go, and which aliases move;
                it returns at once.
            deliver: tells them; None asks MLflow in a process of its own.
            patience: how much is kept while a registry is away, and when it is asked again.

        Raises:
            StateInvalid: the folder cannot be used.
        """
        self._say = say
        self._deliver = deliver or asking(state)
        self._retry = patience.retry
        self._records = Records()
        self._sending: frozenset[int] = frozenset()
        #: When these were taken this was the newest report.
        self._newest = 0
        self._end: Callable[[], None] | None = None
        self._is_flushing = self._closed = False
        self._changed = threading.Condition()
        self._spool = Spool(state.absolute() / PENDING, patience.bounds, say)
        self._kept = Spool(state.absolute() / KEPT, patience.bounds, say, has_shelves=True)
        self._kept.cut()
        self._count_dropped(self._spool.cut())
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)
        self._thread.start()

    def report(self, report: Report) -> None:
        """Keep a report, which is delivered once its registry answers. It waits for no network.

        That of a version `HERE` stays here, until newer ones take its room.

        Raises:
            StateInvalid: it cannot be kept.
        """
        with self._changed:
            if report.place == HERE:
                # Of these the oldest go, and that is no loss to tell of.
                self._kept.add(report)
                if report.rollout is not None:
                    where = self._kept.folder / report.label
                    self._records.of(Model(HERE, report.model)).note(
                        report, Outcome("", str(where))
                    )
            else:
                self._count_dropped(self._spool.add(report, self._sending))
            self._records.forget(self._pending())
            self._changed.notify_all()

    def status(self) -> Sequence[Standing]:
        """Return how the reports of each model stand."""
        with self._changed:
            return self._records.standings(self._pending())

    def close(self, *, patience_s: float = 0.0) -> None:
        """End; what is not delivered by then stays for the next process.

        Args:
            patience_s: for so long wait for what can be delivered; metrics gather no longer.
        """
        with self._changed:
            self._is_flushing = True
            self._changed.notify_all()
            self._changed.wait_for(self._is_idle, patience_s)
            self._closed = True
            if self._end is not None:
                self._end()
            self._changed.notify_all()
        self._thread.join()

    def _is_idle(self) -> bool:
        """Nothing is left, but what failed and waits."""
        return not self._pending() or (
            not self._sending
            and all(
                self._records.of(model).backoff.tries or self._records.at(model.place).tries > 1
                for model in self._pending()
            )
        )

    def _pending(self) -> Mapping[Model, int]:
        return Counter(one.model for one in self._spool.pending)

    def _run(self) -> None:
        while batch := self._next():
            first = batch[0][0].model
            try:
                reports = [report for _, report in batch]
                tries = self._records.of(first).backoff.tries
                self._delivered(batch, self._deliver(reports, tries=tries, begun=self._begun))
            # Whatever was not foreseen: a thread that ends keeps all that is to come.
            except Exception as error:
                self._failed(first, error)

    def _next(self) -> Batch:
        """Return what is told next, to one registry, once something is due; nothing at the end."""
        with self._changed:
            while not self._closed:
                now_s, due = time.monotonic(), self._due_s()
                model, wait_s = soonest(due, now_s)
                if model is None:
                    self._changed.wait(wait_s)
                    continue
                models = {one for one in due if one.place == model.place and due[one] <= now_s}
                if batch := self._spool.first(models, MOST_ASKED, MOST_ASKED_BYTES):
                    self._sending = frozenset(one.number for one, _ in batch)
                    self._newest = self._spool.pending[-1].number
                    return batch
            return []

    def _due_s(self) -> Mapping[Model, float]:
        urgent = {one.model for one in self._spool.pending if one.kind is not Kind.METRICS}
        return {
            model: due_s(
                self._records.of(model),
                self._records.at(model.place),
                is_urgent=self._is_flushing or model in urgent,
            )
            for model in self._pending()
        }

    def _begun(self, end: Callable[[], None]) -> None:
        with self._changed:
            self._end = end
            if self._closed:
                end()

    def _delivered(self, batch: Batch, outcomes: Sequence[Outcome]) -> None:
        if not outcomes:
            raise SourceAway(f"nothing was said of {batch[0][1].label}: it is told again")
        with self._changed:
            done = list(zip(batch, outcomes, strict=False))
            for (one, _), _ in done:
                self._spool.remove(one)
            # They have waited already.
            left = {one.model for one in self._spool.pending if one.number <= self._newest}
            now_s = time.monotonic()
            for (one, report), outcome in done:
                until_s = now_s if one.model in left else now_s + GATHER_S
                for words in self._records.went(one.model, until_s).note(report, outcome):
                    self._say(words)
            self._rest()

    def _failed(self, model: Model, error: Exception) -> None:
        with self._changed:
            words = without_secrets(str(error), os.environ, model.place.addresses)
            is_news = self._records.failed(model, words, time.monotonic(), self._retry)
            if is_news and not self._closed:
                self._say(f"reports of {model.name} wait, and are told again: {words}")
            self._rest()

    def _rest(self) -> None:
        self._sending, self._end = frozenset(), None
        self._changed.notify_all()

    def _count_dropped(self, gone: Sequence[Pending]) -> None:
        for model, count in Counter(one.model for one in gone).items():
            before, after = self._records.dropped(model, count)
            # The first, and whenever it is ten times as many: each new report may drop one.
            if not before or len(str(after)) > len(str(before)):
                self._say(
                    "there is no room for more reports while a registry is away: "
                    f"{after} of {model.name} dropped so far"
                )


def asking(state: Path, account: Account = WHO_READS) -> Deliver:
    """Return what tells reports to MLflow, as ``account``, in a process of its own."""
    files = (state.absolute() / FILES).as_uri()

    def deliver(reports: Sequence[Report], *, tries: int, begun: Begun) -> Sequence[Outcome]:
        question = {
            "of": MLFLOW,
            "ask": "report",
            "place": asdict(reports[0].place),
            "reports": [as_json(report) for report in reports],
            "tries": tries,
            "files": files,
        }
        environ = account.over(os.environ)
        told = ask(question, lambda text: None, within_s=PATIENCE_S, begun=begun, environ=environ)
        return [Outcome(**one) for one in told]

    return deliver
