"""What Python asks of the core is done on the threads that the asking thread has."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import headrace_core
import pytest
from tests.seam.test_images import png

LARGE = png(1500, 1500, (1, 2, 3))


def at_work() -> int:
    """Threads of ours that decode now."""
    found = 0
    for task in Path("/proc/self/task").iterdir():
        try:
            found += (task / "comm").read_text() == "images\n"
        except OSError:
            continue  # it ended meanwhile
    return found


@pytest.mark.parametrize(
    ("used", "asked", "others"), [(1, None, 0), (3, None, 2), (3, 1, 0), (1, 2, 1)]
)
def test_images_are_decoded_on_as_many_threads_as_their_lane_has(
    used: int, asked: int | None, others: int
) -> None:
    def lane() -> None:
        headrace_core.use_threads(used)
        headrace_core.decode_images([LARGE] * 12, 8, 8, threads=asked)

    decoding = threading.Thread(target=lane)
    decoding.start()
    most = 0
    while decoding.is_alive():
        most = max(most, at_work())
    assert most == others


def test_no_threads_are_none_that_could_work() -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        headrace_core.use_threads(0)


def test_cores_are_those_that_this_process_may_use() -> None:
    assert headrace_core.cores() <= len(os.sched_getaffinity(0))
    program = (
        "import os, headrace_core; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "print(headrace_core.cores())"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert said.stdout == b"1\n"
