"""What a gateway has counted, from its metrics page."""

from time import monotonic
from typing import Final
from urllib.request import ProxyHandler, build_opener

from headrace.console.rates import Reading, read

#: For the gateway to say what it has counted, and how much of it is read.
LIMIT_S: Final = 2.0
MOST_BYTES: Final = 64 << 20
#: It is on this machine, whatever the environment says of proxies.
OPENER: Final = build_opener(ProxyHandler({}))


def scrape(address: str) -> Reading:
    """Return what the gateway whose metrics page is at ``address``, host:port, has counted.

    Raises:
        OSError, ValueError: no gateway serves there at the moment.
    """
    with OPENER.open(f"http://{address}/metrics", timeout=LIMIT_S) as answer:
        page = answer.read(MOST_BYTES).decode()
    return read(page, monotonic())
