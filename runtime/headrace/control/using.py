"""Which folders versions are served from, so that others may be removed where room is needed."""

from collections.abc import Callable, Collection, Iterator, Mapping, Set
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from headrace.models.lifecycle import Standing
from headrace.repository.folder import Version
from headrace.repository.instances import original

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
#: Of each version, by label: where its files are, and those of its predecessors by that name.
Folders = Mapping[str, frozenset[Path]]


def in_use(before: Folders, wanted: Mapping[str, Version], carried: Collection[str]) -> Folders:
    """Return what is used of ``before`` and of what is wanted.

    A version is carried until its last process has ended, under a name that one with other files
    may have been given meanwhile: so all folders of a name stay until it is carried no more.

    Args:
        before: what was used before.
        wanted: what is to be carried, by label.
        carried: the labels of what an engine has anything left of.
    """
    # A control is carried from the folder of its version.
    after = {label: before.get(label, frozenset()) for label in map(original, carried)}
    for label, one in wanted.items():
        after[label] = after.get(label, frozenset()) | {one.folder}
    return after


class Using:
    """Lets go of folders that no version is served from any more. Any thread may call this."""

    def __init__(
        self, lock: AbstractContextManager[Any], let_go_of_others: Callable[[Set[Path]], None]
    ) -> None:
        """Take how to let go.

        Args:
            lock: of whoever says what is wanted; may be entered again.
            let_go_of_others: takes all folders that are used, and lets go of others that are held.
        """
        self._lock = lock
        self._let_go_of_others = let_go_of_others
        self._folders: Folders = {}
        #: Who looks for versions holds what he found before anybody knows that it is wanted.
        self._lookers = 0

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Let go of nothing meanwhile."""
        with self._lock:
            self._lookers += 1
        try:
            yield
        finally:
            with self._lock:
                self._lookers -= 1

    def settle(self, wanted: Mapping[str, Version], standings: Mapping[str, Standing]) -> None:
        """Let go of what is neither wanted nor carried, unless somebody is looking."""
        with self._lock:
            self._folders = in_use(self._folders, wanted, standings)
            if not self._lookers:
                self._let_go_of_others({one for some in self._folders.values() for one in some})


class Looker(Protocol):
    """Whoever has methods that look for versions."""

    using: Using

    def settle(self) -> None:
        """Have what is not in use let go."""
        ...


Self = TypeVar("Self", bound=Looker)


def looks(
    method: Callable[Concatenate[Self, Parameters], Result],
) -> Callable[Concatenate[Self, Parameters], Result]:
    """Keep what a method finds until it has said what of that is wanted."""

    @wraps(method)
    def looking(looker: Self, /, *given: Parameters.args, **named: Parameters.kwargs) -> Result:
        try:
            with looker.using.looking():
                return method(looker, *given, **named)
        finally:
            looker.settle()

    return looking
