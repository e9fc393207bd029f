"""Where a run keeps its things: the state folder, and a short folder for sockets."""

import contextlib
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headrace.config.options import RECORDINGS
from headrace.console import state as state_folder
from headrace.errors import StateInvalid
from headrace.serve.workers import PRELOADED

#: A path of a Unix socket has at most 107 bytes; our folder and names take up to 40 of them.
LONGEST_BASE_BYTES: Final = 60
#: In the state folder.
TOKEN: Final = "ray-token"
#: In the run's own folder: a link to the folder of its sockets.
SOCKETS: Final = "sockets"
#: What the name of that folder begins with.
PREFIX: Final = "headrace-"


@dataclass(frozen=True)
class Places:
    """One run's folders: `ray` and `sockets` are fresh, the rest of `state` outlives the run."""

    state: Path
    ray: Path
    logs: Path
    #: 0700 and short.
    sockets: Path
    #: The open lock file: the state folder is this run's for as long as it stays open.
    lock: int

    @property
    def log_socket(self) -> Path:
        """The socket on which the run takes output and events."""
        return self.sockets / "log"

    @property
    def ray_sockets(self) -> Path:
        """Ray's own sockets: it opens their folder to everybody, and ours is for us alone."""
        return self.sockets / "r"

    @property
    def recordings(self) -> Path:
        """The folder of what callers sent, of models that keep it."""
        return self.state / RECORDINGS

    @property
    def calls(self) -> Path:
        """The socket on which the gateway at work takes the calls that models make."""
        return self.sockets / "calls"

    @property
    def turn(self) -> Path:
        """The file whose lock is the turn to serve on this node."""
        return self.sockets / "turn"

    @property
    def token(self) -> Path:
        """The file with the secret that every Ray process of the run shows."""
        return self.state / TOKEN


def claim(state: Path) -> Places:
    """Make the folders and take the state folder for this process.

    What an earlier run left in `ray` goes: Ray's record of a run is worth nothing after it. So do
    its sockets, where nobody was left to remove them.

    Raises:
        StateInUse: another process has it; the message names that process.
        StateInvalid: it cannot be made or written, or there is no place for sockets.
    """
    state = state.absolute()
    logs = state / "logs"
    lock = state_folder.take(state)
    with contextlib.ExitStack() as held:
        held.callback(state_folder.let_go, lock)
        # A name that nobody gives a folder of their own: it is emptied. Ray opens the folder that
        # it is given to everybody, and what lies there runs as this user: it lies within ours.
        ours = state / "headrace-ray"
        ray = ours / "r"
        try:
            logs.mkdir(exist_ok=True)
            _remove_sockets(ours / SOCKETS)
            shutil.rmtree(ours, ignore_errors=True)
            ours.mkdir(mode=0o700)
            ray.mkdir()
            # Ray keeps its tables there, and does not make it.
            (ray / "gcs").mkdir()
            _write_token(state / TOKEN)
        except OSError as error:
            raise state_folder.unfit(state, error) from error
        sockets = _sockets()
        held.callback(shutil.rmtree, sockets, ignore_errors=True)
        try:
            (ours / SOCKETS).symlink_to(sockets)
        except OSError as error:
            raise state_folder.unfit(state, error) from error
        places = Places(state=state, ray=ray, logs=logs, sockets=sockets, lock=lock)
        held.pop_all()
    return places


def _remove_sockets(link: Path) -> None:
    with contextlib.suppress(OSError):
        left = link.readlink()
        if left.name.startswith(PREFIX) and left.stat().st_uid == os.getuid():
            shutil.rmtree(left, ignore_errors=True)


def _write_token(path: Path) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))


def release(places: Places) -> None:
    """Remove what only this run needed, and let the state folder go."""
    shutil.rmtree(places.sockets, ignore_errors=True)
    state_folder.let_go(places.lock)


def _sockets() -> Path:
    bases = [os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"]
    for base in bases:
        if base and len(os.fsencode(base)) <= LONGEST_BASE_BYTES and os.access(base, os.W_OK):
            with contextlib.suppress(OSError):
                # mkdtemp makes it 0700.
                return Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    tried = ", ".join(base for base in bases if base)
    raise StateInvalid(
        f"no folder for sockets could be made (tried {tried}): set XDG_RUNTIME_DIR to a folder "
        f"that this user can write to, with a path of at most {LONGEST_BASE_BYTES} bytes"
    )


def ray_environment(places: Places) -> dict[str, str]:
    """Return the environment that makes Ray private to this run and quiet.

    Every process of the run inherits it, and OMP_NUM_THREADS too, which Ray would set to 1.
    """
    gcs = places.ray / "gcs"
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(places.token),
        "RAY_USAGE_STATS_ENABLED": "0",
        # 0 would replace `print` in every replica, and a model's words would end in Serve's log.
        "RAY_SERVE_LOG_TO_STDERR": "1",
        # Ray runs workers at nice 15; gateways and hosts are what this machine is for.
        "RAY_worker_niceness": "0",
        # Ray would end what it thinks best, be it a gateway, once the machine's memory is nearly
        # used up. The kernel ends the process that holds most, which is a model's, and counts it.
        "RAY_memory_monitor_refresh_ms": "0",
        # One for four cores of the machine, whatever its container has, for calls of which there
        # is one now and then.
        "RAY_num_server_call_thread": "1",
        "RAY_preload_python_modules": ",".join(PRELOADED),
        "RAY_gcs_server_rpc_server_thread_num": "1",
        "RAY_gcs_server_rpc_client_thread_num": "1",
        "RAY_object_manager_rpc_threads_num": "1",
        "RAY_gcs_storage": "rocksdb",
        "RAY_gcs_storage_path": str(gcs),
    }
