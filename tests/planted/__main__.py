"""Plant each bug in a copy of the core and show which test finds it.

    python -m tests.planted              # all
    python -m tests.planted "credit"     # those whose names have this in them
    python -m tests.planted --markdown   # rows of a table

Exits with 1 if a bug was not found. The first build takes some minutes, each bug half a minute.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests.planted.bugs import ROOT, Bug
from tests.planted.table import TABLE

#: Kept between runs, so that only the core is compiled again.
PLACE: Final = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "planted"
TREE: Final = PLACE / "tree"
#: What a test says of the first seed or input that showed the bug.
SAYS: Final = re.compile(r"^.*panicked at [^\n]*\n?[^\n]*", re.MULTILINE)
SEED: Final = re.compile(r"seed \d+|NOT FOUND")
#: What takes longer waits for something that does not come.
LIMIT_S: Final = 180


def copy() -> None:
    """Bring the tree up to date; a file that is as it was keeps its time, and cargo its work."""
    for part in ("runtime/core", "proto", "examples/photos"):
        source, to = ROOT / part, TREE / part
        files = (file.relative_to(source) for file in source.rglob("*") if file.is_file())
        wanted = {file for file in files if "target" not in file.parts}
        for file in to.rglob("*") if to.exists() else ():
            if file.is_file() and file.relative_to(to) not in wanted:
                file.unlink()
        for name in wanted:
            if not (to / name).exists() or (to / name).read_bytes() != (source / name).read_bytes():
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source / name, to / name)


def find(bug: Bug) -> str | None:
    """Plant, test, take out again; return what the test said, or None if it found nothing.

    Raises:
        SystemExit: the planted code does not compile.
    """
    path = TREE / bug.file
    text = path.read_bytes()
    bug.plant(TREE)
    manifest = str(TREE / "runtime/core/Cargo.toml")
    command = ["cargo", "test", "--manifest-path", manifest, "--lib"]
    env = {**os.environ, "CARGO_TARGET_DIR": str(PLACE / "target"), "RUST_BACKTRACE": "0"}
    if bug.found_by.endswith("models"):
        env |= {"CARGO_TARGET_DIR": str(PLACE / "loom"), "RUSTFLAGS": "--cfg headrace_loom"}
    try:
        built = subprocess.run(
            [*command, "--no-run"], env=env, capture_output=True, text=True, check=False
        )
        if built.returncode:
            sys.exit(f"{bug.name}: the planted code does not compile\n{built.stderr}")
        return run([*command, "--", bug.found_by], env)
    finally:
        path.write_bytes(text)


def run(command: list[str], env: dict[str, str]) -> str | None:
    """Run a test; return what it said if it failed."""
    with subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # cargo does not take its child with it
    ) as running:
        try:
            output, _ = running.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            return f"it does not end within {LIMIT_S} s"
    if running.returncode == 0:
        return None
    said = list(SAYS.finditer(output))
    # The simulation says its seed last.
    told = next((one for one in said if SEED.search(one[0])), said[0] if said else None)
    return " ".join(told[0].split()) if told else output[-300:]


def main() -> None:
    """Try every bug that was asked for."""
    words = [word for word in sys.argv[1:] if word != "--markdown"]
    part = " ".join(words)
    wanted = [bug for bug in TABLE if part in bug.name]
    if not wanted:
        sys.exit(
            f"no bug has {part!r} in its name; there are:\n" + "\n".join(b.name for b in TABLE)
        )
    copy()
    missed = 0
    for bug in wanted:
        began = time.monotonic()
        said = find(bug)
        missed += said is None
        row = f"{bug.name}\n    {said or 'NOT FOUND'}  ({time.monotonic() - began:.0f} s)"
        if "--markdown" in sys.argv:
            seed = SEED.search(said or "NOT FOUND")
            row = f"| {bug.name} | {bug.finder} | {seed[0] if seed else ''} |"
        print(row, flush=True)
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
