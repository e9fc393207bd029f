"""How often the keeper brings Ray's GCS back."""

import os
import subprocess
import sys

import pytest

from headrace.serve.keeper import GCS_RESTARTS, GCS_RESTARTS_S, Gcs


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Gcs:
    class Started:
        def __init__(self, *_: object, **__: object) -> None:
            self.pid = 7

    monkeypatch.setattr(subprocess, "Popen", Started)
    return Gcs(os.getpid())


def test_it_is_started_as_it_was(gcs: Gcs) -> None:
    assert gcs._command == [os.fsencode(word) for word in sys.orig_argv]
    assert gcs._environment[b"PATH"] == os.environb[b"PATH"]


def test_a_gcs_that_dies_too_often_of_late_is_given_up(gcs: Gcs) -> None:
    assert all(gcs.restart(float(second)) for second in range(GCS_RESTARTS))
    assert not gcs.restart(GCS_RESTARTS)
    assert not gcs.restart(GCS_RESTARTS_S - 0.1)


def test_one_that_dies_now_and_then_never_is(gcs: Gcs) -> None:
    pause = GCS_RESTARTS_S / GCS_RESTARTS
    assert all(gcs.restart(pause * number) for number in range(1000))
