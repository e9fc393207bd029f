"""A fetch that is killed, and what the next one finds of it."""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from tests.local.conftest import PATIENCE_S
from tests.stores.conftest import Bucket

from headrace.config.source import StoreAddress
from headrace.errors import SourceAway
from headrace.registry.cache import damage, let_go
from headrace.registry.stored import fetch, resolve

PHOTOS = StoreAddress("s3://models/photos")


def nobody(text: str) -> None: ...


def test_a_killed_fetch_goes_on_with_what_was_whole(
    bucket: Bucket, tmp_path: Path, small_pieces: None
) -> None:
    bucket.model(1, extra=20 << 16)
    found = resolve(PHOTOS)
    killed: list[int] = []

    def kill(path: str, body: bytes) -> bytes:
        (part,) = (tmp_path / "models" / "photos").iterdir()
        journal = part / ".fetched"
        if not killed and journal.exists() and journal.read_bytes().count(b"\n") >= 5:
            killed.append(1)
            for child in children():
                os.kill(child, signal.SIGKILL)
        return body

    bucket.spoil = kill
    with pytest.raises(SourceAway, match="gave no answer: is it up"):
        fetch(found, state=tmp_path, say=nobody)
    assert killed
    (part,) = (tmp_path / "models" / "photos").iterdir()
    lines = [json.loads(line) for line in (part / ".fetched").read_bytes().splitlines()]
    # What the power took with it: a piece that is said to be whole, and is not.
    spoiled, *whole = [one for one in lines if one["path"] == "weights.bin"]
    with (part / "weights.bin").open("r+b") as file:
        file.seek(spoiled["start"])
        file.write(b"not what came")
    bucket.read.clear()
    said: list[str] = []
    place = fetch(found, state=tmp_path, say=said.append)
    read = " ".join(bucket.read)
    assert ranges([spoiled])[0] in read
    assert whole
    assert not [one for one in ranges(whole) if one in read]
    assert any("goes on: " in text for text in said)
    assert (place / "weights.bin").read_bytes() == b"\1" * (20 << 16)
    assert not part.exists()
    let_go(place)


def ranges(lines: list[dict[str, Any]]) -> list[str]:
    return [f"weights.bin bytes={one['start']}-{one['end'] - 1}" for one in lines]


def children() -> list[int]:
    """Return the processes that fetch for this one."""
    tasks = Path(f"/proc/{os.getpid()}/task").iterdir()
    pids = [pid for one in tasks for pid in (one / "children").read_text().split()]
    return [int(one) for one in pids if b"PIECE_BYTES" in Path(f"/proc/{one}/cmdline").read_bytes()]


FETCHES = """
import sys
from pathlib import Path
from headrace.config.source import StoreAddress
from headrace.registry.stored import fetch, resolve
fetch(resolve(StoreAddress("s3://models/photos")), state=Path(sys.argv[1]), say=print)
"""


def test_what_fetches_ends_with_the_server_that_is_killed(bucket: Bucket, tmp_path: Path) -> None:
    bucket.model(1, extra=3 << 23)
    reached, go_on = Event(), Event()

    def stand_still(path: str, body: bytes) -> bytes:
        reached.set()
        go_on.wait(PATIENCE_S)
        return body

    bucket.spoil = stand_still
    command = [sys.executable, "-c", FETCHES, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        assert reached.wait(PATIENCE_S)
        (child,) = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        ends = os.pidfd_open(int(child))
        server.kill()
        server.wait()
        assert select.select([ends], [], [], PATIENCE_S)[0]
        os.close(ends)
    go_on.set()
    bucket.spoil = lambda path, body: body
    place = fetch(resolve(PHOTOS), state=tmp_path, say=nobody)
    assert damage(place) == ""
    let_go(place)
