"""What is predicted, who is refused, and what is known of who has how much."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tests.fake_driver import MIB, Memory

from headrace.errors import EnvironmentInvalid
from headrace.execution.memory.admission import Gpu, Need, Room
from headrace.execution.memory.footprint import predicted
from headrace.execution.memory.ledger import MOST_FOOTPRINTS, Ledger
from headrace.execution.memory.process import process
from headrace.models.shortage import Claim, size

GIB = 1 << 30
ME = os.getpid()


@pytest.mark.parametrize(
    ("measured", "rows", "expected"),
    [
        ({8: 100}, 8, 100),
        ({8: 100}, 16, 200),
        ({8: 100}, 4, 100),
        ({1: 110, 8: 180}, 16, 260),
        ({1: 110, 8: 180}, 4, 140),
        ({1: 110, 4: 140, 8: 180}, 64, 740),
        ({1: 500, 8: 500}, 64, 500),
        ({1: 600, 8: 500}, 64, 600),
    ],
)
def test_what_more_rows_take_is_on_a_line_and_never_less(
    measured: dict[int, int], rows: int, expected: int
) -> None:
    assert predicted(measured, rows) == expected


@pytest.mark.parametrize("weights", [40 * MIB, 900 * MIB, 14_000 * MIB])
@pytest.mark.parametrize("row", [MIB // 10, 3 * MIB, 40 * MIB])
@pytest.mark.parametrize("rows", [2, 16, 32, 128])
def test_a_prediction_is_within_a_tenth_of_what_is_taken(weights: int, row: int, rows: int) -> None:
    """Of an allocator of whole pages, from three sizes that were run."""

    def taken(count: int) -> int:
        memory = Memory(1 << 40)
        memory.take("m", weights + row * count)
        return memory.taken["m"]

    told = predicted({count: taken(count) for count in (1, 8, 64)}, rows)
    assert abs(told - taken(rows)) <= taken(rows) / 10


CATS = Claim("cats/1", 7, 8 * GIB)


@pytest.mark.parametrize(
    ("need", "free", "share", "claims", "said"),
    [
        (5, 16, 1, [], ""),
        (16, 16, 1, [], ""),
        (5, 4, 1, [], "5.0 GiB of GPU-1 (declared), and 4.0 GiB of 16.0 GiB are free: "
         "other programs 12.0 GiB has the rest"),
        (9, 16, 1, [CATS], "and 8.0 GiB of 16.0 GiB are free: cats/1 8.0 GiB (process 7) has"),
        (8, 16, 1, [CATS], ""),
        (5, 4, 1, [CATS], "4.0 GiB of 16.0 GiB are free: cats/1 8.0 GiB (process 7), other "
         "programs 4.0 GiB has the rest"),
        (9, 16, 0.5, [], "and placement.gpus 0.5 is 8.0 GiB of 16.0 GiB: raise it, or lower"),
        (8, 16, 0.5, [CATS], ""),
        (3, 8, 0.5, [Claim("dogs/1", ME, 6 * GIB)], "is 8.0 GiB of 16.0 GiB, of which dogs/1 has "
         "6.0 GiB: raise it"),
        (16, 16, 2, [], ""),
    ],
)  # fmt: skip
def test_who_is_refused_hears_the_numbers(
    need: int, free: int, share: float, claims: list[Claim], said: str
) -> None:
    room = Room(Gpu("GPU-1", 16 * GIB, free * GIB), share, claims, ME)
    told = room.refusal(Need("m/1", need * GIB, "declared"))
    assert said in told
    assert bool(told) == bool(said)


def test_who_took_more_than_its_share_hears_so() -> None:
    room = Room(Gpu("GPU-1", 16 * GIB, 4 * GIB), 0.25, [], ME)
    assert room.overrun("m/1", 4 * GIB) == ""
    told = room.overrun("m/1", 5 * GIB)
    assert told.startswith(
        "m/1 took 5.0 GiB of GPU-1 as it warmed up, and placement.gpus 0.25 is 4.0"
    )


def test_sizes_are_read_by_people() -> None:
    assert [size(count) for count in (0, MIB, 1023 * MIB, 3 * GIB // 2)] == [
        "0 MiB",
        "1 MiB",
        "1023 MiB",
        "1.5 GiB",
    ]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "cache" / "devices.sqlite")


def claim(ledger: Ledger, device: str, label: str, count: int) -> None:
    with ledger.deciding(device, label) as (_, decision):
        decision.bytes = count


def test_a_claim_lasts_until_it_is_given_back_or_its_process_is_gone(ledger: Ledger) -> None:
    claim(ledger, "GPU-1", "a/1", 5)
    claim(ledger, "GPU-1", "a/1", 7)
    claim(ledger, "GPU-2", "b/1", 9)
    assert ledger.claims("GPU-1") == [Claim("a/1", ME, 7)]
    ledger.release("GPU-1", "a/1")
    ledger.release("GPU-1", "a/1")
    assert ledger.claims("GPU-1") == []
    assert ledger.claims("GPU-2") == [Claim("b/1", ME, 9)]


CLAIM = """
import sys
from pathlib import Path
from headrace.execution.memory.ledger import Ledger

ledger = Ledger(Path(sys.argv[1]))
for count in range(1_000_000):
    with ledger.deciding("GPU-1", f"m/{count % 5}") as (_, decision):
        decision.bytes = count
    print(count, flush=True)
    ledger.keep(f"v{count % 7}", {1: count, 8: count}, count)
"""


def test_a_process_that_is_killed_at_any_moment_leaves_a_ledger_that_says_so(
    ledger: Ledger, tmp_path: Path
) -> None:
    file = str(tmp_path / "cache" / "devices.sqlite")
    for turn in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", CLAIM, file], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(1 + turn):
            child.stdout.readline()
        held = {claim.pid for claim in ledger.claims("GPU-1")}
        assert held == {child.pid}, "it lives, and those before it do not"
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        assert ledger.claims("GPU-1") == []
        for version in range(7):
            sizes = ledger.footprint(f"v{version}")
            assert sizes in ({}, dict.fromkeys((1, 8), sizes.get(1)))


def test_a_number_that_was_given_again_is_another_process(ledger: Ledger, tmp_path: Path) -> None:
    claim(ledger, "GPU-1", "a/1", 5)
    with sqlite3.connect(tmp_path / "cache" / "devices.sqlite") as database:
        database.execute("UPDATE claim SET began = began - 1")
    database.close()
    assert ledger.claims("GPU-1") == []
    assert process(ME) == process(ME)
    assert process(2**22 + 1) is None


def test_one_decides_at_a_time(ledger: Ledger) -> None:
    """Both see room for one: the second has to see the first one's claim."""
    free = 10
    admitted: list[str] = []

    def decide(label: str) -> None:
        with ledger.deciding("GPU-1", label) as (others, decision):
            threading.Event().wait(0.05)
            if sum(one.bytes for one in others) + 6 <= free:
                admitted.append(label)
                decision.bytes = 6

    threads = [threading.Thread(target=decide, args=(label,)) for label in ("a/1", "b/1")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(admitted) == 1


def test_footprints_are_kept_of_so_many_versions(ledger: Ledger) -> None:
    for count in range(MOST_FOOTPRINTS + 3):
        ledger.keep(f"v{count}", {1: count}, count)
    kept = [bool(ledger.footprint(f"v{count}")) for count in range(MOST_FOOTPRINTS + 3)]
    assert kept == [False] * 3 + [True] * MOST_FOOTPRINTS


def test_a_ledger_that_cannot_be_used_says_what_to_do(ledger: Ledger, tmp_path: Path) -> None:
    file = tmp_path / "cache" / "devices.sqlite"
    file.parent.mkdir()
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(EnvironmentInvalid, match=r"devices.sqlite, which says .* delete the file"):
        ledger.claims("GPU-1")
    file.unlink()
    with sqlite3.connect(file) as database:
        database.execute("PRAGMA user_version = 9")
    database.close()
    with pytest.raises(EnvironmentInvalid, match="of schema 9, expected 1"):
        ledger.claims("GPU-1")
