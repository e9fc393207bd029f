#!/usr/bin/env python3
"""Make tritonclient's calls of the ensembles of a Triton and of a Headrace; say what differs.

  load_tests/ensembles.py same HTTP GRPC OUR_HTTP OUR_GRPC     every call, over both protocols
  load_tests/ensembles.py cost HTTP GRPC OUR_HTTP OUR_GRPC     latency and throughput, in turns

Addresses are HOST:PORT. Both serve tests/triton/ensembles. What differs is printed;
docs/ensembles.md says what may. Run it with the interpreter of the extra `load`.
"""

import statistics
import sys
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from two_servers import TURNS, Caller, Cases, compare, done, turns

X: Final = np.arange(8, dtype=np.float32).reshape(2, 4)
IMAGES: Final = np.arange(96, dtype=np.uint8).reshape(2, 4, 4, 3)
#: As configurations name them both.
SHOWN: Final = ("name", "platform", "max_batch_size")


def _texts(*words: bytes) -> dict[str, Any]:
    return {"TEXT": np.array([[word] for word in words], dtype=object)}


def _config(caller: Caller) -> Any:
    found = caller.client.get_model_config("branches", **caller.how)
    found = found.get("config", found)
    steps = [
        (one["model_name"], int(one["model_version"]), one["input_map"], one["output_map"])
        for one in found["ensemble_scheduling"]["step"]
    ]
    return [found[key] for key in SHOWN], steps


def _cases() -> Cases:
    def asked(model: str, inputs: dict[str, Any], **how: Any) -> Callable[[Caller], Any]:
        return lambda one: one.infer(model, inputs, **how)

    return {
        "ready": lambda one: one.client.is_model_ready("photos"),
        "metadata": lambda one: one.client.get_model_metadata("photos", **one.how),
        "metadata without rows": lambda one: one.client.get_model_metadata("whole", **one.how),
        "configuration": _config,
        "an image": asked("photos", {"RAW": IMAGES}, request_id="r1"),
        "an image in JSON": asked("photos", {"RAW": IMAGES}, binary=False),
        "one output": asked("photos", {"RAW": IMAGES}, wanted=["COLOUR"]),
        "branches": asked("branches", {"X": X}),
        "branches of a version": asked("branches", {"X": X}, model_version="1"),
        "without rows": asked("whole", {"X": X}),
        "texts": asked("words", _texts(b"one", "zw\u00f6lf".encode())),
        "with a timeout": asked("branches", {"X": X}, timeout=5_000_000),
        "with a priority": asked("branches", {"X": X}, priority=1),
        "with parameters": asked("branches", {"X": X}, parameters={"tone": "loud"}),
        "a step's error": asked("words", _texts(b"wrong")),
        "too many rows": asked("branches", {"X": np.ones((9, 4), np.float32)}),
        "too many rows for a step": asked("whole", {"X": np.ones((9, 4), np.float32)}),
        "a wrong shape": asked("branches", {"X": X[:, :3]}),
        "an input is missing": asked("branches", {}),
        "no such output": asked("branches", {"X": X}, wanted=["Z"]),
    }


def same(theirs: dict[str, str], ours: dict[str, str]) -> int:
    """Make each call of both; print what differs, and return how many do."""
    return compare(theirs, ours, {"http": _cases(), "grpc": _cases()})


def cost(theirs: dict[str, str], ours: dict[str, str]) -> int:
    """Print what an ensemble of three steps, of which two run beside each other, costs on both."""
    for protocol in ("http", "grpc"):
        for callers in (1, 8):
            addresses = [theirs[protocol], ours[protocol]]
            rounds = [
                list(turns(addresses, protocol, "branches", {"X": X[:1]}, callers))
                for _ in range(TURNS)
            ]
            ms = [statistics.median(one[at][0] for one in rounds) * 1e3 for at in (0, 1)]
            rate = [statistics.median(one[at][1] for one in rounds) for at in (0, 1)]
            print(
                f"{protocol} {callers} callers: median {ms[0]:.2f} ms, ours {ms[1]:.2f} ms; "
                f"{rate[0]:.0f} a second, ours {rate[1]:.0f}",
                flush=True,
            )
    return 0


def main() -> None:
    """Do what the command line says; exit with 1 where calls differ."""
    sys.exit(bool(done(__doc__, {"same": same, "cost": cost}, "our")))


if __name__ == "__main__":
    main()
