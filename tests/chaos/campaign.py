"""Strikes one process after another under load, and writes down what callers noticed."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.chaos.ledger import (
    CUT,
    LEFT,
    RIGHT,
    WRONG,
    Account,
    Call,
    differences,
    unexplained,
)
from tests.chaos.load import COLUMNS, Load
from tests.chaos.server import Server, strike
from tests.chaos.silence import longest
from tests.chaos.victims import Blow, Strike
from tests.integration.proc import state

#: Statuses that callers ask for: a wrong shape, no such model, a body cut short, a deadline.
MEANT: Final = ("400", "404", "499", "504")
#: Until everything is whole again; where all of it begins again on a busy machine.
WHOLE_S: Final = 90.0
#: For the last cancelled call to be counted.
COUNTED_S: Final = 15.0
#: Between a death and the news of it, on a busy machine.
NOTICED_S: Final = 2.0
#: Ten seconds for a new host, and what a stopped one held before.
LONGEST_CALL_S: Final = 15.0
LOOK_S: Final = 0.05


@dataclass
class Record:
    """One strike and what came of it; seconds, from the blow on."""

    strike: str
    victim: str
    pid: int
    #: From the campaign's begin.
    at_s: float
    #: "quick http" → the longest time without a right answer.
    silence_s: dict[str, float] = field(default_factory=dict)
    #: "slow 503" → calls.
    outcomes: dict[str, int] = field(default_factory=dict)
    longest_call_s: float = 0.0
    whole_s: float = 0.0
    #: Whether the gateway's counts began anew, as the scrape says.
    gap: bool = False
    #: Calls that were compared with the scrape, and calls in the gap.
    compared: int = 0
    unverified: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def worst_s(self) -> float:
        """The longest silence of any model and protocol."""
        return max(self.silence_s.values(), default=0.0)


class Campaign:
    """A server under load, and the account of its gateways."""

    def __init__(self, server: Server, load: Load, say: Callable[[str], None]) -> None:
        self.records: list[Record] = []
        self.began = time.monotonic()
        self._server = server
        self._load = load
        self._say = say
        self._account = Account()
        self._taken = 0
        self._born = server.scrape().born

    def run(self, strikes: Sequence[Strike]) -> None:
        """Strike in this order; each time when everything is whole."""
        for number, one in enumerate(strikes, 1):
            time.sleep(one.rest_s)  # noqa: TID251 - the load flows meanwhile
            record = self._strike(one)
            self.records.append(record)
            self._say(f"{number:3} {line(record)}")
            if self._server.process.poll() is not None:
                return

    def _strike(self, one: Strike) -> Record:
        found = self._server.find(one.victim)
        if not found:
            record = Record(one.name, one.victim, 0, time.monotonic() - self.began)
            record.faults.append("there is no such process")
            return record
        pid = found[int(one.which * len(found))]
        gateways = self._server.find("gateway") + self._server.find("standby")
        first = len(self._load.calls())
        blow = signal.SIGKILL if one.blow is Blow.KILL else signal.SIGSTOP
        struck = time.monotonic()
        record = Record(one.name, one.victim, pid, struck - self.began)
        after = strike(pid, blow)
        if one.blow is Blow.PAUSE:
            time.sleep(one.pause_s)  # noqa: TID251 - the pause is what is tried
            os.kill(pid, signal.SIGCONT)
        if lacks := self._wait(
            lambda: self._yet(one, pid, gateways) or self._server.missing(),
        ):
            record.faults.append(f"not whole again: {lacks}")
        whole = time.monotonic()
        record.whole_s = whole - struck
        if one.begins_again:
            after = max(self._server.deaths.at.get(gateway, whole) for gateway in gateways)
        self._compare(record, after if one.ends_gateway else None, struck)
        self._judge(one, record, self._load.calls(first), struck, whole)
        return record

    def _yet(self, one: Strike, pid: int, gateways: list[int]) -> str:
        """Return what the blow has yet to do; before it has, everything looks whole."""
        if one.blow is Blow.PAUSE:
            return ""
        if one.begins_again:
            living = [one for one in gateways if one not in self._server.deaths.at]
            return f"gateways {living} have not ended" if living else ""
        now = state(pid)
        # The roots are woken, everything else is ended.
        woken = one.victim in ("raylet", "keeper")
        over = now not in ("T", "") if woken else now in ("Z", "")
        return "" if over else f"process {pid} is in state {now}"

    def _wait(self, missing: Callable[[], str]) -> str:
        """Wait until nothing is missing, within bounds; return what is."""
        until = time.monotonic() + WHOLE_S
        while (lacks := missing()) and time.monotonic() < until:
            if (code := self._server.process.poll()) is not None:
                return f"headrace serve ended with {code}"
            time.sleep(LOOK_S)  # noqa: TID251 - bounded, for other processes
        return lacks

    def _compare(self, record: Record, gateway_ended: float | None, struck: float) -> None:
        """Hold all callers, and compare what they know with the scrape."""
        with self._load.paused():
            calls = self._load.calls(self._taken)
            self._taken += len(calls)
            if gateway_ended is not None:
                self._account = Account(since=gateway_ended, struck=struck)
            self._account.take(calls)
            said, born = ["nobody answers"], self._born

            def same() -> bool:
                nonlocal said, born
                try:
                    scrape = self._server.scrape()
                except OSError:
                    return False
                record.gap, born = scrape.born != self._born, scrape.born
                said = differences(self._account.calls, scrape, self._account.doubtful)
                return not said

            until = time.monotonic() + COUNTED_S
            while not same() and time.monotonic() < until:
                time.sleep(LOOK_S)  # noqa: TID251 - bounded, for another process
            record.faults += said
            self._born = born
        record.compared, record.unverified = len(self._account.calls), self._account.gap
        if record.gap != (gateway_ended is not None):
            what = "began anew" if record.gap else "went on"
            record.faults.append(f"the gateway's counts {what}")

    def _judge(
        self, one: Strike, record: Record, calls: list[Call], struck: float, whole: float
    ) -> None:
        last = max((call.ended for call in calls), default=whole)
        for model in COLUMNS:
            for protocol in ("http", "grpc"):
                mine = [call for call in calls if (call.model, call.protocol) == (model, protocol)]
                right = [call.ended for call in mine if call.outcome == RIGHT]
                after = min((at for at in right if at > whole), default=max(whole, last))
                silence = longest(right, struck, after)
                record.silence_s[f"{model} {protocol}"] = silence
                if silence > one.bound_s(model):
                    record.faults.append(f"{model} {protocol}: silent for {silence:.2f} s")
        plain = (RIGHT, LEFT, *MEANT)
        odd = Counter(f"{call.model} {call.outcome}" for call in calls if call.outcome not in plain)
        record.outcomes = dict(sorted(odd.items()))
        record.longest_call_s = max((call.ended - call.began for call in calls), default=0.0)
        if record.longest_call_s > LONGEST_CALL_S:
            record.faults.append(f"a call took {record.longest_call_s:.1f} s")
        if wrong := sum(call.outcome == WRONG for call in calls):
            record.faults.append(f"{wrong} answers were not their callers' own")
        deaths = [at for at in self._server.deaths.at.values() if at >= struck - NOTICED_S]
        for call in unexplained(calls, deaths, NOTICED_S):
            record.faults.append(f"{call.model} {call.protocol}: {call.outcome} for no reason")
        record.faults += self._load.faults
        self._load.faults.clear()


def line(record: Record) -> str:
    """Say in a line what came of a strike."""
    cut = sum(n for what, n in record.outcomes.items() if what.endswith(CUT))
    told = {what: n for what, n in record.outcomes.items() if what.split()[1].isdigit()}
    text = (
        f"{record.at_s:7.1f} s  {record.strike:28} silence {record.worst_s:6.2f} s, "
        f"whole {record.whole_s:6.2f} s, cut {cut}, told {told or 'nothing'}, "
        f"{record.compared} counted{' after a gap' if record.gap else ''}"
    )
    return "\n      ".join([text, *(f"FAULT {fault}" for fault in record.faults)])
