"""The console's answers about labels that come later."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query, Request, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Counter as Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from headrace.console.answering import THREADS, in_thread
from headrace.console.labelling_schema import Feedback, Joined
from headrace.console.parameters import From, Misasked, Number
from headrace.control.labelled import judged
from headrace.control.labels import KEPT_HOURS
from headrace.feedback.figures import figures, together
from headrace.feedback.joining import Label, Outcome, Verdict
from headrace.feedback.prediction import MOST_CHARACTERS, MOST_ROWS

#: Not every database keeps other characters, nor does every terminal show them.
PRINTABLE: Final = r"^[^\x00-\x1f\x7f]*$"
#: Where labels are sent to; the second is as the rest of the API.
PATHS: Final = ("/headrace/v1/feedback", "/api/feedback")
MOST_LABELS: Final = 1000
#: Of a request with so many.
MOST_BYTES: Final = 2 << 20
TOO_LONG: Final = (
    f"expected {MOST_LABELS} labels and {MOST_BYTES} bytes at most in a request: send the rest in "
    "others"
)
#: For all of it to come.
BODY_S: Final = 30.0
#: Of one that is refused.
MOST_ERRORS: Final = 10
#: The largest number.
MOST: Final = 1e300
#: Each costs some hundred bytes to list, and a body has room for many that are tiny.
MOST_EXPLAINED: Final = 1000


def _of_a_size(given: float) -> float:
    if not -MOST <= given <= MOST:
        raise ValueError(f"expected a number from {-MOST:g} to {MOST:g}")
    return given


#: As pydantic calls them.
NUMBERS: Final = ("int", "float")
Value = Annotated[int | float, AfterValidator(_of_a_size)]


class Part(BaseModel):
    """A part of a request's body."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Entry(Part):
    """What is known of one prediction by now."""

    prediction_id: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
    label: Value | Annotated[list[Value], Field(min_length=1, max_length=MOST_ROWS)] | None = Field(
        None, description="The class, or the number; a list with one for each row."
    )
    segment: Annotated[str, Field(max_length=64, pattern=PRINTABLE)] = ""
    scores: Annotated[
        dict[Annotated[str, Field(min_length=1, max_length=64, pattern=PRINTABLE)], Value],
        Field(max_length=8),
    ] = {}

    @model_validator(mode="after")
    def _something(self) -> "Entry":
        if self.label is None and not self.scores:
            raise ValueError("expected a label, scores or both")
        return self

    def read(self) -> Label:
        """Return it as it is joined."""
        given = self.label
        rows = given if isinstance(given, list) else [given]
        label = None if given is None else tuple(float(one) for one in rows if one is not None)
        return Label(self.prediction_id, label, self.segment, self.scores)


class Body(Part):
    """Labels that have come."""

    feedback: Annotated[list[Entry], Field(max_length=MOST_LABELS)]


router = APIRouter()


async def join(request: Request, sources: From) -> dict[str, Any]:
    """Join labels with the predictions that they are of, as `headrace feedback send`."""
    text = await _body(request)

    def joined() -> list[Verdict]:
        labels = [one.read() for one in _read(text).feedback]
        models, judges = sources.controller.wanted(), judged(sources.rollouts.all())
        return sources.controller.store.labels.join(labels, models, judges)

    verdicts = await THREADS.run(joined)
    count(request.app.state.labelled, verdicts)
    return joined_json([one.outcome for one in verdicts])


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Tell Prometheus what became of labels since the server began."""
    page = generate_latest(request.app.state.labelled.registry)
    return Response(page, media_type=CONTENT_TYPE_PLAIN_0_0_4)


for _path in PATHS:
    router.add_api_route(
        _path,
        join,
        methods=["POST"],
        response_model=Joined,
        openapi_extra={
            "requestBody": {"content": {"application/json": {"schema": Body.model_json_schema()}}}
        },
    )


@router.get("/api/feedback/{model}", response_model=Feedback)
@in_thread
def feedback(
    sources: From,
    model: str,
    hours: Annotated[
        Number, Query(description=f"Of predictions so old at most; {KEPT_HOURS} are kept.")
    ] = KEPT_HOURS,
) -> dict[str, Any]:
    """Show what labels said of the versions of a model, as `headrace feedback show`."""
    if model not in sources.controller.wanted():
        raise HTTPException(404, f"no model {model!r:.100} is served here")
    counted = sources.controller.store.labels.counted(model, min(hours, KEPT_HOURS))
    return {
        "model": model,
        "versions": [
            {
                "version": version,
                **asdict(figures(together(segments.values()))),
                "segments": {
                    name: asdict(figures(counts)) for name, counts in segments.items() if name
                },
            }
            for version, segments in counted.items()
        ],
    }


@dataclass(frozen=True)
class Meter:
    """What became of labels, by model and version where these are known."""

    registry: CollectorRegistry
    labels: Metric

    @staticmethod
    def new() -> "Meter":
        """Return one that has counted nothing."""
        registry = CollectorRegistry()
        names = ("model", "version", "outcome")
        what = "Labels that have come, by what became of them."
        return Meter(registry, Metric("headrace_feedback", what, names, registry=registry))


def count(meter: Meter, verdicts: Sequence[Verdict]) -> None:
    """Count what became of labels; of a forged id nobody believes which model it names."""
    for one, number in Counter(map(_series, verdicts)).items():
        meter.labels.labels(*one).inc(number)


def _series(verdict: Verdict) -> tuple[str, str, str]:
    made = verdict.prediction
    model, version = ("", "") if made is None else (made.model, str(made.of_version))
    return model, version, verdict.outcome.value


def joined_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return how many labels came to what, and the first of each that was not joined."""
    found: Mapping[Outcome, int] = Counter(outcomes)
    first = {str(one): outcomes.index(one) for one in found if one is not Outcome.JOINED}
    return {**{str(one): found.get(one, 0) for one in Outcome}, "first": first}


async def _body(request: Request) -> bytes:
    """Return a body that is no larger than it may be, and no more of any other."""
    came = bytearray()
    try:
        async with asyncio.timeout(BODY_S):
            async for part in request.stream():
                came += part
                if len(came) > MOST_BYTES:
                    raise HTTPException(413, TOO_LONG)
    except TimeoutError:
        raise HTTPException(408, f"the labels did not come within {BODY_S:g} s") from None
    return bytes(came)


def _read(text: bytes) -> Body:
    try:
        return Body.model_validate_json(text)
    except ValidationError as error:
        told = _explained(error)
        raise Misasked(
            f'expected {{"feedback": [{{"prediction_id": "...", "label": 3}}, ...]}}: {told}'
        ) from error


def _explained(error: ValidationError) -> str:
    count = error.error_count()
    if count > MOST_EXPLAINED:
        return f"{count} things are otherwise"
    wrong = error.errors(include_url=False, include_input=False)[:MOST_ERRORS]
    # What is no JSON at all is wrong as a whole.
    places = [f"{_place(one['loc']):.100}: " if one["loc"] else "" for one in wrong]
    return "; ".join(place + one["msg"] for place, one in zip(places, wrong, strict=True))


def _place(where: tuple[int | str, ...]) -> str:
    """Return where something is wrong, without the names that pydantic has of kinds of values."""
    told = [
        one
        for before, one in zip(("", *where), where, strict=False)
        if isinstance(one, int) or before == "scores" or not (one in NUMBERS or "[" in one)
    ]
    return ".".join(map(str, told))
