"""How reports to registries went, as far as this process remembers."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from headrace.registry.delivering import Outcome
from headrace.registry.facts import Place
from headrace.registry.redacting import without_secrets
from headrace.registry.report import Report
from headrace.registry.spool import Model
from headrace.retrying import Retry

#: Models that are remembered, and places of each.
MOST_MODELS: Final = 1000
MOST_PLACES: Final = 20


@dataclass(frozen=True)
class Standing:
    """How the reports of one registered model stand."""

    model: str
    #: Its registry, without a password.
    registry: str
    #: Reports that are still to be delivered.
    pending: int
    #: How often in a row it failed, and what was said last; empty once it went.
    tries: int
    last_error: str
    #: Reports for which there was no room, since this process began.
    dropped: int
    #: Reports that the registry does not take, or a part of them, and why not the last.
    refused: int
    last_refusal: str
    #: Version and rollout → where its metrics are; the latest last.
    places: Mapping[str, str]
    #: Alias → what became of it, in words.
    aliases: Mapping[str, str]
    #: Rollout → how somebody moved an alias while it went on, in words.
    moved: Mapping[str, str]
    #: Version and rollout → part of its reports → why the account may not tell it, and what to do.
    denied: Mapping[str, Mapping[str, str]]


@dataclass
class Backoff:
    """How often in a row something failed, and when it is tried again."""

    tries: int = 0
    #: Of the monotonic clock.
    due_s: float = 0.0
    last_error: str = ""

    def failed(self, error: str, due_s: float) -> None:
        """Count one more."""
        self.tries += 1
        self.due_s, self.last_error = due_s, error


@dataclass
class Record:
    """What is remembered of a model's reports."""

    backoff: Backoff = field(default_factory=Backoff)
    #: Of the monotonic clock: until then metrics alone are gathered.
    gathers_until_s: float = 0.0
    dropped: int = 0
    refused: int = 0
    last_refusal: str = ""
    places: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    #: By rollout: which version an alias named when it was first looked at.
    named: dict[str, dict[str, int | None]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    denied: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Parts that were denied when they were told last: people know.
    known: set[str] = field(default_factory=set)

    def note(self, report: Report, outcome: Outcome) -> list[str]:
        """Remember what became of a report, and return what somebody should be told."""
        said = [f"{report.label}: {words}" for words in outcome.aliases.values()]
        self.aliases.update(outcome.aliases)
        where = f"{report.version} in {report.rollout}"
        if outcome.place:
            _latest(self.places, where, outcome.place)
        if report.rollout is not None:
            self._compare(report.rollout, outcome.named)
        said += self._refused(report, outcome, where)
        return said

    def _refused(self, report: Report, outcome: Outcome, where: str) -> list[str]:
        addresses = report.place.addresses
        denied = {
            part: without_secrets(words, os.environ, addresses)
            for part, words in outcome.denied.items()
        }
        said = [
            f"{report.label}: {words}" for part, words in denied.items() if part not in self.known
        ]
        self.known = (self.known - {*outcome.went}) | {*denied}
        if denied:
            _latest(self.denied, where, {**self.denied.get(where, {}), **denied})
            self.last_refusal = next(iter(denied.values()))
        if outcome.refused:
            self.last_refusal = without_secrets(outcome.refused, os.environ, addresses)
            said.append(
                f"the registry does not take a report of {report.label}: {self.last_refusal}"
            )
        self.refused += bool(denied or outcome.refused)
        return said

    def _compare(self, rollout: str, named: Mapping[str, int | None]) -> None:
        first = self.named.setdefault(rollout, {})
        for alias, now in named.items():
            if (before := first.setdefault(alias, now)) != now:
                was, names = (f"version {one}" if one else "nothing" for one in (before, now))
                self.moved[rollout] = f"somebody moved {alias} in the registry: {was} to {names}"
        for oldest in list(self.named)[:-MOST_PLACES]:
            del self.named[oldest]
            self.moved.pop(oldest, None)


def _latest(of: dict[str, Any], where: str, what: Any) -> None:
    """Put it last, and let go what is too old."""
    of.pop(where, None)
    of[where] = what
    for oldest in list(of)[:-MOST_PLACES]:
        del of[oldest]


def due_s(record: Record, place: Backoff, *, is_urgent: bool) -> float:
    """Return when a model's reports are to be told, by the monotonic clock.

    Args:
        record: of the model.
        place: of its registry.
        is_urgent: there is more than metrics, or no time to gather them.
    """
    if record.backoff.tries or is_urgent:
        return max(record.backoff.due_s, place.due_s)
    return max(record.gathers_until_s, place.due_s)


class Records:
    """A record for each model; of too many the oldest goes that has no reports."""

    def __init__(self, most: int = MOST_MODELS) -> None:
        self._most = most
        self._records: dict[Model, Record] = {}
        #: Of registries that gave no answer when they were last asked.
        self._places: dict[Place, Backoff] = {}

    def of(self, model: Model) -> Record:
        """Return a model's record, which is made if there is none."""
        return self._records.setdefault(model, Record())

    def at(self, place: Place) -> Backoff:
        """Return how it stands with a registry."""
        return self._places.get(place, Backoff())

    def failed(self, model: Model, error: str, now_s: float, retry: Retry) -> bool:
        """Count a try that failed; return whether that was not known.

        The registry is asked once more at once, if there are reports of another model: only after
        two in a row is it taken to be away for all of them.
        """
        record, place = self.of(model).backoff, self._places.setdefault(model.place, Backoff())
        is_news = error not in (record.last_error, place.last_error)
        record.failed(error, now_s + retry(record.tries + 1))
        place.failed(error, now_s + (retry(place.tries) if place.tries else 0.0))
        return is_news

    def dropped(self, model: Model, count: int) -> tuple[int, int]:
        """Count reports for which there was no room; return how many there were before, and are."""
        record = self.of(model)
        before, record.dropped = record.dropped, record.dropped + count
        return before, record.dropped

    def went(self, model: Model, gathers_until_s: float) -> Record:
        """Return the record of a model of which a report was told."""
        self._places.pop(model.place, None)
        record = self.of(model)
        record.backoff, record.gathers_until_s = Backoff(), gathers_until_s
        return record

    def standings(self, pending: Mapping[Model, int]) -> list[Standing]:
        """Return how those stand that are remembered, or have so many reports pending."""
        return [
            Standing(
                model=model.name,
                registry=without_secrets(model.place.registry, {}, model.place.addresses),
                pending=pending.get(model, 0),
                tries=record.backoff.tries,
                last_error=record.backoff.last_error
                or (self.at(model.place).last_error if pending.get(model) else ""),
                dropped=record.dropped,
                refused=record.refused,
                last_refusal=record.last_refusal,
                places=dict(record.places),
                aliases=dict(record.aliases),
                moved=dict(record.moved),
                denied={where: dict(parts) for where, parts in record.denied.items()},
            )
            for model in dict.fromkeys([*self._records, *pending])
            for record in [self.of(model)]
        ]

    def forget(self, pending: Mapping[Model, int]) -> None:
        """Keep to the bound; those with reports pending stay."""
        idle = [model for model in self._records if not pending.get(model)]
        for model in idle[: max(0, len(self._records) - self._most)]:
            del self._records[model]
        for place in set(self._places) - {model.place for model in pending}:
            del self._places[place]
