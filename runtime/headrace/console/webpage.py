"""The console's web page: files of the package, and who may be shown them."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from headrace.config.loopback import is_loopback

#: Path of a request → the file below ``page/`` and its media type. Nothing else is ever read.
FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    **{
        f"/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8")
        for name in (
            "api",
            "charts",
            "controls",
            "drift",
            "element",
            "main",
            "rollouts",
            "versions",
        )
    },
}
#: Nothing comes from elsewhere, runs that is written into the page, or frames it.
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; object-src 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True)
class PageFile:
    """One file as it is sent."""

    media_type: str
    content: bytes


def page_file(path: str) -> PageFile:
    """Return the file of the page that is at a path of `FILES`."""
    name, media_type = FILES[path]
    return PageFile(media_type, (files("headrace.console") / "page" / name).read_bytes())


def may_ask(listens_on: str, header: str | None) -> bool:
    """Whether a request with this ``Host`` header is meant for a console that listens there.

    On a loopback address only names of it are: a page of the web whose name was pointed here after
    it was loaded (DNS rebinding) is of the same origin as the console otherwise.
    """
    if header is None or not is_loopback(listens_on):
        # Without the header it is no browser.
        return True
    try:
        return is_loopback(urlsplit(f"//{header}").hostname or "")
    except ValueError:
        return False
