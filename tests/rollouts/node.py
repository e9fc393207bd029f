"""A node of two versions whose gateway, batcher and counting of evidence are the core's own.

It lives in the core's tests (`simulation/rollouts.rs`), on a clock that is moved from here.
"""

import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

from tests.rollouts.streams import Version

ROOT: Final = Path(__file__).resolve().parents[2]
TEST: Final = "simulation::rollouts::a_node_has_its_seconds_asked_for"
#: Two versions of a model of that core, whose contract it has itself.
MODEL: Final = "m"
#: Without, a second of a node takes several times as long.
OPTIMISED: Final = {"CARGO_PROFILE_DEV_OPT_LEVEL": "2"}


def build() -> Path:
    """Build the core's tests; return the program's path."""
    manifest = str(ROOT / "runtime/core/Cargo.toml")
    command = ["cargo", "test", "--no-run", "--lib", "--manifest-path", manifest]
    said = subprocess.run(
        [*command, "--message-format", "json"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | OPTIMISED,
    )
    artifacts = map(json.loads, said.stdout.splitlines())
    return Path(next(made["executable"] for made in artifacts if made.get("executable")))


class Node:
    """One process of nodes, of which each begins where the one before it ended."""

    def __init__(self, lines: IO[str]) -> None:
        self._lines = lines
        self._asks: dict[str, Any] = {}

    def begin(self, seed: int, candidate: Version, table: str) -> None:
        """Have another node, with this table."""
        self._asks = {"begins": {"seed": seed, "candidate": asdict(candidate)}, "table": table}

    def table(self, table: str) -> None:
        """Have requests routed by this from the next second on."""
        self._asks["table"] = table

    def second(self) -> tuple[str, dict[int, tuple[int, int]]]:
        """Let a second pass.

        Returns:
            What its gateway has counted, as it tells it, and, by version, how many requests have
            ended so far, and how many of them in a failure.
        """
        self._lines.write(json.dumps(self._asks) + "\n")
        self._lines.flush()
        self._asks = {}
        told = json.loads(self._lines.readline())
        ended = {int(one): (row["all"], row["failed"]) for one, row in told["ended"].items()}
        return told["evidence"], ended


@contextmanager
def node(program: Path) -> Iterator[Node]:
    """A process of nodes, as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = f"{folder}/node"
        listener.bind(path)
        listener.listen()
        # It ends once nobody is there to ask for seconds.
        with subprocess.Popen(
            [str(program), "--exact", "--ignored", TEST],
            env=os.environ | {"HEADRACE_ROLLOUTS": path},
            stdout=subprocess.DEVNULL,
        ):
            connection, _ = listener.accept()
            with connection, connection.makefile("rw") as lines:
                yield Node(lines)
