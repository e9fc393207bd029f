"""Configurations that change while hosts serve: what each host was told, and what it said."""

import json
import threading
from collections.abc import Callable, Mapping, Sequence, Set
from time import monotonic
from typing import Any, Final

from headrace.console.operations import Applied
from headrace.errors import HeadraceError, ModelInvalid, NotLive
from headrace.execution.opening import check_batching
from headrace.models import Tensor
from headrace.repository.changed import Changed, changed, compare
from headrace.repository.folder import Version
from headrace.repository.told import as_json
from headrace.serve.crew import Crew
from headrace.serve.voice import BEGIN, CHANGE, JOIN, LEAVE

#: For a host's answer. One that loads, or whose model holds Python's lock, answers later, and
#: batches otherwise from then on.
ANSWER_S: Final = 5.0


class Changing:
    """The versions of a run as they are now. Any thread may call any of this."""

    def __init__(self, crew: Crew, send: Callable[[str, str, int | None], int]) -> None:
        """``send(label, word, pid)`` says a word to a group's hosts, and to how many it did."""
        self._crew = crew
        self._send = send
        self._one_at_a_time = threading.Lock()
        #: A host that is let begin hears of a change before that, or after it: never of what was.
        self._order = threading.Lock()
        self._said = threading.Condition()
        self._number = 0
        #: What each version takes, as its first host said.
        self._inputs: dict[str, list[Tensor]] = {}
        #: Answers to the last question, by label: what each host did not like, or nothing.
        self._answers: dict[str, list[str]] = {}

    def begin(self, group: str, pid: int, without: Set[str] = frozenset()) -> None:
        """Let a host of a group load its versions as they are configured now, but for some."""
        with self._order:
            found = self._crew.group(group)
            without = without | self._crew.leaving
            members = found.versions if found is not None else ()
            told = [self._told(one) for one in members if one.label not in without]
            self._send(group, f"{BEGIN} {json.dumps(told)}", pid)

    def join(self, version: Version) -> None:
        """Carry one more version; hosts that run already, of its group, load it too."""
        with self._order:
            self._inputs.pop(version.label, None)
            self._crew.put(version)
            word = f"{JOIN} {json.dumps(self._told(version))}"
            self._send(self._crew.carrier(version.label), word, None)

    def leave(self, version: Version) -> None:
        """Have the hosts of a version end it, and go on with what else they carry."""
        with self._order:
            self._send(self._crew.carrier(version.label), f"{LEAVE} {version.label}", None)

    def hear(self, label: str, facts: Mapping[str, Any]) -> None:
        """Take what a host said of a version: what that takes, or an answer."""
        if facts["event"] == "inputs":
            self._inputs[label] = [Tensor(*one) for one in facts["inputs"]]
            self._crew.found(label, facts["digest"])
            return
        with self._said:
            if facts["number"] == self._number:
                self._answers.setdefault(label, []).append(facts["error"])
                self._said.notify_all()

    def apply(self, model: str) -> list[Applied]:
        """As `headrace.console.operations.Operations` has it."""
        with self._one_at_a_time:
            found = changed(*self._held(model))
            for one in found:
                self._check(one.version)
            before = [self._crew.version(one.version.label) for one in found]
            asked = self._ask([one.version for one in found])
            answers = self._wait(asked)
            if wrong := [text for told in answers.values() for text in told if text]:
                self._ask(before)
                raise ModelInvalid(f"nothing was changed: {wrong[0]}")
            return [_applied(one, answers, asked) for one in found]

    def compare(self, model: str) -> list[Changed]:
        """As `headrace.console.operations.Operations` has it."""
        return compare(*self._held(model))

    def _held(self, model: str) -> tuple[list[Version], str, dict[str, str]]:
        """Return versions, model and digests, as `compare` takes them."""
        leaving = self._crew.leaving
        held = [one for one, _ in self._crew.members if one.label not in leaving]
        return held, model, {one.label: self._crew.digest(one.label) for one in held}

    def _check(self, version: Version) -> None:
        """Check it here: a host that loads, or holds Python's lock, would say so too late."""
        inputs = self._inputs.get(version.label)
        if inputs is None:
            raise NotLive(
                f"nothing was changed: {version.label} has not been loaded yet, so that it is not "
                "known what fits it; apply once it serves"
            )
        try:
            check_batching(version.config.batching, inputs)
        except HeadraceError as error:
            raise ModelInvalid(f"nothing was changed: {version.label}: {error}") from error

    def _told(self, version: Version) -> dict[str, Any]:
        label = version.label
        about = {"threads": self._crew.threads(label), "digest": self._crew.digest(label)}
        return as_json(version) | about

    def _ask(self, versions: Sequence[Version]) -> dict[str, int]:
        with self._said:
            self._number += 1
            self._answers = {}
        asked = {}
        for version in versions:
            word = f"{CHANGE} {self._number} {version.label} {json.dumps(batching(version))}"
            with self._order:
                self._crew.put(version)
                carrier = self._crew.carrier(version.label)
                asked[version.label] = self._send(carrier, word, None)
        return asked

    def _wait(self, asked: Mapping[str, int]) -> dict[str, list[str]]:
        until = monotonic() + ANSWER_S
        with self._said:
            while any(len(self._answers.get(label, [])) < n for label, n in asked.items()):
                if not self._said.wait(max(0.0, until - monotonic())):
                    break
            return dict(self._answers)


def _applied(
    one: Changed, answers: Mapping[str, Sequence[str]], asked: Mapping[str, int]
) -> Applied:
    label = one.version.label
    hosts = len(answers.get(label, []))
    return Applied(label, [str(change) for change in one.changes], hosts, asked[label])


def batching(version: Version) -> dict[str, Any]:
    """Return what may change of a version, as JSON takes it."""
    return version.config.batching.model_dump(mode="json", exclude_unset=True)
