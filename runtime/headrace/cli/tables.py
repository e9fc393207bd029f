"""Status, log and errors as a person reads them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

#: States in which a version is until somebody wants something.
COLUMNS = ("MODEL", "VERSION", "STATE", "HOSTS", "MEMORY", "SHARE", "WAITING", "RUNNING", "REASON")


def status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of ``GET /api/status``."""
    state = "ready" if status["ready"] else status["draining"] or "not ready"
    places = ", ".join(f"{name} {address}" for name, address in status["addresses"].items())
    # Where all versions share one process.
    shared = status["memory_bytes"].get("headrace")
    held = f" with {memory(shared)} in memory" if shared else ""
    yield f"{state}; engine {status['engine']}{held}; {places}"
    rows = [
        (
            model["name"],
            version,
            one["state"]
            if one["state"] in ("ready", "standby")
            else f"{one['state']} for {one['for_s']:.0f} s",
            f"{one['hosts']}/{one['hosts_wanted']}",
            process_memory(status, model["name"], one),
            f"{one['share_percent']:g} %",
            str(one["waiting"]),
            str(one["in_flight"]),
            first_line(one["reason"]) + mourning(one),
        )
        for model in status["models"]
        for version, one in _carried(model)
    ]
    yield from aligned([COLUMNS, *rows])
    for one in status["lost"]:
        had = f", had {one['share_percent']:g} % of the traffic" if one["share_percent"] else ""
        # Of a model whose source is away no version is known.
        label = one["model"] + (f"/{one['version']}" if one["version"] else "")
        yield f"lost {label}{had}: {first_line(one['reason'])}"
    for shadow in status.get("shadows", ()):  # a server of before has none
        yield from shadow_lines(shadow)


def _carried(model: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what is carried of a model, and what it is called: versions and their controls."""
    yield from ((str(one["version"]), one) for one in model["versions"])
    # A server of before has none.
    yield from ((f"{one['version']}+control", one) for one in model.get("controls", ()))


def hook_lines(hooks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each hook."""
    for one in hooks:
        counts = [f"{one[what]} {what}" for what in ("waiting", "taken", "refused", "dropped")]
        state = "; ended" if one["ended"] else f"; {one['tries']} tries" if one["tries"] else ""
        why = f": {first_line(one['last_error'])}" if one["last_error"] else ""
        yield f"hook {one['number']} ({one['url']}): {', '.join(counts)}{state}{why}"


def shadow_lines(shadow: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a shadow's answers are like, a line for each version that callers have."""
    dropped = sum(shadow["dropped"].values())
    causes = ", ".join(f"{cause} {count}" for cause, count in shadow["dropped"].items())
    told = f"{shadow['copied']} copied, {dropped} dropped{f' ({causes})' if causes else ''}"
    name = f"{shadow['model']}/{shadow['version']} is a shadow of {shadow['share'] / 100:g} %"
    if not shadow["against"]:
        yield f"{name}: nothing is compared yet; {told}"
    for one in shadow["against"]:
        found = one["found"]
        times = (
            f"; {found['shadow_ms']:.3g} ms in the model's host beside {found['primary_ms']:.3g}"
            if found["compared"]
            else ""
        )
        said = f"{one['verdict']} ({one['why']})"
        yield f"{name} beside version {one['primary']}: {said}{times}; {told}"


def version_lines(found: Mapping[str, Any], model: str = "") -> Iterator[str]:
    """Yield the table of ``GET /api/versions``, and below it what else decides who answers."""
    yield from version_rows(found["versions"])
    for name, traffic in found["traffic"].items():
        if model in ("", name):
            yield from traffic_lines(name, traffic)


def traffic_lines(model: str, traffic: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each alias and rule, for what sticks, and for each shadow."""
    for name, version in traffic.get("aliases", {}).items():
        yield f"{model}/{name} is version {version}"
    for fact, value, version in traffic["rules"]:
        yield f"{model}/{version} has requests with {fact}={value}"
    if traffic["sticky"]:
        yield f"{model}: requests with the same {traffic['sticky']} stay with one version"
    for version, share, *_ in traffic.get("shadows", ()):
        yield f"{model}/{version} is a shadow of {share / 100:g} % of what others answer"


def version_rows(versions: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the table of versions."""
    rows = [
        (
            one["model"],
            str(one["version"]),
            one["state"],
            f"{one['share_percent']:g} %{_coming(one)}" if one["wanted"] else "-",
            one["folder"],
            first_line("; ".join(filter(None, (one.get("quarantined"), one["reason"])))),
        )
        for one in versions
    ]
    yield from aligned([("MODEL", "VERSION", "STATE", "SHARE", "FOLDER", "REASON"), *rows])


def _coming(version: Mapping[str, Any]) -> str:
    """Return what share a version will have, where that waits for one that is on its way."""
    coming = version["coming_percent"]
    return "" if coming in (None, version["share_percent"]) else f", then {coming:g} %"


def journal_rows(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the table of ``GET /api/journal``."""
    rows = [
        (
            str(one["number"]),
            date_time(one["unix_ms"]),
            one["who"],
            one["model"],
            first_line(one["what"]),
            first_line(one["why"]),
        )
        for one in entries
    ]
    yield from aligned([("ENTRY", "WHEN", "WHO", "MODEL", "WHAT", "WHY"), *rows])


def process_memory(status: Mapping[str, Any], model: str, version: Mapping[str, Any]) -> str:
    """Return what the processes of a version hold, and who they are if others share them."""
    process = version["process"]
    held = memory(status["memory_bytes"].get(process))
    alone = process.removesuffix("+control") == f"{model}/{version['version']}"
    return held if alone or not process else f"{held} ({process})"


def memory(held: int | None) -> str:
    """Return bytes as people read them; nothing for a version without a process of its own."""
    return f"{held / (1 << 20):.0f} MiB" if held else "-"


def mourning(version: Mapping[str, Any]) -> str:
    """Return how often the hosts of a version that serves died, and why the last one did.

    One that another server has loses that, and nobody's process has ended.
    """
    many = version["deaths"]
    if not many or version["state"] != "ready":
        return ""
    if not version["last_death"]:
        return f"; its server was lost {'once' if many == 1 else f'{many} times'}"
    hosts = "1 host" if many == 1 else f"{many} hosts"
    return f"; {hosts} died, the last one {first_line(version['last_death'])}"


def log_lines(lines: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the lines of ``GET /api/logs``, each with its time and speaker."""
    for one in lines:
        for text in one["text"].split("\n"):
            yield f"{clock_time(one['unix_ms'])} {one['speaker']} | {text}"


def error_rows(errors: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each error of ``GET /api/errors``."""
    rows = [
        (
            clock_time(one["unix_ms"]) if "unix_ms" in one else "",
            one["id"],
            one.get("kind", ""),
            who(one),
            first_line(one.get("note") or one.get("log", "")),
        )
        for one in errors
    ]
    yield from aligned([("TIME", "ID", "KIND", "MODEL", "WHAT"), *rows])


def error_lines(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield everything that is known of one error."""
    yield f"{error['id']}: {error.get('kind', 'logged')} of {who(error) or 'no model'}"
    if "unix_ms" in error:
        callers = error.get("callers", 1)
        yield f"at {clock_time(error['unix_ms'])}, told to {callers} caller{'s'[: callers != 1]}"
    if "note" in error:
        yield f"callers were told: {error['note']}"
    if "log" in error:
        yield "the log has:"
        yield from error["log"].split("\n")


def who(error: Mapping[str, Any]) -> str:
    """Return the model, or model and version, that an error is of."""
    if error.get("model"):
        version = error.get("version")
        return f"{error['model']}/{version}" if version else str(error["model"])
    return str(error.get("speaker", ""))


def aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield rows with their columns under each other; the last column is as long as it is."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*cells, row[-1]]).rstrip()


def first_line(text: str) -> str:
    """Return the first line of a text, marked where there is more."""
    first, more, _ = text.partition("\n")
    return f"{first} …" if more else first


def date_time(unix_ms: int) -> str:
    """Return a time with its day."""
    return datetime.fromtimestamp(unix_ms / 1000).strftime("%Y-%m-%d %H:%M:%S")


def clock_time(unix_ms: int) -> str:
    """Return a time as the clock on the wall shows it."""
    return datetime.fromtimestamp(unix_ms / 1000).strftime("%H:%M:%S.%f")[:-3]
