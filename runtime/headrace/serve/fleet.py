"""What is known of every version's hosts, and the standing that follows from it. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from headrace.models.lifecycle import Standing, State
from headrace.serve import deaths

REPLACED: Final = "its host died and is being replaced"
#: Ray says no more than that an actor died.
DIED: Final = "its process ended while it loaded"
LEFT_OUT: Final = (
    "the process that it shares with others ended again while it loaded, and they are served "
    "without it; placement.isolation own would show more"
)

#: What a version is whose host will end, and has said so.
LEAVING: Final = frozenset({State.FAILED, State.DRAINING, State.GONE})
#: And one that its host works on.
BEGUN: Final = frozenset({State.LOADING, State.WARMING})
#: So many processes in a row may end while they load a version that shares them. Without it the
#: others are served; with it they never would be.
TRIES: Final = 2


@dataclass(frozen=True)
class Application:
    """What Serve says of one application."""

    status: str
    #: Replicas by state: {"RUNNING": 1, "STARTING": 1}.
    replicas: Mapping[str, int] = field(default_factory=dict)
    message: str = ""

    @property
    def running(self) -> int:
        """Hosts that Serve counts as alive."""
        return self.replicas.get("RUNNING", 0)


@dataclass(frozen=True)
class Told:
    """What a version's hosts said themselves: better words than Serve's, and sooner."""

    standing: Standing | None = None
    #: A host ended without being asked to, and none has said since that it is ready.
    bereft: bool = False
    record: deaths.Record = deaths.NONE
    #: Processes of hosts in which it is ready, and in which it is being loaded; all of them live.
    ready: frozenset[int] = frozenset()
    loading: frozenset[int] = frozenset()
    #: How many processes in a row ended while they loaded it.
    falls: int = 0
    #: How long the next host was told to wait before it loads.
    pause_s: float = 0.0


def moved(told: Told, standing: Standing, pid: int = 0) -> Told:
    """Return what is known after a host, process ``pid``, said where the version stands."""
    ready, begun = standing.state is State.READY, standing.state in BEGUN
    return replace(
        told,
        standing=standing,
        bereft=told.bereft and not ready,
        pause_s=0,
        ready=told.ready | {pid} if ready else told.ready - {pid},
        loading=told.loading | {pid} if begun else told.loading - {pid},
        falls=told.falls if begun else 0,
    )


def expected(told: Told) -> bool:
    """True when a host's end is no surprise: it failed to load and said why, or was asked to go."""
    return told.standing is not None and told.standing.state in LEAVING


def gone(
    told: Told, pid: int = 0, record: deaths.Record | None = None, *, shared: bool = False
) -> Told:
    """Return what is known after a host's process ended; one that failed was expected to.

    ``record`` has the death, if it was one. A version that has ``shared`` processes is left out of
    the next ones when it has cost `TRIES` of them as they loaded it.
    """
    fell = pid in told.loading
    told = replace(
        told,
        ready=told.ready - {pid},
        loading=told.loading - {pid},
        falls=told.falls + (fell and shared),
        record=record or told.record,
    )
    if told.standing is not None and told.standing.state is State.FAILED:
        return told
    if left_out(told):
        return replace(told, standing=Standing(State.FAILED, _obituary(LEFT_OUT, told)))
    return replace(told, bereft=True)


def left_out(told: Told) -> bool:
    """True for a version that no process is to load any more, for others share it."""
    return told.falls >= TRIES


def given_up(application: Application | None, told: Told) -> bool:
    """True when Serve will start no more hosts of a group that has served.

    While its controller comes back it takes the death of a host for a failed start, and one failed
    start is all that a version gets.
    """
    served = told.standing is not None and told.standing.state is State.READY
    return application is not None and application.status == "DEPLOY_FAILED" and served


BEGINNING: Final = Standing(State.LOADING, REPLACED)


def begun_again(told: Told) -> Told:
    """Return what is known of a version once Serve was asked anew for its group's hosts."""
    if left_out(told):
        return told
    return replace(told, standing=BEGINNING, bereft=True)


def impossible(gpus: float, there: float) -> bool:
    """Return whether a version asks for more GPUs than Ray has: it would wait without end."""
    return gpus > there


def judge(
    application: Application | None, told: Told, gpus: float = 0.0, there: float = math.inf
) -> Standing:
    """Return where a version that needs ``gpus`` stands, with a reason for a person to read.

    ``there``: how many Ray has, be they free or not.
    """
    if impossible(gpus, there):
        return Standing(
            State.FAILED,
            f"placement.gpus asks for {gpus:g}, and this machine has {there:g} that Ray knows of: "
            "ask for fewer, or start where nvidia-smi -L lists as many",
        )
    if application is None:
        return Standing(State.LOADING, "waiting for Ray Serve to take it")
    said = told.standing
    # Serve's account is up to half a second old: it may count who is dead.
    if application.running > 0 and told.ready:
        return said if said and said.state is State.READY else Standing(State.READY, "ready")
    if said is not None and said.state is State.FAILED:
        return said
    if application.status == "DEPLOY_FAILED" and not given_up(application, told):
        said_last = last_line(application.message) or "its host could not start"
        return Standing(State.FAILED, _obituary(DIED, told) if _died_loading(told) else said_last)
    if told.bereft:
        return Standing(State.LOADING, _obituary(REPLACED, told))
    if said is not None and said.state in BEGUN:
        return said
    if application.running > 0:
        return Standing(State.LOADING, "waiting for its turn to load")
    needs = f" with {gpus:g} GPU: is as much free?" if gpus else ""
    return Standing(State.LOADING, f"waiting for a process{needs}")


def _died_loading(told: Told) -> bool:
    began = told.standing is not None and told.standing.state in BEGUN
    return told.bereft and began and told.standing != BEGINNING


def _obituary(what: str, told: Told) -> str:
    died = told.record.deaths
    why = f": {died[-1].why}" if died else ""
    rest = f"; after so many deaths in a row the next one begins in {told.pause_s:.0f} s"
    return f"{what}{why}{rest if told.pause_s else ''}"


def settled(application: Application | None, told: Told) -> bool:
    """True when nothing is under way for a group: nobody looks until something is heard.

    Serve's account is up to half a second old: a death that was heard of counts until a new host
    reports.
    """
    if application is None:
        return False
    if application.status == "DEPLOY_FAILED":
        return not given_up(application, told)
    whole = application.status == "RUNNING" and set(application.replicas) == {"RUNNING"}
    return whole and not told.bereft


def last_line(text: str) -> str:
    """Return the last line that says something: of a traceback that is the error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
