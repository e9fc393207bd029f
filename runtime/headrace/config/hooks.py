"""Who is told of what happens: addresses and the secret that signs. Pure."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from headrace.config.loopback import is_loopback
from headrace.errors import ConfigInvalid

#: Of the environment: who lists processes sees arguments, and not these.
SECRET: Final = "HEADRACE_HOOK_SECRET"
HOOKS: Final = "HEADRACE_HOOKS"
MOST: Final = 8
MOST_CHARACTERS: Final = 2048
#: Before an http:// address that is not of this machine: what is told can be read on the way.
CLEARTEXT: Final = "cleartext:"
PREFIX: Final = "whsec_"
#: Bytes of a secret, as the Standard Webhooks specification has them.
LEAST_KEY: Final = 24
MOST_KEY: Final = 64


@dataclass(frozen=True)
class Hook:
    """One address; nothing of it that may be a secret is shown."""

    #: The first is 1.
    number: int
    scheme: str
    host: str
    port: int | None
    #: Path and query; either may have a token in it.
    target: str = field(repr=False)
    #: Name and password, or nothing.
    user: tuple[str, str] | None = field(repr=False)
    #: As it was given.
    text: str = field(repr=False)

    @property
    def shown(self) -> str:
        """What people may see of it: where it is, and not what lets one in."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{host}{port}{'' if self.target == '/' else '/…'}"

    @property
    def folder(self) -> str:
        """Name of the folder of what it is still to be told: the same at each start."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class Hooks:
    """All of them, and what their events are signed with."""

    hooks: tuple[Hook, ...] = ()
    key: bytes = field(default=b"", repr=False)
    #: As the environment had it.
    secret: str = field(default="", repr=False)

    @property
    def environ(self) -> dict[str, str]:
        """The variables that say this, which are none of a model's."""
        if not self.hooks:
            return {}
        return {HOOKS: " ".join(one.text for one in self.hooks), SECRET: self.secret}


NO_HOOKS: Final = Hooks()


def read(urls: Sequence[str], secret: str | None) -> Hooks:
    """Return what ``--hook`` and the environment say.

    Raises:
        ConfigInvalid: an address is none or too open, there are too many, or no secret.
    """
    if not urls:
        return NO_HOOKS
    if len(urls) > MOST:
        raise ConfigInvalid(f"{len(urls)} hooks: expected at most {MOST}; one can tell others")
    hooks = tuple(_hook(number, text) for number, text in enumerate(urls, start=1))
    if len({one.text for one in hooks}) < len(hooks):
        raise ConfigInvalid("a hook is given twice: it would be told everything twice")
    return Hooks(hooks, key(secret), secret or "")


def key(secret: str | None) -> bytes:
    """Return the bytes of a secret as the Standard Webhooks specification writes it.

    Raises:
        ConfigInvalid: it is none; the text has nothing of it.
    """
    how = (
        f"set {SECRET} to {PREFIX} and {LEAST_KEY} to {MOST_KEY} random bytes in base64, such as "
        f'`echo "{PREFIX}$(head -c 32 /dev/urandom | base64)"` prints'
    )
    if not secret:
        raise ConfigInvalid(f"a hook without a secret could be told by anybody: {how}")
    if not secret.startswith(PREFIX):
        raise ConfigInvalid(f"{SECRET} does not begin with {PREFIX}: {how}")
    try:
        found = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigInvalid(f"{SECRET} is no base64: {how}") from error
    if not LEAST_KEY <= len(found) <= MOST_KEY:
        raise ConfigInvalid(f"{SECRET} has {len(found)} bytes: {how}")
    return found


def _hook(number: int, text: str) -> Hook:
    url = text.removeprefix(CLEARTEXT)
    # Nothing of the text itself is said: it may hold a password.
    said = f"hook {number}"
    if len(url) > MOST_CHARACTERS:
        raise ConfigInvalid(f"{said} has {len(url)} characters: expected at most {MOST_CHARACTERS}")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ConfigInvalid(f"{said} has characters that no URL has: write them as %XX")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigInvalid(f"{said} is no URL: expected https://HOST/PATH") from error
    if parts.scheme not in ("https", "http") or not host or parts.fragment or port == 0:
        raise ConfigInvalid(f"{said} is no address to post to: expected https://HOST/PATH")
    if parts.scheme == "http" and not is_loopback(host) and not text.startswith(CLEARTEXT):
        raise ConfigInvalid(
            f"{said} is http:// to {host}, where others can read what is told on its way: take "
            f"https://, or write {CLEARTEXT}http://… if that network is yours"
        )
    user = None
    if parts.username is not None:
        user = unquote(parts.username), unquote(parts.password or "")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Hook(number, parts.scheme, host, port, target, user, text)
