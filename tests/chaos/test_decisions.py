"""Some kills while an operator decides; `python -m tests.chaos.decisions` plays fifty rounds."""

from pathlib import Path

from tests.chaos.decisions import run

#: Its first victims are a host, the gateway that serves, and Serve's controller.
SEED, ROUNDS = 121, 3


def test_what_was_asked_for_comes_about_whoever_is_killed_meanwhile(tmp_path: Path) -> None:
    played = run(ROUNDS, SEED, tmp_path)
    assert len(played) == ROUNDS
    assert not [str(one) for one in played if one.wrong]
