"""The engine `local`: gateway and host in one process, without Ray."""

from headrace.config.options import ServeOptions


def run(options: ServeOptions) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP; return 0, or 1 when there is nothing to serve.

    Raises:
        HeadraceError: the repository is wrong, or a port is taken.
    """
    # Brings what only a server needs.
    from headrace.local.server import run as run_server

    return run_server(options)
