"""Labels that come later, of what callers of a real server were answered."""

from pathlib import Path

from tests.feedback.promise import arms, call, halve, label, write_models
from tests.local.conftest import ready


def test_accuracy_is_exact_whatever_labels_come_with_the_genuine_ones(tmp_path: Path) -> None:
    with ready(write_models(tmp_path / "models"), tmp_path / "state") as server:
        halve(server)
        answered = call(server, 600, seed=1)
        told = label(server, answered, seed=1)
    assert told.outcomes == told.expected["outcomes"]
    assert arms(told.shown) == told.expected["arms"]
    assert {one.version for one in answered} == {1, 2}
    has_id = sum(one.prediction_id is not None for one in answered)
    assert 300 < has_id < 600
    # Some 40 bytes of each, and what SQLite keeps beside it.
    assert told.disk_bytes < 6 << 20
