"""Sessions: a signed cookie that says who logged in and when, and the token for writes that follows from it.

Nothing about a session is stored: the cookie carries name, generation and time, and the account's generation in the
database says whether it still counts. The key is drawn once and kept in the database: a restart logs nobody out.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

import sqlalchemy as sa
from itsdangerous import BadData, URLSafeSerializer

from curation.reviewing.connect import Database
from curation.reviewing.tables import SETTINGS

COOKIE = "damhwa_session"
LASTS_S = 12 * 3600
"""A working day; the next one begins with the token again."""
_SETTING = "session-key"
_KEY_BYTES = 32
_SKEW_S = 60
"""Seconds by which the clocks of two services on one database may differ."""


@dataclass(frozen=True, slots=True)
class Session:
    """Who logged in, when (seconds since 1970); `nonce` tells two log-ins of one second apart."""

    name: str
    generation: int
    issued_at: float
    nonce: str


class Sessions:
    """Makes and reads cookies with one key."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._serializer = URLSafeSerializer(
            key, salt="session", signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )
        self._ended: dict[str, float] = {}

    def seal(self, name: str, generation: int, now: float) -> str:
        """The cookie of somebody who just logged in."""
        return str(self._serializer.dumps([name, generation, round(now, 3), secrets.token_urlsafe(12)]))

    def open(self, cookie: str, now: float) -> Session | None:
        """None where the cookie is not ours, was changed, is over, or was logged out of."""
        try:
            name, generation, issued_at, nonce = self._serializer.loads(cookie)
        except (BadData, ValueError, TypeError, RecursionError):
            return None
        if not -_SKEW_S <= now - issued_at < LASTS_S or nonce in self._ended:
            return None
        return Session(name, generation, issued_at, nonce)

    def end(self, session: Session, now: float) -> None:
        """Log-out: the cookie counts no more, whoever has a copy. Until a restart; a new token ends it for good."""
        self._ended = {nonce: over for nonce, over in self._ended.items() if over > now}
        self._ended[session.nonce] = session.issued_at + LASTS_S

    def derive_csrf(self, seed: str) -> str:
        """The token for writes of the session with this nonce (or whatever stands for one)."""
        return hmac.new(self._key, b"csrf " + seed.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def open_sessions(database: Database) -> Sessions:
    """With the database's key, which the first to come draws. Raises DataError where the database is away."""
    return Sessions(database.write(keep_key))


def keep_key(connection: sa.Connection) -> str:
    """The key that lies in the database, drawn now where there is none."""
    query = sa.select(SETTINGS.c.value).where(SETTINGS.c.name == _SETTING)
    kept = connection.execute(query).scalar_one_or_none()
    if kept is not None:
        return str(kept)
    key = secrets.token_hex(_KEY_BYTES)
    # of two services that start at once the second meets the first one's row, and `write` has it look again
    connection.execute(sa.insert(SETTINGS).values(name=_SETTING, value=key))
    return key
