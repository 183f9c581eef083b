"""A reviewer's token: drawn, hashed slowly, compared in constant time.

A token is drawn by us, 160 random bits, so nobody guesses it; the slow hash is for the day when the database is read by
somebody who should not: what lies there cannot be turned back, not even were tokens shorter one day.
"""

import hashlib
import hmac
import secrets
from base64 import b32encode

TOKEN_BYTES = 20
SALT_BYTES = 16
N, R, P = 2**14, 8, 5
"""scrypt's cost, block size and lanes: 16 MiB and about 0.2 s, one of the equal settings of OWASP's Password Storage
Cheat Sheet; the one of little memory, because two run at once beside the reviewers."""
_MAX_MEMORY = 64 * 2**20
_SCHEME = "scrypt"


def draw_token() -> str:
    """A new token: 32 letters and digits in groups of eight, easy to read out and to paste."""
    text = b32encode(secrets.token_bytes(TOKEN_BYTES)).decode().lower()
    return "-".join(text[start : start + 8] for start in range(0, len(text), 8))


def draw_salt() -> str:
    return secrets.token_hex(SALT_BYTES)


def hash_token(token: str, salt: str) -> str:
    """What is stored: `scrypt$N$r$p$hex`, so that a later cost leaves the old tokens valid. Takes about 0.2 s."""
    return f"{_SCHEME}${N}${R}${P}${_scrypt(token, salt, N, R, P)}"


def is_token(token: str, salt: str, stored: str) -> bool:
    """Whether `stored` was made of this token. Takes as long for a wrong one."""
    parts = stored.split("$")
    if len(parts) != 5 or parts[0] != _SCHEME or not all(part.isdecimal() for part in parts[1:4]):
        return False
    n, r, p = map(int, parts[1:4])
    return hmac.compare_digest(_scrypt(token, salt, n, r, p), parts[4])


def _scrypt(token: str, salt: str, n: int, r: int, p: int) -> str:
    plain = "".join(token.split()).replace("-", "").lower().encode()
    return hashlib.scrypt(plain, salt=salt.encode(), n=n, r=r, p=p, maxmem=_MAX_MEMORY, dklen=32).hex()


NOBODY = (SALT_BYTES * "00", f"{_SCHEME}${N}${R}${P}${32 * '00'}")
"""Salt and hash that no token fits: what a name that nobody has is compared with, so that it takes as long."""
