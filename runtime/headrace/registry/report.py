"""What is told to a registry about one of its versions, checked before it is kept. Pure."""

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from headrace.config.source import ALIAS, NAME
from headrace.registry.facts import Place

#: Where versions are that no registry knows, as those of a folder: what is told of them stays here.
HERE: Final = Place("", "")
#: Of every tag that is set, so that none of somebody else's is.
PREFIX: Final = "headrace."
#: As they are said in MLflow: names that it takes on every store, with no quotes to escape.
TAG: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
METRIC: Final = re.compile(
    r"(?=.{1,200}$)[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*"
)
ROLLOUT: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
PNG: Final = b"\x89PNG\r\n\x1a\n"
MOST_TAGS: Final = 50
MOST_METRICS: Final = 200
MOST_ALIASES: Final = 10
#: Of a tag's value: the least that a store of MLflow takes is 5,000.
MOST_CHARACTERS: Final = 4000
MOST_ADDRESS: Final = 2048
MOST_PICTURE_BYTES: Final = 1 << 20
#: MLflow's columns have 64 bits, JSON's numbers 53.
MOST_WHOLE: Final = 1 << 53


class Kind(StrEnum):
    """What a report is about; the first is given up first where there is no room."""

    METRICS = "metrics"
    STATE = "state"
    VERDICT = "verdict"


class Part(StrEnum):
    """What an account may be let do, or not, each by itself."""

    #: Of the version.
    TAGS = "tags"
    ALIASES = "aliases"
    #: Which version an alias names is looked at.
    WATCH = "watch"
    #: With metrics, verdict and picture.
    RUNS = "runs"


@dataclass(frozen=True)
class AliasMove:
    """An alias that is to name the report's version, unless somebody else has moved it."""

    alias: str
    #: The version that it named when this was decided; None if there was no such alias.
    seen: int | None


@dataclass(frozen=True)
class Verdict:
    """What a rollout came to."""

    #: Such as ``promoted``.
    word: str
    #: Why, with its numbers.
    sentence: str
    #: The numbers by themselves.
    numbers: Mapping[str, float] = field(default_factory=dict)
    #: Nothing comes after it.
    is_last: bool = True


@dataclass(frozen=True)
class Report:
    """What is to be known of a version at one moment.

    Raises:
        ValueError: it has what a registry does not take, or too much; the text says which.
    """

    place: Place
    #: The registered model, or the folder's, and its version.
    model: str
    version: int
    kind: Kind
    unix_ms: int
    #: Which rollout: metrics, verdict and picture go to its run, and need it.
    rollout: str | None = None
    #: Name, without the prefix → value, on the version.
    tags: Mapping[str, str] = field(default_factory=dict)
    #: Names of tags, without the prefix, that the version has no more.
    untagged: tuple[str, ...] = ()
    #: Name, such as ``candidate/p99_ms`` → value at ``unix_ms``.
    metrics: Mapping[str, float] = field(default_factory=dict)
    #: Of the metrics: for how many seconds the rollout was watched by then.
    step: int = 0
    verdict: Verdict | None = None
    #: Bytes of a PNG.
    picture: bytes | None = None
    aliases: tuple[AliasMove, ...] = ()
    #: An alias that is only looked at: who moves it decides for himself.
    watched: str | None = None
    #: What of it is told; reports of earlier releases have no such list.
    parts: tuple[Part, ...] = tuple(Part)

    def __post_init__(self) -> None:
        _check_address(self)
        _check_names(self)
        _check_numbers(self)
        _check_run(self)

    @property
    def label(self) -> str:
        """The version's name in messages, such as ``photos/3``."""
        return f"{self.model}/{self.version}"

    @property
    def needs_run(self) -> bool:
        """Some of it belongs to a run of MLflow's."""
        return bool(self.metrics or self.verdict or self.picture)

    @property
    def points(self) -> dict[str, float]:
        """Name → value of all that is a number, those of the verdict below ``verdict/``."""
        numbers = self.verdict.numbers if self.verdict else {}
        return {**self.metrics, **{f"verdict/{name}": value for name, value in numbers.items()}}

    @property
    def labels(self) -> dict[str, str]:
        """Name → value of all tags of the version, those of the verdict among them."""
        told = (
            {"verdict": self.verdict.word, "reason": self.verdict.sentence} if self.verdict else {}
        )
        return {PREFIX + name: value for name, value in {**self.tags, **told}.items()}


def as_json(report: Report) -> dict[str, Any]:
    """Return it as JSON takes it."""
    picture = report.picture and base64.b64encode(report.picture).decode("ascii")
    return {**asdict(replace(report, picture=None)), "picture": picture}


def from_json(told: Mapping[str, Any]) -> Report:
    """Return what `as_json` made this of.

    Raises:
        ValueError: it is none that we would write; KeyError and TypeError likewise.
    """
    verdict, picture = told["verdict"], told["picture"]
    return Report(
        **{
            **told,
            "place": Place(**told["place"]),
            "kind": Kind(told["kind"]),
            "verdict": None if verdict is None else Verdict(**verdict),
            "picture": None if picture is None else base64.b64decode(picture, validate=True),
            "aliases": tuple(AliasMove(**move) for move in told["aliases"]),
            # An earlier release took none away.
            "untagged": tuple(told.get("untagged", ())),
            "parts": tuple(Part(one) for one in told.get("parts", Part)),
        }
    )


def _check_address(report: Report) -> None:
    place = report.place
    for uri in () if place == HERE else (place.tracking, place.registry):
        if not 1 <= len(uri) <= MOST_ADDRESS:
            # Not shown: it may have a password.
            raise ValueError(
                f"the address of a registry has {len(uri)} characters: expected 1 to {MOST_ADDRESS}"
            )
    if not NAME.fullmatch(report.model):
        raise ValueError(f"{report.model!r:.200} is no name of a registered model")
    if not 1 <= report.version < MOST_WHOLE:
        raise ValueError(f"{report.version!r:.100} is no number of a version: expected 1 or more")


def _check_names(report: Report) -> None:
    numbers = report.verdict.numbers if report.verdict else {}
    for names, pattern, what, most in (
        ([*report.tags, *report.untagged], TAG, "a tag", MOST_TAGS),
        (report.metrics, METRIC, "a metric", MOST_METRICS),
        (numbers, METRIC, "a verdict's number", MOST_METRICS),
        ([move.alias for move in report.aliases], ALIAS, "an alias", MOST_ALIASES),
        ([] if report.watched is None else [report.watched], ALIAS, "an alias", 1),
        ([] if report.rollout is None else [report.rollout], ROLLOUT, "a rollout", 1),
    ):
        if len(names) > most:
            raise ValueError(f"{len(names)} names of {what}: expected at most {most}")
        for name in names:
            if not pattern.fullmatch(name):
                raise ValueError(f"{name!r:.200} is no name of {what}: expected {pattern.pattern}")
    for name, value in report.labels.items():
        if len(value) > MOST_CHARACTERS:
            raise ValueError(
                f"{name} has {len(value)} characters: expected at most {MOST_CHARACTERS}"
            )
        # Databases take no NUL, and half a surrogate is no UTF-8.
        if "\x00" in value or value != value.encode("utf-8", "replace").decode():
            raise ValueError(f"{name} is {value!r:.200}: expected text of UTF-8 without NUL")


def _check_numbers(report: Report) -> None:
    for name, value in report.points.items():
        if not math.isfinite(value):
            raise ValueError(f"{name} is {value}: expected a finite number, or none at all")
    for name, whole in (("unix_ms", report.unix_ms), ("step", report.step)):
        if not 0 <= whole < MOST_WHOLE:
            raise ValueError(f"{name} is {whole!r:.100}: expected 0 to {MOST_WHOLE - 1}")


def _check_run(report: Report) -> None:
    if report.needs_run and report.rollout is None:
        raise ValueError(
            "metrics, verdict and picture belong to a rollout, and none is named: say which"
        )
    picture = report.picture
    if picture is not None and not (picture.startswith(PNG) and len(picture) <= MOST_PICTURE_BYTES):
        raise ValueError(
            f"a picture of {len(picture)} bytes: expected a PNG of at most {MOST_PICTURE_BYTES}"
        )
