"""What a run came to is counted right."""

from headrace_load.pacer import Dropped, Sent
from headrace_load.record import Record
from headrace_load.senders import Refused, Stages


def test_each_request_is_counted_as_what_it_came_to() -> None:
    record = Record()
    for number in range(100):
        rows = 4 if number < 80 else 1
        record.add(Sent(number, (number + 1) / 1000, 0.001, Stages(1.0, 2.0, rows)))
    for error in (Refused("429 full"), Refused("429 again"), Refused("UNAVAILABLE x"), OSError()):
        record.add(Sent(100, 1.0, 0.0, error=error))
    record.add(Sent(104, 0.0, 0.0, error=Dropped("full")))
    summary = record.summary(10)
    assert (summary["due"], summary["answered"], summary["dropped"]) == (105, 100, 1)
    assert summary["answered_per_s"] == 10
    assert summary["errors"] == {"429": 2, "UNAVAILABLE": 1, "OSError": 1}
    assert summary["first_error"] == "429 full"
    latency = summary["latency_ms"]
    assert isinstance(latency, dict)
    assert (round(latency["p50"], 1), round(latency["p99"]), latency["max"]) == (50.5, 99, 100)
    assert record.in_time(50) == 50
    # Twenty batches of four and twenty of one are a hundred rows in forty batches.
    assert summary["rows_a_batch"] == 2.5


def test_a_run_without_answers_is_a_run() -> None:
    assert Record().summary(1)["latency_ms"] == {}
