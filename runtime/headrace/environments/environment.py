"""A virtual environment with a version's own packages, over those that Headrace runs with.

STATE/environments/KEY/       the environment
STATE/environments/KEY.made   written last, and locked by who uses it: without it KEY is made anew
"""

import fcntl
import importlib.metadata
import importlib.util
import os
import shutil
import site
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from headrace.environments.requirements import MOST_BYTES, check, constraints, key
from headrace.errors import RequirementsInvalid

#: Environments that are kept; the longest unused goes first, and never one that is in use.
MOST: Final = 16
#: Lines of pip's that are told when it fails: the last ones say why.
TOLD_LINES: Final = 12
#: What pip says of its progress.
_PROGRESS: Final = ("Downloading ", "Installing ", "Building ", "Successfully installed ")

#: Environments that this process uses → their locks, open until it ends.
_HELD: dict[Path, int] = {}


def interpreter(requirements: Path, state: Path, say: Callable[[str], None]) -> Path:
    """Return the Python that has what a requirements file asks for; it is made if need be.

    Packages that are not in the file are those of this process's own environment.

    Args:
        requirements: as pip reads it; paths in it are relative to its folder.
        state: the state folder, where environments are kept.
        say: hears what takes its time.

    Raises:
        RequirementsInvalid: it cannot be had.
    """
    try:
        return _interpreter(requirements, state.absolute() / "environments", say)
    except OSError as error:
        raise RequirementsInvalid(
            f"{requirements}: {error.filename or 'its environment'} cannot be used "
            f"({error.strerror})"
        ) from error


def _interpreter(requirements: Path, kept: Path, say: Callable[[str], None]) -> Path:
    text = _text(requirements)
    check(text, requirements)
    installed = {
        one.name.lower().replace("_", "-"): one.version
        for one in importlib.metadata.distributions()
    }
    folder = kept / key(
        text, str(requirements.absolute().parent), installed, sys.version_info[:3], sys.prefix
    )
    made = folder.with_suffix(".made")
    with _alone(kept, requirements, say):
        if not made.exists():
            say(f"{requirements}: installing its packages, for the first time")
            _make(folder, requirements, constraints(installed), say)
            made.touch()
            _make_room(kept, made)
        os.utime(made)
        _hold(made)
    return _python(folder)


def _text(requirements: Path) -> str:
    with requirements.open("rb") as file:
        read = file.read(MOST_BYTES + 1)
    if len(read) > MOST_BYTES:
        raise RequirementsInvalid(f"{requirements} has more than {MOST_BYTES} bytes")
    try:
        return read.decode()
    except UnicodeDecodeError as error:
        raise RequirementsInvalid(f"{requirements} is not UTF-8: {error}") from error


def _make(folder: Path, requirements: Path, held_to: str, say: Callable[[str], None]) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], requirements, None)
    python = _python(folder)
    below = [one for one in _packages() if Path(one).is_dir()]
    # Not --system-site-packages: of a virtual environment that means the Python below it. Read at
    # each start, after the environment's own packages, and with what stands in files of its kind.
    lines = [f"import site; site.addsitedir({one!r})\n" for one in below]
    (own,) = (folder / "lib").glob("python*/site-packages")
    (own / "headrace-below.pth").write_text("".join(lines))
    pins = folder / "constraints.txt"
    pins.write_text(held_to)
    if importlib.util.find_spec("pip") is None:
        _run([str(python), "-m", "ensurepip"], requirements, None)
    pip = [str(python), "-m", "pip", "--no-input", "--disable-pip-version-check", "install"]
    quiet = ["--progress-bar", "off", "--no-warn-script-location"]
    _run([*pip, *quiet, "-c", str(pins), "-r", str(requirements.absolute())], requirements, say)


def _packages() -> list[str]:
    user = [site.getusersitepackages()] if site.ENABLE_USER_SITE else []
    return [*site.getsitepackages(), *user]


def _run(command: list[str], requirements: Path, say: Callable[[str], None] | None) -> None:
    last: deque[str] = deque(maxlen=TOLD_LINES)
    with subprocess.Popen(
        command,
        cwd=requirements.absolute().parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            if say is not None and line.lstrip().startswith(_PROGRESS):
                say(f"{requirements}: {line.strip()}")
    if process.returncode != 0:
        said = "\n  ".join(last)
        raise RequirementsInvalid(
            f"{requirements}: its packages cannot be installed; pip said last\n  {said}"
        )


def _python(folder: Path) -> Path:
    return folder / "bin" / "python"


@contextmanager
def _alone(kept: Path, requirements: Path, say: Callable[[str], None]) -> Iterator[None]:
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / ".lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"{requirements}: waits, another process installs into {kept}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _hold(made: Path) -> None:
    if made not in _HELD:
        lock = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_SH)
        _HELD[made] = lock


def _make_room(kept: Path, new: Path) -> None:
    """Remove what is too much; a folder without its mark is begun anew if it is asked for."""
    oldest = sorted(kept.glob("*.made"), key=lambda one: one.stat().st_mtime)
    surplus = len(oldest) - MOST
    for made in oldest:
        if surplus > 0 and made != new:
            with made.open("rb") as lock, suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                made.unlink()
                shutil.rmtree(made.with_suffix(""))
                surplus -= 1
