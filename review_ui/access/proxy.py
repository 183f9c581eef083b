"""Proxies in front of the service: which peers are believed, and what they are believed about.

A header is only worth what the peer that sent it is worth: from anybody else the same headers are as if not there.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from datagen.errors import UsageError
from review_ui.access.origin import Place, read_host

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
"""What a proxy adds. Without accounts their presence shows that strangers may be on the other side of it."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """The trusted peers. `user_header`: where they say who is logged in; None: they do not."""

    networks: tuple[Network, ...] = ()
    user_header: str | None = None

    def is_trusted(self, address: str | None) -> bool:
        try:
            found = ipaddress.ip_address((address or "").partition("%")[0])
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found.version == network.version and found in network for network in self.networks)

    def find_place(self, request: web.Request) -> Place | None:
        """Scheme, host and port that the browser asked for; None where no Host header says it."""
        hosts = request.headers.getall("Host", [])
        scheme, host = request.scheme, hosts[0] if len(hosts) == 1 else ""
        if self.is_trusted(request.remote):
            scheme = self._last(request, "X-Forwarded-Proto") or scheme
            host = self._last(request, "X-Forwarded-Host") or host
        return read_host(scheme.lower(), host) if scheme.lower() in ("http", "https") else None

    def find_address(self, request: web.Request) -> str:
        """Of the client: the last one in X-Forwarded-For that is no proxy of ours."""
        address = request.remote or ""
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
        while self.is_trusted(address) and forwarded:
            address = forwarded.pop().strip() or address
        return address[:64]

    def find_user(self, request: web.Request) -> str | None:
        """The name that a trusted proxy vouches for. Two such headers are none: one of them is the client's own."""
        if self.user_header is None or not self.is_trusted(request.remote):
            return None
        names = request.headers.getall(self.user_header, [])
        return names[0] if len(names) == 1 and names[0] else None

    def _last(self, request: web.Request, header: str) -> str:
        """The nearest proxy's word."""
        return ",".join(request.headers.getall(header, [])).rpartition(",")[2].strip()


def read_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """`10.0.0.5`, `10.0.0.0/24,::1` → networks. Raises UsageError."""
    networks: list[Network] = []
    for text in (part.strip() for each in texts for part in each.split(",")):
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError as exc:
            raise UsageError(
                f"{text!r} is no address of a proxy: {exc}", "for example 10.0.0.5 or 10.0.0.0/24"
            ) from exc
    return tuple(networks)
