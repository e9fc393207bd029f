"""Which version a value belongs to, written from docs/traffic.md alone."""

from collections.abc import Iterator, Mapping

_MASK = (1 << 64) - 1


def _rotated(number: int, by: int) -> int:
    return (number << by | number >> (64 - by)) & _MASK


def siphash_2_4(message: bytes, key: bytes = bytes(16)) -> int:
    """Return the hash by Aumasson and Bernstein's paper, chapter 2."""
    halves = [int.from_bytes(key[at : at + 8], "little") for at in (0, 8)]
    v0, v1 = halves[0] ^ 0x736F6D6570736575, halves[1] ^ 0x646F72616E646F6D
    v2, v3 = halves[0] ^ 0x6C7967656E657261, halves[1] ^ 0x7465646279746573
    padded = message + bytes(7 - len(message) % 8) + bytes([len(message) % 256])
    words = [int.from_bytes(padded[at : at + 8], "little") for at in range(0, len(padded), 8)]
    for word, rounds in [*((word, 2) for word in words), (None, 4)]:
        v2, v3 = (v2 ^ 0xFF, v3) if word is None else (v2, v3 ^ word)
        for _ in range(rounds):
            v0, v2 = (v0 + v1) & _MASK, (v2 + v3) & _MASK
            v1, v3 = _rotated(v1, 13) ^ v0, _rotated(v3, 16) ^ v2
            v0, v2 = (_rotated(v0, 32) + v3) & _MASK, (v2 + v1) & _MASK
            v1, v3 = _rotated(v1, 17) ^ v2, _rotated(v3, 21) ^ v0
            v2 = _rotated(v2, 32)
        v0 ^= word or 0
    return v0 ^ v1 ^ v2 ^ v3


def distance(hashed: int) -> int:
    """Return how far the hash is from 2^64, as a logarithm, in 2^-32."""
    hashed |= 1
    whole = hashed.bit_length() - 1
    mantissa = hashed >> (whole - 31) if whole >= 31 else hashed << (31 - whole)
    log = whole
    for _ in range(32):
        mantissa *= mantissa
        digit = int(mantissa >= 1 << 63)
        mantissa >>= 31 + digit
        log = 2 * log + digit
    return (64 << 32) - log


def score(salt: str, value: str, version: int, share: int) -> int:
    message = salt.encode() + b"\xff" + value.encode() + b"\xff" + version.to_bytes(8, "little")
    return (distance(siphash_2_4(message)) << 24) // share


def preference(salt: str, value: str, shares: Mapping[int, int]) -> list[int]:
    """Return the versions with a share, the one that the value belongs to first."""

    def scores() -> Iterator[tuple[int, int]]:
        for version, share in shares.items():
            if share:
                yield score(salt, value, version, share), version

    return [version for _, version in sorted(scores())]
