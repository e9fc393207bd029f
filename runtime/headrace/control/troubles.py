"""Troubles that may last: each is said when it begins."""

from collections.abc import Callable


class Troubles:
    """What was in the way at the last look, and is at this one; one thread at a time calls this."""

    def __init__(self, say: Callable[[str], None]) -> None:
        """``say`` says a line to the operator."""
        self._say = say
        self._before: set[str] = set()
        self._now: set[str] = set()

    @property
    def are_some(self) -> bool:
        """Whether anything was in the way since this look began."""
        return bool(self._now)

    def begin_look(self) -> None:
        """Forget what was not said again at the last look: it is over."""
        self._before, self._now = self._now, set()

    def meet(self, text: str) -> None:
        """Say it, if it was not so at the last look already."""
        if text not in self._before | self._now:
            self._say(text)
        self._now.add(text)
