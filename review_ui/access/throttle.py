"""How often somebody may try to log in: a bucket of tries per name and per address, which fills up again by and by.

A bucket, and no lock: whoever tries a reviewer's name on purpose can keep that reviewer waiting for seconds, not out.
A try that succeeded is given back, so that an office behind one address can come to work.
"""

import ipaddress
import math
from collections import OrderedDict
from dataclasses import dataclass

MAX_BUCKETS = 10_000
"""Buckets remembered, the last used ones: about 2 MB, whatever is thrown at the form."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` tries at once, and another every `refill_s` seconds."""

    burst: int
    refill_s: float


PER_NAME = Rate(burst=8, refill_s=10.0)
PER_ADDRESS = Rate(burst=30, refill_s=2.0)


class Throttle:
    """Counts tries. Times are seconds of any clock that only goes forward."""

    def __init__(self, rate: Rate, max_buckets: int = MAX_BUCKETS) -> None:
        self._rate = rate
        self._max_buckets = max_buckets
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def wait_for(self, key: str, now: float) -> int:
        """Seconds to wait, 0: may try now."""
        left = self._fill(key, now)
        return 0 if left >= 1 else math.ceil((1 - left) * self._rate.refill_s)

    def take(self, key: str, now: float) -> None:
        self._put(key, self._fill(key, now) - 1, now)

    def give_back(self, key: str, now: float) -> None:
        self._put(key, self._fill(key, now) + 1, now)

    def _fill(self, key: str, now: float) -> float:
        left, at = self._buckets.get(key, (float(self._rate.burst), now))
        return min(self._rate.burst, left + max(0.0, now - at) / self._rate.refill_s)

    def _put(self, key: str, left: float, now: float) -> None:
        self._buckets[key] = (left, now)
        self._buckets.move_to_end(key)
        while len(self._buckets) > self._max_buckets:
            self._buckets.popitem(last=False)


def name_network(address: str) -> str:
    """What counts as one address: of IPv6 the /64, which is what one customer gets."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found), 64), strict=False))
    return str(found)
