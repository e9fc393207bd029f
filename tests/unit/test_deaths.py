"""How hosts ended, and how soon the next one may begin."""

from pathlib import Path

import pytest

from headrace.serve import deaths, memory
from headrace.serve.deaths import NO_MEMORY, NONE, SILENT, Record, died, heard, last_words, pause_s


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("Fatal Python error: Segmentation fault", "Segmentation fault; the log has where"),
        (
            "headrace host: model 'm' version 1 did not return a batch within 5 s: this process "
            "ends, and another takes its place",
            "model 'm' version 1 did not return a batch within 5 s",
        ),
        ("headrace host: lost the gateway (process 7): it closed the connection", None),
        ("the model prints", None),
        ("", None),
    ],
)
def test_some_lines_say_how_a_host_ends(line: str, why: str | None) -> None:
    assert last_words(line) == why


def dead(*ends: float) -> Record:
    record = NONE
    for pid, at in enumerate(ends):
        record = died(record, pid, at, unix_ms=0, no_memory=False)
    return record


@pytest.mark.parametrize(
    ("ends", "now", "pause"),
    [
        ((), 0, 0),
        ((0,), 0, 0),
        ((0, 1), 1, 0),
        ((0, 1, 2), 2, 1),
        ((0, 1, 2, 3), 3, 2),
        ((0, 1, 2, 3), 4.5, 0.5),
        ((0, 1, 2, 3), 60, 0),
        (tuple(range(20)), 19, 60),
        # What was long ago does not count.
        ((0, 1, 2, 700), 700, 0),
    ],
)
def test_deaths_in_a_row_bring_a_pause_that_grows(
    ends: tuple[float, ...], now: float, pause: float
) -> None:
    assert pause_s(dead(*ends), now) == pause


def test_the_first_words_are_the_cause_whenever_they_are_heard() -> None:
    before = heard(heard(NONE, 1, "it hung"), 1, "Aborted")
    assert died(before, 1, 0, 0, no_memory=True).deaths[-1].why == "it hung"
    after = died(NONE, 1, 0, 0, no_memory=False)
    assert after.deaths[-1].why == SILENT
    assert heard(after, 1, "Segmentation fault").deaths[-1].why == "Segmentation fault"
    assert heard(heard(after, 1, "it hung"), 1, "Aborted").deaths[-1].why == "it hung"
    assert died(NONE, 1, 0, 0, no_memory=True).deaths[-1].why == NO_MEMORY


def test_what_is_remembered_is_bounded() -> None:
    record = dead(*range(100))
    assert (len(record.deaths), record.count) == (deaths.KEPT, 100)
    for pid in range(1000, 1100):
        record = heard(record, pid, "Aborted")
    assert len(record.words) <= deaths.KEPT + 1


@pytest.mark.parametrize(
    ("cgroup", "files", "kills"),
    [
        ("0::/user/1\n", {"cgroups/user/1/memory.events": "oom 1\noom_kill 3\n"}, 3),
        (
            "4:memory:/user\n1:cpu:/\n0::/\n",
            {"cgroups/memory/user/memory.oom_control": "under_oom 0\noom_kill 2\n"},
            2,
        ),
        ("0::/\n", {"vmstat": "oom_kill 7\n", "cgroups/memory.events": "oom_kill 1\n"}, 7),
        ("0::/gone\n", {"vmstat": "oom_kill 7\n"}, 7),
        ("0::/\n", {}, 0),
    ],
)
def test_the_kernel_counts_whom_it_killed_for_memory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cgroup: str,
    files: dict[str, str],
    kills: int,
) -> None:
    monkeypatch.setattr(memory, "MACHINE", tmp_path / "vmstat")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroups")
    monkeypatch.setattr(memory, "OWN", tmp_path / "cgroup")
    for name, text in {**files, "cgroup": cgroup}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory.oom_kills() == kills
