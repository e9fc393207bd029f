"""What the console's answers come from."""

from dataclasses import dataclass
from typing import Final

from headrace.console.board import Board
from headrace.console.logbook import Logbook
from headrace.console.operations import Operations
from headrace.control.controller import Controller
from headrace.control.drift import Drift
from headrace.control.rollouts import Rollouts

#: The header that says who asks. A page in somebody's browser cannot send it to another place than
#: its own without asking there.
CLIENT: Final = "Headrace-Client"
#: What each answer calls its server, by which commands tell a console from other ports and servers.
SERVER: Final = "headrace"


@dataclass(frozen=True)
class Sources:
    """An engine, its log and its controller. Any thread may ask any of them."""

    board: Board
    logbook: Logbook
    operations: Operations
    controller: Controller
    rollouts: Rollouts
    drift: Drift
