"""Everybody who is told: a courier for each hook, and the folder of what waits."""

import hmac
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from headrace.config.hooks import Hooks
from headrace.errors import StateInvalid
from headrace.hooks.courier import Courier, Patience, Standing
from headrace.hooks.event import Event, Happened

#: Of the state folder: a folder for each hook.
FOLDER: Final = "hooks"
#: For what can be told at once when a server ends.
ENDING_S: Final = 1.0


PATIENCE: Final = Patience()


@dataclass(frozen=True)
class Origin:
    """Where it happens."""

    #: A URI reference.
    source: str
    #: Secret, and that of all servers that decide by the same database.
    key: bytes = field(repr=False)


class Told:
    """All hooks. Any thread may call any of this."""

    def __init__(
        self,
        hooks: Hooks,
        state: Path,
        origin: Origin,
        say: Callable[[str], None],
        *,
        patience: Patience = PATIENCE,
    ) -> None:
        """Go on with what an earlier process did not deliver; forget hooks that are no more.

        Args:
            hooks: who is told, and what signs.
            state: the state folder, which is this process's alone.
            origin: where it happens.
            say: hears of what fails; it returns at once.
            patience: what is done while a receiver is away.

        Raises:
            StateInvalid: the folder cannot be used.
        """
        self._origin, self._patience = origin, patience
        folder = state.absolute() / FOLDER
        _forget_others(folder, {one.folder for one in hooks.hooks}, say)
        self._couriers = [
            Courier(one, hooks.key, folder / one.folder, say, patience) for one in hooks.hooks
        ]
        for courier in self._couriers:
            courier.open()

    def __bool__(self) -> bool:
        """Whether anybody is told."""
        return bool(self._couriers)

    def tell(self, happened: Happened) -> None:
        """Keep it for each hook; once this returns it outlives a kill. It waits for no network.

        Raises:
            StateInvalid: it could not be kept for one of them; for the others it was.
            ValueError: it has a number that JSON has not.
        """
        event = Event(
            _name(self._origin.key, happened.once) if happened.once else self._patience.name(),
            self._origin.source,
            round(1000 * self._patience.clock()),
            happened.kind,
            happened.subject,
            happened.data,
        )
        event.body()
        failed: StateInvalid | None = None
        for courier in self._couriers:
            try:
                courier.add(event)
            except StateInvalid as error:
                failed = error
        if failed is not None:
            raise failed

    def status(self) -> Sequence[Standing]:
        """Return how each hook stands."""
        return [one.standing() for one in self._couriers]

    def close(self) -> None:
        """End within a second, in which is told what can be; the rest is the next process's."""
        until_s = time.monotonic() + ENDING_S
        for courier in self._couriers:
            courier.flush(until_s)
        for courier in self._couriers:
            courier.close()


def _name(key: bytes, once: str) -> str:
    """Return an id that every process gives what happened so, on whichever machine it runs."""
    return hmac.digest(key, f"webhook-id\0{once}".encode(), "sha256").hex()[:32]


def _forget_others(folder: Path, known: set[str], say: Callable[[str], None]) -> None:
    try:
        for other in sorted(folder.iterdir()) if folder.is_dir() else ():
            if other.name not in known:
                count = len(list(other.glob("*.json")))
                if other.is_dir():
                    shutil.rmtree(other)
                if count:
                    say(f"dropped are events for a hook that is not given any more: {count}")
    except OSError as error:
        raise StateInvalid(
            f"{folder} cannot be cleared of hooks that are not given any more ({error.strerror}): "
            "let this user write there"
        ) from error
