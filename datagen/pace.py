"""When the next request may start: limits that were given, and limits that the endpoint lets us feel.

Pure bookkeeping on a clock that the caller reads; all workers share one Pace, so that one worker's 429 slows them all.
Without given limits the pace is free until an endpoint speaks: `x-ratelimit-limit-*` headers set it just below what
they allow; a 429 cuts it below what was getting through, and it climbs back step by step: quickly to where it was
refused, then slowly beyond (the shape of CUBIC's window, RFC 9438).
"""

from collections import deque
from dataclasses import dataclass, field

HEADROOM = 0.985
"""Share of an announced limit that is used: timers and clocks differ by about 1 %."""
FIRST_CUT = 0.8
"""At the first 429 ever, the share of what was getting through."""
CUT = 0.95
"""At a later one, the share of the rate …"""
CUT_AGAIN = 0.9
"""… and within `AGAIN_S` of the last: the rate is well above the limit. Not lower, or an endpoint that refuses at
random, whatever the rate, would drive it to nothing."""
AGAIN_S = 2.0
RECOVERY_PER_S = 0.1
"""Share of the rate regained each second below the last refusal …"""
PROBE_PER_S = 0.005
"""… and above it."""
CATCH_UP_S = 0.25
"""Seconds of lateness that may be made up for by starting requests closer together."""
WINDOW_S = 2.0
"""Seconds over which the rate that gets through is measured."""
MIN_RATE = 0.2
"""Requests a second: however often refused, the pace keeps probing."""


@dataclass(slots=True)
class _Bucket:
    """Spaces out units (requests or tokens) at a rate per second; None: no limit."""

    rate: float | None = None
    next_at: float = 0.0

    def take(self, now: float, units: float) -> None:
        if self.rate is not None:
            self.next_at = max(self.next_at, now - CATCH_UP_S) + units / self.rate


@dataclass(slots=True)
class Pace:
    """The shared pace. Times are seconds on any steady clock; rates are per second."""

    rpm: int | None = None
    """Requests per minute given by the user; None: learn."""
    tpm: int | None = None
    requests: _Bucket = field(init=False)
    tokens: _Bucket = field(init=False)
    held_until: float = 0.0
    _ceiling: float | None = None
    _refused_rate: float | None = None
    _last_cut: float = -1e9
    _last_climb: float = 0.0
    _answers: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.requests = _Bucket(self.rpm / 60 if self.rpm else None)
        self.tokens = _Bucket(self.tpm / 60 if self.tpm else None)
        self._ceiling = self.requests.rate

    def ready_at(self) -> float:
        """The earliest moment at which the next request may start."""
        return max(self.held_until, self.requests.next_at, self.tokens.next_at)

    def start(self, now: float, tokens: int) -> None:
        """A request of about so many tokens starts now."""
        self.requests.take(now, 1)
        self.tokens.take(now, tokens)

    def answered(self, now: float) -> None:
        """A request got through: climb a step."""
        self._answers.append(now)
        while self._answers and self._answers[0] < now - WINDOW_S:
            self._answers.popleft()
        rate = self.requests.rate
        if rate is None or self._refused_rate is None:
            return
        elapsed = min(1.0, now - self._last_climb)
        self._last_climb = now
        share = RECOVERY_PER_S if rate < HEADROOM * self._refused_rate else PROBE_PER_S
        climbed = rate * (1 + share * elapsed)
        self.requests.rate = climbed if self._ceiling is None else min(climbed, self._ceiling)

    def refused(self, started: float, now: float, retry_after_s: float) -> None:
        """A request that started at `started` was answered 429: nothing starts before its Retry-After.

        Requests that were in flight together are refused together; only the first of them cuts the rate.
        """
        self.held_until = max(self.held_until, now + retry_after_s)
        if started <= self._last_cut:
            return
        rate = self.requests.rate
        if rate is None:
            self._refused_rate = self._measure(now)
            cut = FIRST_CUT
        else:
            self._refused_rate = rate
            cut = CUT_AGAIN if now - self._last_cut < AGAIN_S + retry_after_s else CUT
        self.requests.rate = max(MIN_RATE, cut * self._refused_rate)
        self._last_cut = self._last_climb = now

    def announced(self, limit_requests: float | None, limit_tokens: float | None) -> None:
        """Limits per minute from the endpoint's headers; ours, where given, stay the upper bound."""
        if limit_requests and limit_requests > 0:
            ceiling = HEADROOM * limit_requests / 60
            if self.rpm:
                ceiling = min(ceiling, self.rpm / 60)
            if ceiling != self._ceiling:
                self._ceiling = ceiling
                self.requests.rate = ceiling if self.requests.rate is None else min(self.requests.rate, ceiling)
                self._refused_rate = self._refused_rate or ceiling
        if limit_tokens and limit_tokens > 0 and not self.tpm:
            self.tokens.rate = HEADROOM * limit_tokens / 60

    def _measure(self, now: float) -> float:
        """Answers a second over the last window; at least one, so that a first refusal does not stop everything."""
        recent = [moment for moment in self._answers if moment >= now - WINDOW_S]
        span = max(0.25, min(WINDOW_S, now - recent[0])) if recent else WINDOW_S
        return max(1.0, len(recent)) / span
