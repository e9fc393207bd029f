"""From Serve's table of replicas to the endpoints that a gateway connects to."""

import json
from collections.abc import Iterable
from typing import Any, Final

#: The deployment's name within each host application.
HOST: Final = "host"

#: A replica's id and what it recorded about itself.
Replica = tuple[str, dict[str, Any]]


def endpoints(applications: Iterable[Iterable[Replica]]) -> str:
    """Return the whole set as the core reads it; replicas that recorded no socket are not hosts."""
    found = {
        name: {"id": name, "socket": metadata["socket"]}
        for replicas in applications
        for name, metadata in replicas
        if "socket" in metadata
    }
    return json.dumps([found[name] for name in sorted(found)])
