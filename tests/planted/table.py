"""Every bug that is planted."""

from typing import Final

from tests.planted.bugs import BUGS
from tests.planted.joins import JOINS
from tests.planted.lengths import LENGTHS
from tests.planted.orders import ORDERS
from tests.planted.peers import PEERS
from tests.planted.regions import REGIONS
from tests.planted.routes import ROUTES
from tests.planted.sequences import SEQUENCES
from tests.planted.sessions import SESSIONS
from tests.planted.steps import STEPS
from tests.planted.traffic import TRAFFIC

TABLE: Final = [
    *BUGS,
    *ORDERS,
    *SESSIONS,
    *PEERS,
    *LENGTHS,
    *STEPS,
    *JOINS,
    *ROUTES,
    *SEQUENCES,
    *REGIONS,
    *TRAFFIC,
]
