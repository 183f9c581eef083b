"""A reviewer's token: drawn, hashed slowly, compared in constant time.

A token is drawn by us, 160 random bits, so nobody guesses it; the slow hash is for the day when the database is read by
somebody who should not: what lies there cannot be turned back, not even were tokens shorter one day.
"""

import hashlib
import hmac
import secrets
from base64 import b32encode
from dataclasses import dataclass

TOKEN_BYTES = 20
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Cost:
    """scrypt's cost, block size and lanes: it takes 128 · n · r bytes, and time by n · r · p."""

    n: int = 2**14
    r: int = 8
    p: int = 5
    """16 MiB and about 0.2 s: of the equal settings in OWASP's Password Storage Cheat Sheet the one of least memory,
    because two run at once beside the reviewers."""


COST = Cost()
_MAX_MEMORY = 64 * 2**20
_SCHEME = "scrypt"
_HASH_BYTES = 32


def draw_token() -> str:
    """A new token: 32 letters and digits in groups of eight, easy to read out and to paste."""
    text = b32encode(secrets.token_bytes(TOKEN_BYTES)).decode().lower()
    return "-".join(text[start : start + 8] for start in range(0, len(text), 8))


def draw_salt() -> str:
    return secrets.token_hex(SALT_BYTES)


def hash_token(token: str, salt: str, cost: Cost = COST) -> str:
    """What is stored: `scrypt$n$r$p$hex`, so that a later cost leaves the old tokens valid."""
    return f"{_name(cost)}${_scrypt(token, salt, cost)}"


def is_token(token: str, salt: str, stored: str) -> bool:
    """Whether `stored` was made of this token. Takes as long for a wrong one."""
    parts = stored.split("$")
    if len(parts) != 5 or parts[0] != _SCHEME or not all(part.isdecimal() for part in parts[1:4]):
        return False
    return hmac.compare_digest(_scrypt(token, salt, Cost(*map(int, parts[1:4]))), parts[4])


def name_nobody(cost: Cost = COST) -> tuple[str, str]:
    """Salt and hash that no token fits: what is compared for a name that nobody has, so that it takes as long."""
    return SALT_BYTES * "00", f"{_name(cost)}${_HASH_BYTES * '00'}"


def _name(cost: Cost) -> str:
    return f"{_SCHEME}${cost.n}${cost.r}${cost.p}"


def _scrypt(token: str, salt: str, cost: Cost) -> str:
    plain = "".join(token.split()).replace("-", "").lower().encode("utf-8", "surrogatepass")
    how = {"n": cost.n, "r": cost.r, "p": cost.p, "maxmem": _MAX_MEMORY, "dklen": _HASH_BYTES}
    return hashlib.scrypt(plain, salt=salt.encode(), **how).hex()
