"""The bodies of the console's answers, as its OpenAPI document describes them."""

from typing import Any

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A body that holds this and nothing else."""

    model_config = ConfigDict(extra="forbid")


class Refusal(Answer):
    """Why something was not done, in words."""

    error: str


class Health(Answer):
    """Whether every model has a version that serves, and new work is taken."""

    ready: bool


class Running(Answer):
    """A version that is carried, or is to be."""

    version: int
    state: str
    reason: str
    digest: str
    for_s: float
    process: str
    hosts: int
    hosts_wanted: int
    deaths: int
    last_death: str
    waiting: int
    in_flight: int
    share_percent: float
    lanes: int
    threads: int


class RunningModel(Answer):
    """A model and its versions."""

    name: str
    versions: list[Running]
    #: Versions that a rollout has loaded a second time, to compare with.
    controls: list[Running]


class Lost(Answer):
    """A version that was wanted before the start, and is not served; others have its traffic.

    Or a model whose source cannot be had: then no version is named.
    """

    model: str
    version: int | None
    share_percent: float
    reason: str


class Status(Answer):
    """Everything, at one moment."""

    ready: bool
    engine: str
    draining: str
    addresses: dict[str, str]
    cpus: int
    io_threads: int
    processes: dict[str, list[int]]
    memory_bytes: dict[str, int]
    models: list[RunningModel]
    lost: list[Lost]
    shadows: list[dict[str, Any]]


class Version(Answer):
    """A version that is loaded, or could be."""

    model: str
    version: int
    folder: str
    wanted: bool
    state: str
    reason: str
    share_percent: float
    coming_percent: float | None
    quarantined: str


class Versions(Answer):
    """Versions, and what else than shares decides who answers, of each model."""

    versions: list[Version]
    traffic: dict[str, dict[str, Any]]
    #: Why what could be loaded is not known; empty if it is.
    unread: str


class Entry(Answer):
    """A change: who made which, when, why, and what was wanted before and after it."""

    number: int
    unix_ms: int
    who: str
    model: str
    what: str
    why: str
    before: dict[str, Any] | None
    after: dict[str, Any]


class Journal(Answer):
    """Changes, the newest first."""

    entries: list[Entry]


class Lines(Answer):
    """Lines of the log, the oldest first, and how many there were until now."""

    lines: list[dict[str, Any]]
    taken: int


class Errors(Answer):
    """What stands behind error ids, the oldest first."""

    errors: list[dict[str, Any]]


class Requests(Answer):
    """How requests went, the newest first."""

    requests: list[dict[str, Any]]


class Done(Answer):
    """What was changed, as the journal says it."""

    model: str
    done: str


class Undone(Answer):
    """The entry that was taken back."""

    undone: str


class AppliedVersion(Answer):
    """A version that batches otherwise from now on."""

    version: str
    changes: list[str]
    hosts: int
    told: int


class Difference(Answer):
    """One thing that the files say, and that does not run so."""

    version: str
    kind: str
    what: str
    applies: bool
    note: str


class Differences(Answer):
    """What `apply` would do, and what it would refuse."""

    differences: list[Difference]


class Applied(Answer):
    """Versions that batch as their model.yaml says, and those that are to be loaded."""

    applied: list[AppliedVersion]
    loading: list[Difference]


class Said(Answer):
    """What a rollout did, or why it does nothing, and since when."""

    unix_ms: int
    what: str
    why: str
    #: It is told anew at each look, and began then.
    lasts: bool


class Arm(Answer):
    """Units of one version at one metric: how bad they were on average, and the mean of a value."""

    units: float
    bad_percent: float | None
    mean: float | None


class Metric(Answer):
    """One metric of a rollout.

    Odds are the evidence to 1 that the candidate is worse than allowed, and that it is not. Its
    difference from control, of what is bad in points, or of means, holds at all times at once.
    """

    name: str
    margin: float
    candidate: Arm
    control: Arm | None
    difference_points: list[float] | None
    mean_difference: list[float] | None
    #: Of latencies: about as many executions, or users, weigh as one.
    design_effect: float | None
    harm_odds: float
    fine_odds: float


class Latency(Answer):
    """Of one version, in ms; None where there were no answers."""

    p50: float | None
    p95: float | None
    p99: float | None


class Rollout(Answer):
    """A rollout: the plan, what was seen, and what was said and done.

    Odds are the most evidence that there was to 1 of all metrics together that the candidate is
    worse than allowed: it goes back by these.
    """

    number: int
    model: str
    candidate: int
    baseline: int
    #: What both arms are called in logs and metrics, as 2 and 1+control.
    arms: dict[str, str]
    who: str
    why: str
    plan: dict[str, Any]
    shares_percent: list[float]
    step: int
    #: None once a person's word has stopped it: it no longer knows.
    percent: float | None
    end: str | None
    #: A person has to allow it to leave its step, and nobody has.
    may_approve: bool
    harm_odds: float
    metrics: list[Metric]
    latency_ms: dict[str, Latency]
    crashes: dict[str, int]
    gateways: int
    said: list[Said]


class Rollouts(Answer):
    """Those that go on, and the last that have ended, the oldest first."""

    rollouts: list[Rollout]


class Hook(Answer):
    """How a hook stands, since the server began; its address without what may be a secret."""

    number: int
    url: str
    waiting: int
    taken: int
    dropped: int
    refused: int
    tries: int
    last_error: str
    ended: bool


class Hooks(Answer):
    """How each hook stands."""

    hooks: list[Hook]


class Reports(Answer):
    """How reports to registries stand, of each registered model."""

    reports: list[dict[str, Any]]
