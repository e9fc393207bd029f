"""Bugs in how requests are divided among versions."""

from typing import Final

from tests.planted.bugs import CORE, Bug

TRAFFIC: Final = [
    Bug(
        "rules: the last one that fits decides",
        f"{CORE}/decide/policy.rs",
        "self.rules.iter().find(fits)",
        "self.rules.iter().rev().find(fits)",
        "decide::route",
    ),
    Bug(
        "sticky: the salt is left out",
        f"{CORE}/decide/sticky.rs",
        "        hasher.write(salt.as_bytes());\n",
        "        let _ = salt;\n",
        "decide::sticky",
    ),
    Bug(
        "sticky: who takes over is the table's first",
        f"{CORE}/decide/route.rs",
        "Order::Key(key) => open.min_by_key(|share| (key.score(share), share.version)),",
        "Order::Key(key) if shares.iter().all(|share| may(share.version)) => {\n"
        "                open.min_by_key(|share| (key.score(share), share.version))\n"
        "            }\n"
        "            Order::Key(_) => open.next(),",
        "decide::route",
    ),
]
