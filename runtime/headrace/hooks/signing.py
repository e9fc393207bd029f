"""Signatures as the Standard Webhooks specification 1.0 has them. Pure."""

import base64
import hashlib
import hmac


def signed(key: bytes, name: str, at_s: int, body: bytes) -> dict[str, str]:
    """Return the headers of one try to tell a body.

    Args:
        key: the bytes of the secret.
        name: of what is told, the same at each try; without a full stop.
        at_s: of this try, in seconds since 1970.
        body: as it is sent, to the byte.
    """
    content = f"{name}.{at_s}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode()
    return {
        "webhook-id": name,
        "webhook-timestamp": str(at_s),
        "webhook-signature": f"v1,{signature}",
    }
