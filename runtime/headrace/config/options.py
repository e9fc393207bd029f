"""What `headrace serve` was asked for."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from headrace.config.account import WHO_READS, Account
from headrace.config.allowed import ANY, Allowed
from headrace.config.digest import digest
from headrace.config.hooks import NO_HOOKS, Hooks
from headrace.config.pins import Pins
from headrace.vocabulary import FIRST_PORT

#: Of the environment: a URL with a password is nobody's who lists processes.
DATABASE: Final = "HEADRACE_DATABASE"
#: In the state folder: what callers sent, of models whose model.yaml has that kept.
RECORDINGS: Final = "recorded"
#: The state folder, where nothing else is said.
STATE: Final = Path(".headrace")


@dataclass(frozen=True)
class ServeOptions:
    """One run of the server; both engines take it."""

    #: A folder of models, or one model's folder.
    repository: Path
    engine: Literal["ray", "local"] = "ray"
    #: Address to listen on; 0.0.0.0 is everywhere.
    host: str = "127.0.0.1"
    #: HTTP is on this port, gRPC, metrics and console on the next three.
    first_port: int = FIRST_PORT
    #: Logs and whatever else a run keeps.
    state: Path = STATE
    #: URL of the database of what is wanted; empty for SQLite in the state folder.
    database: str = field(default="", repr=False)
    #: How long accepted work may take to finish when the server is told to end.
    drain_s: float = 30.0
    #: Clients may have models loaded and unloaded over HTTP and gRPC.
    model_control: bool = False
    #: Who may name a version; None: anyone.
    pins: Pins | None = None
    #: Load what is new in the repository, as `versions.on_new` says.
    watch: bool = False
    #: Sources that a model.yaml may name.
    sources: Allowed = ANY
    #: Who is told what was decided and what has failed.
    hooks: Hooks = NO_HOOKS
    #: As whom registries are told.
    account: Account = WHO_READS
    #: How many versions in shared processes are in memory at once; None: all that are wanted.
    max_loaded: int | None = None
    #: Processes that are kept ready for hosts to come, on Ray.
    spare_hosts: int = 1
    #: The gateway's limits that are not to be the core's own, by name.
    limits: Mapping[str, int] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        """What the environment says of this and models are not to see."""
        database = {DATABASE: self.database} if self.database else {}
        pins = self.pins.environ if self.pins else {}
        return database | pins | self.hooks.environ | dict(self.account.environ)

    @property
    def worst(self) -> Path:
        """Where gateways keep the pairs of answers of shadows that are furthest apart."""
        return self.state.absolute() / "worst"

    def gateway(
        self, io_threads: int, arena_bytes: int, prediction_key: bytes, token: str | None = None
    ) -> dict[str, Any]:
        """Return the settings of the gateway's core, which are not to be shown: they have keys.

        ``token``: the console's, where it asks for one.
        """
        return {
            "http": self.address(0),
            "grpc": self.address(1),
            "metrics": self.address(2),
            "io_threads": io_threads,
            "arena_bytes": arena_bytes,
            "model_control": self.model_control,
            "pins": self.pins and self.pins.as_gateway_reads(),
            "prediction_key": urlsafe_b64encode(prediction_key).decode().rstrip("="),
            "labels": {"console": self.address(3), "token_sha256": token and digest(token)},
            "worst": str(self.worst),
            "limits": dict(self.limits),
        }

    def address(self, offset: int) -> str:
        """Return host:port of HTTP (0), gRPC (1), metrics (2) or console (3)."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.first_port + offset}"
