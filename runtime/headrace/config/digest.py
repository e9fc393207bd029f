"""What a gateway knows a secret by: Ray writes down what it is told. Pure."""

import base64
import hashlib


def digest(secret: str) -> str:
    """Return SHA-256, as the core reads it."""
    found = hashlib.sha256(secret.encode()).digest()
    return base64.urlsafe_b64encode(found).decode().rstrip("=")
