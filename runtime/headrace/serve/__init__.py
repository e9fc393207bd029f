"""The engine on Ray Serve, which places, watches and replaces processes and carries no requests.

The only folder that imports ray.
"""

from headrace.config.options import ServeOptions


def run(options: ServeOptions) -> int:
    """Serve until a signal; return the exit code.

    Raises:
        HeadraceError: it cannot start as asked: models, ports, the state folder.
    """
    from headrace.serve.launch import launch

    return launch(options)
