"""Object stores are listed and read here, in the process of `headrace.registry.answering`."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from headrace.errors import SourceAway, SourceInvalid
from headrace.registry import listing
from headrace.registry.listing import Object
from headrace.registry.pieces import fetch

INSTALL: Final = "pip install 'headrace[stores]'"
LOCAL: Final = "file://"
#: The first of these that is set is where S3 is; a store without TLS is one of one's own.
ENDPOINTS: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
#: Of one request with `listing.PIECE_BYTES`, and of all tries of it: the library's, by which a
#: server without its store starts from what is here within a minute.
REQUEST_S: Final = 120
CONNECT_S: Final = 5
RETRIES: Final = 4
RETRY_S: Final = 60
#: Of a list that comes at once.
LISTED: Final = 1000


def answer(question: Mapping[str, Any], say: Callable[[str], None]) -> Any:
    """Return which version is meant, or bring its files.

    Raises:
        SourceInvalid: it is not there, is not what it was, or may not be had.
        SourceAway: the store gives no answer.
    """
    address = str(question["address"])
    try:
        store = _open(address, os.environ)
        found = listing.versions(_objects(store, question["version"]), address)
        number = listing.chosen(found, question["version"], address)
        objects = found[number]
        digest = listing.digest(address, objects)
        if question["ask"] == "resolve":
            return {"number": number, "digest": digest}
        if digest != question["digest"]:
            raise SourceInvalid(
                f"{address}/{number} was changed after it was listed: start again once nobody "
                "writes there"
            )
        target = Path(question["target"])
        _check_room(objects, f"{address}/{number}", target, question["most_bytes"])
        fetch(store, number, objects, target, say)
    except SourceInvalid:
        raise
    except ModuleNotFoundError as error:
        raise SourceInvalid(
            f"{error.name} is not installed, which an object store needs: {INSTALL}"
        ) from error
    except Exception as error:
        raise _told(error, address) from error
    return None


def _open(address: str, environ: Mapping[str, str]) -> Any:
    from obstore.store import from_url

    if address.startswith(LOCAL):
        folder = Path(address.removeprefix(LOCAL))
        if not folder.is_dir():
            # As where nothing is mounted.
            raise SourceAway(f"{folder} is no folder: is it mounted?")
        if link := next((one for one in folder.rglob("*") if one.is_symlink()), None):
            raise SourceInvalid(f"{link} is a link: expected files; put what it leads to there")
        return from_url(folder.as_uri())
    endpoint = next((environ[name] for name in ENDPOINTS if environ.get(name)), "")
    return from_url(
        address,
        config={"endpoint": endpoint} if endpoint and address.startswith("s3://") else None,
        client_options={
            "connect_timeout": timedelta(seconds=CONNECT_S),
            "timeout": timedelta(seconds=REQUEST_S),
            **({"allow_http": True} if endpoint.startswith("http://") else {}),
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_S)},
    )


def _objects(store: Any, version: int | None) -> Iterator[Object]:
    import obstore

    prefix = None if version is None else f"{version}/"
    for some in obstore.list(store, prefix, chunk_size=LISTED):
        for one in some:
            yield Object(one["path"], one["size"], one["e_tag"])


def _check_room(objects: list[Object], name: str, target: Path, most_bytes: int) -> None:
    total = sum(one.bytes for one in objects)
    # Files that are sparse have their length before they have their bytes.
    here = sum(one.stat().st_blocks * 512 for one in target.rglob("*") if one.is_file())
    if total > most_bytes:
        raise SourceInvalid(
            f"the files at {name} have {total} bytes, and {most_bytes} may be kept here: raise "
            "HEADRACE_MODEL_CACHE_GIB"
        )
    free = shutil.disk_usage(target).free
    if total - here > free:
        raise SourceInvalid(
            f"the files at {name} have {total} bytes, of which {here} are here, and {free} are "
            f"free below {target}: make room"
        )


def _told(error: Exception, address: str) -> SourceInvalid:
    """Return an error of the library, or of the disk, in words; its own may show a signed query."""
    from obstore import exceptions

    text = re.sub(r"\?[^\s)\"]*", "?…", str(error).partition("\n")[0])
    match error:
        case OSError() if error.errno is not None:
            return SourceInvalid(
                f"{error.filename or address} cannot be kept ({error.strerror}): make room, or let "
                "this user write there"
            )
        case exceptions.PermissionDeniedError() | exceptions.UnauthenticatedError():
            return SourceInvalid(
                f"{address} may not be read ({text}): check the credentials in the environment, "
                "and what they allow"
            )
        case exceptions.NotFoundError():
            return SourceInvalid(f"there is nothing at {address} ({text}): correct the address")
        case exceptions.PreconditionError():
            return SourceInvalid(
                f"{address} was changed while it was fetched ({text}): start again once nobody "
                "writes there"
            )
        case exceptions.InvalidPathError():
            return SourceInvalid(
                f"{address} has an object that cannot be a file ({text}): rename it, or take it out"
            )
        # The library has no error of its own for a bucket that there is not.
        case _ if "status code: 404" in text:
            return SourceInvalid(f"there is nothing at {address} ({text}): correct the address")
        case _:
            return SourceAway(
                f"{address} gives no answer ({text}): is it up, are its address and the "
                "environment's credentials, region and endpoint right?"
            )
