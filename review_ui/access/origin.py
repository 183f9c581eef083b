"""Where a request claims to come from and to go to: the headers Host, Origin and Sec-Fetch-Site, read with suspicion.

Only our own pages may write. A browser says which site sent a request in headers that no script can set; a program that
is no browser sends none of them, and is held up by the token instead.
"""

from dataclasses import dataclass
from typing import Final

from yarl import URL

_PORTS: Final = {"http": 80, "https": 443}
_FORBIDDEN: Final = frozenset("/?#@\\ ,;\t\r\n")
SAFE_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))


@dataclass(frozen=True, slots=True)
class Place:
    """Scheme, host and port. The host is in lower case, an IPv6 address without brackets."""

    scheme: str
    host: str
    port: int


def read_host(scheme: str, host: str) -> Place | None:
    """A Host header (`name`, `name:port`, `[::1]:port`); None where it is none."""
    if not host or len(host) > 300 or not host.isascii() or not host.isprintable() or _FORBIDDEN & set(host):
        return None
    try:
        url = URL(f"{scheme}://{host}")
        name, port = url.host, url.explicit_port
    except ValueError:
        return None
    if not name or url.user is not None or host.endswith(":"):
        return None
    return Place(scheme, name.lower(), port if port is not None else _PORTS[scheme])


def read_origin(origin: str) -> Place | None:
    """An Origin header; None where it names no place of the web: `null`, `file://`, or nonsense."""
    scheme, mark, host = origin.partition("://")
    if not mark or scheme.lower() not in _PORTS:
        return None
    return read_host(scheme.lower(), host)


def is_own_write(origin: str | None, fetch_site: str | None, own: Place) -> bool:
    """Whether a write may come from one of our pages, by its Origin and Sec-Fetch-Site headers; None: not sent."""
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        return False
    return origin is None or read_origin(origin) == own


def is_local_path(target: str) -> bool:
    """Whether a redirect to this stays here: a path of ours, nothing that a browser would read as another host."""
    return (
        target.startswith("/")
        and not target.startswith("//")
        and "\\" not in target
        and target.isprintable()
        and " " not in target
        and len(target) <= 2_000
    )
