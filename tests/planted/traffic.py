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
    Bug(
        "shadow: a copy is sent while callers are served",
        f"{CORE}/gateway/shadow/quiet.rs",
        "if gate.inside() == 0 {",
        "if gate.inside() < usize::MAX {",
        "gateway::tests::shadow",
    ),
    Bug(
        "shadow: a copy is tried again as a caller's request",
        f"{CORE}/gateway/queue/settle.rs",
        "if pending.is_copy {",
        "if pending.is_copy && false {",
        "gateway::tests::shadow",
    ),
    Bug(
        "shadow: copies that became too old are sent",
        f"{CORE}/gateway/shadow/line.rs",
        "copy.since.plus(PATIENCE) <= now",
        "copy.since.plus(PATIENCE) < Tick::default()",
        "gateway::tests::shadow",
    ),
    Bug(
        "shadow: errors are relative to the largest of all rows",
        f"{CORE}/decide/compare.rs",
        "(row.abs / scale)",
        "(row.abs / scale.max(100.0))",
        "decide::compare",
    ),
]
