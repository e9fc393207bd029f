"""A rollout as it goes on: all of it in a terminal, elsewhere what is said and done."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from headrace.cli.console_client import follow, get
from headrace.cli.steering import rollout_lines, said_line
from headrace.cli.terminal import tell
from headrace.errors import Refused, Unreachable

#: A server that was killed is begun anew within this.
AWAY_S: Final = 300.0
#: Between two questions whether it is there again.
AGAIN_S: Final = 1.0
#: Of a server that cannot answer now, or of a proxy before one that does not.
NOT_NOW: Final = frozenset({502, 503, 504})
#: How a rollout stands, and why that is not known now; empty if it is.
Look = tuple[Mapping[str, Any], str]


def watch(url: str, number: int, *, silently: bool = False) -> Mapping[str, Any]:
    """Show a rollout until it ends, or nothing of it, and return it as it is then.

    Raises:
        Unreachable, Refused: its server did not come back.
    """
    console = Console()
    found: Mapping[str, Any] = get(url, f"/api/rollouts/{number}")
    if silently:
        return deque(looks(url, found), maxlen=1)[0][0]
    if not console.is_terminal:
        return _log(looks(url, found))
    last = found
    with Live(console=console, auto_refresh=False) as live:
        for last, away in looks(url, found):
            lines = [*rollout_lines(last), *([away] if away else [])]
            live.update(fitted(console, "\n".join(lines)), refresh=True)
    return last


def looks(
    url: str,
    found: Mapping[str, Any],
    wait: Callable[[float], None] = time.sleep,  # noqa: TID251 - nobody is there who could tell
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Look]:
    """Yield a rollout each second until it has ended; a server that is away is waited for.

    Raises:
        Unreachable, Refused: it was away for `AWAY_S`.
    """
    until: float | None = None
    while True:
        try:
            for _ in follow(url, looks=True):
                found, until = get(url, f"/api/rollouts/{found['number']}"), None
                yield found, ""
                if found["end"] is not None:
                    return
        except (Unreachable, Refused) as error:
            for_good = isinstance(error, Refused) and error.status not in NOT_NOW
            until = clock() + AWAY_S if until is None else until
            if for_good or clock() > until:
                raise
            yield found, f"{error}; it is asked again each second"
            wait(AGAIN_S)


def _log(seen: Iterator[Look]) -> Mapping[str, Any]:
    """Tell what is said once each, as it is first said, why nothing is now, and at the end all."""
    known: set[tuple[int, str]] = set()
    was_away = ""
    for found, away in seen:
        for said in found["said"]:
            if (one := (said["unix_ms"], said["what"])) not in known:
                known.add(one)
                tell(said_line(said))
        # An answer that broke off is followed by nobody who answers, which is what lasts.
        if away and away != was_away:
            tell(away)
        was_away = away
    for line in rollout_lines(found):
        tell(line)
    return found


def fitted(console: Console, text: str) -> Text:
    """Return it as it fits, without what is in the middle: what is said last is at the bottom."""
    lines = list(Text(text).wrap(console, console.width))
    over = max(0, len(lines) - console.height + 1)
    return Text("\n").join([lines[0], *lines[1 + over :]])
