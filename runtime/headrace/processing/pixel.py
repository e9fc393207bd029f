"""A picture, for whoever needs any."""

from base64 import b64decode
from typing import Final

#: A grey pixel, as PNG.
PIXEL: Final = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
