"""One version's memory on its GPU: asked for before it loads, measured as it warms up."""

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from math import ceil
from typing import IO, Any, Final, Protocol

from headrace.config.schema import ModelConfig
from headrace.errors import ModelBroken
from headrace.execution.memory.admission import Gpu, Need, NoRoom, Room
from headrace.execution.memory.footprint import predicted
from headrace.execution.memory.ledger import Ledger, place
from headrace.models.shortage import Claim, size
from headrace.repository.folder import Version
from headrace.repository.instances import original

#: What was predicted is told to be wrong from here on, as a share of what was measured.
OFF: Final = 0.1


class Reckoning(Protocol):
    """What a runner tells of its version."""

    def admit(self) -> None:
        """Ask for memory, before the version is loaded.

        Raises:
            NoRoom: there is not enough, with the numbers.
            ModelBroken: nothing is free, and nobody knows how much it needs.
            EnvironmentInvalid: nothing is known of who has how much.
        """

    def ran(self, rows: int) -> None:
        """Note what is taken, after a batch of so many rows."""

    def settle(self) -> None:
        """Keep what was taken, as the version is ready.

        Raises:
            ModelBroken: it is more than its process may have.
        """

    def release(self) -> None:
        """Give back what the version had; done again it does nothing."""


class Nothing:
    """Of a version that has no GPU."""

    def admit(self) -> None:
        """Ask for nothing."""

    def ran(self, rows: int) -> None:
        """Note nothing."""

    def settle(self) -> None:
        """Keep nothing."""

    def release(self) -> None:
        """Have nothing."""


class Each:
    """Of a version that has several GPUs: the same on each."""

    def __init__(self, all_of_them: Sequence[Reckoning]) -> None:
        self._all = all_of_them

    def admit(self) -> None:
        for one in self._all:
            one.admit()

    def ran(self, rows: int) -> None:
        for one in self._all:
            one.ran(rows)

    def settle(self) -> None:
        for one in self._all:
            one.settle()

    def release(self) -> None:
        for one in self._all:
            one.release()


class OnGpu:
    """Of a version that has one. One at a time loads on a GPU, so that what it takes is known."""

    def __init__(
        self,
        version: Version,
        read: Callable[[], Gpu],
        ledger: Ledger,
        say: Callable[[str], None],
    ) -> None:
        """Ask nothing yet.

        Args:
            version: whose memory it is.
            read: tells of its GPU as it is now.
            ledger: of all versions on this machine.
            say: tells people.
        """
        self._version = version
        self._read = read
        self._ledger = ledger
        self._say = say
        self._turn: IO[bytes] | None = None
        self._before: Gpu | None = None
        #: Nobody gave anything back meanwhile, of whom only the claim is known.
        self._is_sure = True
        #: What others had then.
        self._others: Sequence[Claim] = ()
        self._measured: dict[int, int] = {}
        self._need: Need | None = None

    def admit(self) -> None:
        label = self._version.label
        gpu = self._read()
        self._turn = self._wait_for_turn(gpu.uuid)
        # Whoever loaded meanwhile has taken some of it.
        self._before = gpu = self._read()
        self._need = need = self._known()
        with self._ledger.deciding(gpu.uuid, label) as (others, decision):
            # Of one that was never seen here: what it takes is seen as it loads.
            asked = need or Need(label, 1, "it was never loaded here")
            self._others = others
            room = self._room(gpu, others)
            if why := room.refusal(asked):
                # Of one that was never seen nobody knows who would have to go for it.
                raise NoRoom(why, room.shortage(need)) if need else ModelBroken(why)
            decision.bytes = need.bytes if need else 0

    def ran(self, rows: int) -> None:
        if self._before is None:
            return
        free = self._read().free_bytes
        # Asked for after that: what ends in between makes this one look larger, and not smaller.
        still = {(one.label, one.pid) for one in self._ledger.claims(self._before.uuid)}
        ended = sum(one.bytes for one in self._others if (one.label, one.pid) not in still)
        self._measured[rows] = max(1, self._before.free_bytes + ended - free)
        self._is_sure &= not ended

    def settle(self) -> None:
        if self._before is None or not self._measured:
            self._end_turn()
            return
        gpu, label = self._before, self._version.label
        taken = max(self._measured.values())
        with self._ledger.deciding(gpu.uuid, label) as (others, decision):
            if why := self._room(gpu, others).overrun(label, taken):
                raise ModelBroken(why)
            decision.bytes = taken
        if self._is_sure:
            self._ledger.keep(key(self._version, gpu), self._measured, int(time.time()))
        self._say(f"takes {size(taken)} of {gpu.uuid}{self._as_predicted(taken)}")
        self._end_turn()

    def release(self) -> None:
        if self._before is not None:
            self._ledger.release(self._before.uuid, self._version.label)
            self._before = None
        self._end_turn()

    def _room(self, gpu: Gpu, others: Sequence[Claim]) -> Room:
        return Room(gpu, self._version.config.placement.gpus, others, os.getpid())

    def _known(self) -> Need | None:
        """Return what the version will take, where its configuration or an earlier load tells."""
        config, label = self._version.config, self._version.label
        declared = config.placement.device_memory_mib
        if declared is not None:
            return Need(label, declared << 20, "placement.device_memory_mib")
        if self._before is None:
            return None
        measured = self._ledger.footprint(key(self._version, self._before))
        if not measured:
            return None
        rows = largest(config)
        count = predicted(measured, rows)
        return Need(label, count, f"measured here before, for batches of {rows} rows")

    def _as_predicted(self, taken: int) -> str:
        if self._need is None or abs(self._need.bytes - taken) <= OFF * taken:
            return ""
        return f", and not {size(self._need.bytes)} ({self._need.known})"

    def _wait_for_turn(self, uuid: str) -> IO[bytes]:
        turn = self._ledger.beside(f"{uuid}.loading").open("wb")
        # Not `flock`, which a process that the model forks would hold on to.
        try:
            fcntl.lockf(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._say(f"waits: another version is being loaded on {uuid}")
            fcntl.lockf(turn, fcntl.LOCK_EX)
        return turn

    def _end_turn(self) -> None:
        if self._turn is not None:
            self._turn.close()
            self._turn = None


def key(version: Version, gpu: Gpu) -> str:
    """Return a name for all that decides what a version takes, but for the rows of its batches.

    Of its files it is the names, sizes and times: weights of gigabytes are not read for it.
    """
    files = []
    for path in sorted(version.folder.rglob("*")):
        with suppress(OSError):
            if path.is_file() and "__pycache__" not in path.parts:
                found = path.stat()
                name = str(path.relative_to(version.folder))
                files.append((name, found.st_size, found.st_mtime_ns))
    config = version.config
    facts: list[Any] = [
        original(version.label),
        gpu.total_bytes,
        files,
        config.lanes,
        config.model_dump(mode="json", include={"torch", "onnx", "parameters", "preprocess"}),
    ]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()


def largest(config: ModelConfig) -> int:
    """Return the most rows that a batch has."""
    return max(config.batching.allowed_rows or (config.batching.max_rows,))


def reckoning(version: Version, say: Callable[[str], None]) -> Reckoning:
    """Return who reckons with a version's memory."""
    if not version.config.placement.gpus:
        return Nothing()
    count = ceil(version.config.placement.gpus)
    ledger = Ledger(place())
    entries = visible(os.environ.get("CUDA_VISIBLE_DEVICES"), count)
    # In one order for all: who waits for another's GPU has none that the other waits for.
    gpus = [partial(read_gpu, entry) for entry in sorted(entries)]
    return Each([OnGpu(version, read, ledger, say) for read in gpus])


def visible(told: str | None, count: int) -> list[str]:
    """Return how the driver knows the first ``count`` GPUs that CUDA shows to this process.

    Raises:
        ModelBroken: there are fewer.
    """
    entries = [one.strip() for one in told.split(",") if one.strip()] if told is not None else None
    if entries is None:
        return [str(at) for at in range(count)]
    if len(entries) < count:
        raise ModelBroken(
            f"placement asks for {count} GPU{'s'[: count != 1]}, and CUDA_VISIBLE_DEVICES shows "
            f"{len(entries)}: {told!r}"
        )
    return entries[:count]


def read_gpu(entry: str) -> Gpu:
    """Return a GPU as it is now.

    Raises:
        ModelBroken: NVIDIA's driver knows none such.
    """
    from headrace_core import gpu_memory

    found = gpu_memory(entry)
    if found is None:
        raise ModelBroken(
            f"placement asks for a GPU, and {entry!r}, which CUDA_VISIBLE_DEVICES names or is the "
            "first one, NVIDIA's driver does not know: nvidia-smi -L lists those that it knows"
        )
    return Gpu(*found)
