"""A steady mixed load: several callers over both protocols, each with a habit."""

import random
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from tests.chaos.callers import HANG_S, Caller, GrpcCaller, HttpCaller, Wish
from tests.chaos.ledger import CUT, UNREACHED, Call, Protocol

#: What a row of each model holds; a row of `wide` travels through shared memory.
COLUMNS: Final = {"quick": 16, "slow": 16, "wide": 65536}
#: Between two calls to nobody: those who come back should have the processor.
NOBODY_S: Final = 0.01


@dataclass(frozen=True)
class Habit:
    """What a caller does, and how often."""

    model: str
    protocol: Protocol
    #: Between two calls.
    thinks_s: float
    #: Shares of its calls.
    asks_wrongly: float = 0.0
    asks_nobody: float = 0.0
    hurries: float = 0.0
    leaves: float = 0.0
    leaves_within_body: float = 0.0


HABITS: Final = (
    *(Habit("quick", "http", 0.01, asks_wrongly=0.02, asks_nobody=0.02) for _ in range(3)),
    *(Habit("quick", "grpc", 0.01, asks_wrongly=0.02, asks_nobody=0.02) for _ in range(3)),
    *(Habit("slow", "http", 0.01, hurries=0.1, leaves=0.2) for _ in range(2)),
    *(Habit("slow", "grpc", 0.01, hurries=0.1, leaves=0.2) for _ in range(2)),
    *(Habit("wide", "http", 0.04, leaves_within_body=0.05) for _ in range(2)),
    *(Habit("wide", "grpc", 0.04) for _ in range(2)),
)


class Gate:
    """Callers pass it before each call; closed, it lets them finish and holds them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = True
        self._busy = 0

    def enter(self) -> None:
        """Wait until it is open."""
        with self._changed:
            self._changed.wait_for(lambda: self._open)
            self._busy += 1

    def leave(self) -> None:
        """Say that the call is over."""
        with self._changed:
            self._busy -= 1
            self._changed.notify_all()

    def open(self) -> None:
        """Let callers pass again."""
        with self._changed:
            self._open = True
            self._changed.notify_all()

    def close(self, limit_s: float) -> bool:
        """Let nobody pass, and wait until no call is under way; False when one hangs."""
        with self._changed:
            self._open = False
            return self._changed.wait_for(lambda: self._busy == 0, limit_s)


class Load:
    """Callers that call until they are told to stop, and the list of what became of each call."""

    def __init__(self, http: str, grpc: str, seed: int, habits: Sequence[Habit] = HABITS) -> None:
        self.gate = Gate()
        #: What callers themselves could not cope with, or that hung: there should be nothing.
        self.faults: list[str] = []
        self._calls: list[Call] = []
        self._stop = threading.Event()
        addresses = {"http": http, "grpc": grpc}
        makers: dict[str, Callable[[str], Caller]] = {"http": HttpCaller, "grpc": GrpcCaller}
        self._threads = []
        for number, habit in enumerate(habits):
            caller = makers[habit.protocol](addresses[habit.protocol])
            wishes = wish(habit, random.Random(f"{seed} {number}"))
            self._threads.append(
                threading.Thread(target=self._run, args=(caller, habit, wishes), daemon=True)
            )

    def start(self) -> None:
        """Begin to call."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let each caller finish its call."""
        self._stop.set()
        self.gate.open()
        for thread in self._threads:
            if thread.ident is None:
                continue  # nobody began to call
            thread.join(HANG_S)
            if thread.is_alive():
                self.faults.append("a caller did not come to an end")

    def calls(self, after: int = 0) -> list[Call]:
        """Return the calls that ended, in that order, from the one with number ``after``."""
        return self._calls[after:]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Hold all callers while no call is under way."""
        if not self.gate.close(HANG_S):
            self.faults.append("a call hung")
        try:
            yield
        finally:
            self.gate.open()

    def _run(self, caller: Caller, habit: Habit, wishes: Iterator[Wish]) -> None:
        try:
            while not self._stop.is_set():
                self.gate.enter()
                try:
                    outcome = self._once(caller, habit.protocol, next(wishes))
                finally:
                    self.gate.leave()
                nobody = outcome in (CUT, UNREACHED)
                self._stop.wait(NOBODY_S if nobody else habit.thinks_s)
        except Exception as error:
            self.faults.append(f"{habit}: {''.join(traceback.format_exception(error))}")
        finally:
            caller.close()

    def _once(self, caller: Caller, protocol: Protocol, wish: Wish) -> str:
        began = time.monotonic()
        outcome = caller.call(wish)
        ended, rows = time.monotonic(), len(wish.given)
        self._calls.append(
            Call(wish.model, protocol, began, ended, outcome, rows, alive=caller.alive)
        )
        return outcome


def wish(habit: Habit, dice: random.Random) -> Iterator[Wish]:
    """Yield what a caller of this habit asks, without end; no two calls send the same numbers."""
    numbers = np.random.default_rng(dice.getrandbits(32))
    while True:
        draw, rows = dice.random(), 1 if habit.model == "wide" else dice.randint(1, 4)
        given = numbers.random((rows, COLUMNS[habit.model]), np.float32)
        for share, one in (
            (habit.asks_wrongly, Wish(habit.model, np.pad(given, ((0, 0), (0, 1))))),
            (habit.asks_nobody, Wish("nobody", given)),
            (habit.hurries, Wish(habit.model, given, timeout_us=20_000)),
            (habit.leaves, Wish(habit.model, given, leaves_s=0.03)),
            (habit.leaves_within_body, Wish(habit.model, given, within_body=True)),
        ):
            if draw < share:
                yield one
                break
            draw -= share
        else:
            yield Wish(habit.model, given)
