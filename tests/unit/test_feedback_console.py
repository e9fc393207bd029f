"""Labels over the console's REST API, and in the database."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import select
from tests.unit.asking import Answer, ask
from tests.unit.desk import Desk

from headrace.console.labelling import MOST_BYTES, Meter, count
from headrace.console.logbook import Logbook
from headrace.console.token import Token
from headrace.control import label_names, labels
from headrace.control.label_tables import JOINED, LABEL
from headrace.control.labels import Labels
from headrace.control.store import FILE, Store, in_folder
from headrace.errors import Unwanted
from headrace.feedback.joining import Label, Outcome, Verdict
from headrace.feedback.prediction import KEY_BYTES, Prediction, Top, seems_one, written

PATH = "/headrace/v1/feedback"
HOUR = 3600


class Clock:
    """Seconds since 1970, as a test says."""

    now_s = 500_000.0 * HOUR

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    logbook = Logbook(tmp_path / "logs", io.StringIO())
    desk = Desk(tmp_path, logbook, m=[1, 2])
    yield desk
    desk.close()
    logbook.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(tmp_path: Path, clock: Clock) -> Iterator[Labels]:
    store = Store(in_folder(tmp_path), clock)
    yield store.labels
    store.close()


def outcomes(kept: Labels, sent: list[Label]) -> list[Outcome]:
    return [one.outcome for one in kept.join(sent, {"m"})]


def made(nonce: int, number: int = 1, at_s: float = Clock.now_s, **more: Any) -> Prediction:
    facts: dict[str, Any] = {"model": "m", "version": 1, "within_hours": 2} | more
    return Prediction(made_s=int(at_s), nonce=nonce, rows=(Top(number, 0.75),), **facts)


def labelled(desk: Desk, nonce: int, label: Any, **more: Any) -> dict[str, Any]:
    now_s = desk.controller.store._clock()
    key = desk.controller.store.labels.key
    return {"prediction_id": written(made(nonce, at_s=now_s), key), "label": label, **more}


def send(desk: Desk, entries: Any, path: str = PATH, **more: Any) -> Answer:
    body = json.dumps({"feedback": entries}).encode()
    return ask(desk.sources, "POST", path, body=body, **more)


def test_labels_are_joined_and_shown(desk: Desk) -> None:
    entries = [
        labelled(desk, 1, 1, segment="de", scores={"clicks": 2}),
        labelled(desk, 2, 5, segment="fr"),
        labelled(desk, 1, 1),
        labelled(desk, 3, [1]) | {"prediction_id": "forged"},
        labelled(desk, 4, [1, 2]),
    ]
    answer = send(desk, entries)
    assert (answer.status, answer.headers.get("connection")) == (200, None)
    assert answer.body == {
        "joined": 2,
        "twice": 1,
        "late": 0,
        "unknown": 0,
        "forged": 1,
        "unfit": 1,
        "first": {"twice": 2, "forged": 3, "unfit": 4},
    }
    assert send(desk, entries[:2], "/api/feedback").body["twice"] == 2
    shown = ask(desk.sources, "GET", "/api/feedback/m").body
    (version,) = shown["versions"]
    assert (version["version"], version["predictions"], version["accuracy"]) == (1, 2, 0.5)
    assert version["calibration_error"] == pytest.approx(0.25)
    assert version["scores"] == {"clicks": {"count": 1, "mean": 2.0}}
    assert {name: one["accuracy"] for name, one in version["segments"].items()} == {
        "de": 1.0,
        "fr": 0.0,
    }
    assert ask(desk.sources, "GET", "/api/feedback/none").status == 404


def test_a_prediction_is_shown_with_the_label_that_has_come(desk: Desk) -> None:
    def label(at: int, **sent: Any) -> list[float] | None:
        one = labelled(desk, at, None) | sent
        assert seems_one(one["prediction_id"])
        path = f"/api/predictions/{one['prediction_id']}"
        before = ask(desk.sources, "GET", path).body
        assert (before["model"], before["version"], before["arm"]) == ("m", 1, None)
        assert before["rows"] == [{"number": 1.0, "score": 0.75}]
        assert before["until_unix_ms"] - before["unix_ms"] == 2 * HOUR * 1000
        assert before["label"] is None
        send(desk, [one])
        after: list[float] | None = ask(desk.sources, "GET", path).body["label"]
        return after

    assert label(1, label=281) == [281.0]
    assert label(2, scores={"clicks": 1}) == []
    forged = written(made(3), b"x" * KEY_BYTES)
    assert ask(desk.sources, "GET", f"/api/predictions/{forged}").status == 404
    assert ask(desk.sources, "GET", f"/api/predictions/{'A' * 4000}").status == 404


def test_what_is_no_label_is_refused_whole(desk: Desk) -> None:
    good = labelled(desk, 1, 1)
    table: list[tuple[Any, str]] = [
        (None, "feedback: Input should be a valid array"),
        ([good] * 1001, "at most 1000 items"),
        ([good | {"label": "1"}], "feedback.0.label"),
        ([good | {"label": True}], "feedback.0.label"),
        ([good | {"label": []}], "feedback.0.label"),
        ([good | {"label": [1] * 9}], "feedback.0.label"),
        ([good, good | {"label": None}], "feedback.1: Value error, expected a label, scores"),
        (
            [good | {"label": 1e301}],
            "feedback.0.label: Value error, expected a number from -1e+300",
        ),
        (
            [good | {"label": 10**400}],
            "feedback.0.label: Value error, expected a number from -1e+300",
        ),
        ([good | {"segment": "x" * 65}], "feedback.0.segment"),
        ([good | {"segment": "a\x00"}], "feedback.0.segment"),
        ([good | {"scores": {"a\n": 1}}], "feedback.0.scores"),
        ([good | {"scores": {f"s{at}": 1 for at in range(9)}}], "feedback.0.scores"),
        ([good | {"prediction_id": "x" * 501}], "feedback.0.prediction_id"),
        ([good | {"lable": 1}], "feedback.0.lable"),
    ]
    for entries, want in table:
        answer = send(desk, entries)
        assert (answer.status, want in answer.body["error"]) == (400, True), answer.body
        # Nobody is told back what he sent.
        assert good["prediction_id"] not in answer.body["error"]
    for body in (b"", b"{", b"\xff"):
        answer = ask(desk.sources, "POST", PATH, body=body)
        assert (answer.status, "...]}: Invalid JSON: " in answer.body["error"]) == (400, True)
    assert ask(desk.sources, "POST", PATH, body=b" " * (MOST_BYTES + 1)).status == 413
    assert ask(desk.sources, "GET", "/api/feedback/m").body["versions"] == []


def test_labels_need_the_token_where_everything_does(desk: Desk) -> None:
    token = Token(Path("console-token"), "secret")
    sent = [labelled(desk, 1, 1)]
    refused = send(desk, sent, listens_on="0.0.0.0", token=token)
    # Its body was read away, so that another request may follow.
    assert (refused.status, refused.headers.get("connection")) == (401, None)
    told = "Bearer secret"
    joined = send(desk, sent, listens_on="0.0.0.0", token=token, authorization=told)
    assert joined.body["joined"] == 1


def test_nothing_is_joined_twice_also_after_a_restart(tmp_path: Path, clock: Clock) -> None:
    first = Store(in_folder(tmp_path), clock)
    key = first.labels.key
    sent = [Label(written(made(nonce), key), (1.0,)) for nonce in (0, 1, 1 << 63, (1 << 64) - 1)]
    assert outcomes(first.labels, sent) == [Outcome.JOINED] * 4
    first.close()
    again = Store(in_folder(tmp_path), clock)
    assert again.labels.key == key
    assert outcomes(again.labels, sent) == [Outcome.TWICE] * 4
    assert again.labels.counted("m", 1)[1][""]["class:7"].right == 4
    again.close()
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_what_is_too_old_is_forgotten(kept: Labels, clock: Clock) -> None:
    def join(nonce: int, at_s: float, label: float) -> Outcome:
        one = Label(written(made(nonce, at_s=at_s, within_hours=1), kept.key), (label,))
        return outcomes(kept, [one])[0]

    begin = clock.now_s
    assert join(1, begin, 1.0) is Outcome.JOINED
    clock.now_s += HOUR + 1
    assert join(1, begin, 1.0) is Outcome.LATE
    clock.now_s += HOUR
    assert join(2, clock.now_s, 1.0) is Outcome.JOINED
    with kept._reading() as connection:
        held = [list(connection.execute(select(one.c.nonce)).scalars()) for one in (JOINED, LABEL)]
    assert held == [[2], [2]]
    assert kept.counted("m", 720)[1][""]["predictions"].count == 2
    assert kept.counted("m", 1)[1][""]["predictions"].count == 1
    clock.now_s += (labels.KEPT_HOURS + 1) * HOUR
    assert join(3, clock.now_s, 1.0) is Outcome.JOINED
    assert kept.counted("m", 10_000)[1][""]["predictions"].count == 1


def test_segments_scores_and_predictions_are_bounded(
    kept: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_names, "MOST_SEGMENTS", 2)
    monkeypatch.setattr(label_names, "MOST_SCORES", 1)
    monkeypatch.setattr(labels, "MOST_JOINED", 6)

    def label(nonce: int, **more: Any) -> Label:
        return Label(written(made(nonce), kept.key), (1.0,), **more)

    many = [label(at, segment=segment) for at, segment in enumerate(["a", "b", "c", "d"])]
    kept.join(many, {"m"})
    segments = kept.counted("m", 1)[1]
    found = {name: counts["predictions"].count for name, counts in segments.items()}
    assert found == {"a": 1, "b": 1, "other": 2}
    kept.join([label(5, scores={"clicks": 1.0})], {"m"})
    with pytest.raises(Unwanted, match="has 1 scores"):
        kept.join([label(6, scores={"stars": 1.0})], {"m"})
    kept.join([label(8)], {"m"})
    with pytest.raises(Unwanted, match="labels of 6 predictions"):
        kept.join([label(7)], {"m"})
    # Nothing of those that were refused is kept.
    assert sum(one["predictions"].count for one in kept.counted("m", 1)[1].values()) == 6
    assert outcomes(kept, many) == [Outcome.TWICE] * 4


def test_what_became_of_labels_is_counted() -> None:
    one = made(1)
    verdicts = [Verdict(Outcome.JOINED, one), Verdict(Outcome.JOINED, one), Verdict(Outcome.FORGED)]
    meter = Meter.new()
    count(meter, verdicts)
    count(meter, verdicts)
    page = generate_latest(meter.registry).decode().splitlines()
    found = [line for line in page if line.startswith("headrace_feedback_total")]
    assert found == [
        'headrace_feedback_total{model="m",outcome="joined",version="1"} 4.0',
        'headrace_feedback_total{model="",outcome="forged",version=""} 2.0',
    ]


def test_prometheus_reads_the_counts(desk: Desk) -> None:
    page = ask(desk.sources, "GET", "/metrics")
    assert (page.status, page.headers["content-type"].partition(";")[0]) == (200, "text/plain")
    assert b"# TYPE headrace_feedback_total counter" in page.content


def test_names_of_which_nothing_is_counted_any_more_make_room(
    kept: Labels, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_names, "MOST_SEGMENTS", 1)
    monkeypatch.setattr(label_names, "MOST_SCORES", 1)

    def join(nonce: int, name: str) -> None:
        sent = Label(written(made(nonce, at_s=clock.now_s), kept.key), (7.0,), name, {name: 1.0})
        assert outcomes(kept, [sent]) == [Outcome.JOINED]

    join(1, "a")
    with pytest.raises(Unwanted, match="has 1 scores"):
        join(2, "b")
    clock.now_s += (labels.KEPT_HOURS + 2) * HOUR
    # The first that comes lets go of what is too old.
    sent = Label(written(made(3, at_s=clock.now_s), kept.key), (7.0,))
    kept.join([sent], {"m"})
    join(4, "b")
    assert set(kept.counted("m", 1)[1]) == {"", "b"}


def test_a_clock_that_is_ahead_for_a_moment_forgets_nothing(kept: Labels, clock: Clock) -> None:
    sent = Label(written(made(1, at_s=clock.now_s), kept.key), (7.0,))
    late = Label(written(made(2, at_s=clock.now_s, within_hours=720), kept.key), (7.0,))
    assert outcomes(kept, [sent]) == [Outcome.JOINED]
    clock.now_s += 29 * 24 * HOUR
    assert outcomes(kept, [late]) == [Outcome.JOINED]
    clock.now_s -= 29 * 24 * HOUR
    assert outcomes(kept, [sent, late]) == [Outcome.TWICE] * 2
    assert kept.counted("m", 1)[1][""]["predictions"].count == 2


def test_where_labels_take_long_it_is_known_for_as_much_longer(kept: Labels, clock: Clock) -> None:
    for hour in range(14):
        one = made(hour, at_s=clock.now_s - 10 * HOUR, within_hours=12)
        assert outcomes(kept, [Label(written(one, kept.key), (7.0,))]) == [Outcome.JOINED]
        assert (kept.said(0) is None) == (hour >= 12)
        clock.now_s += HOUR
