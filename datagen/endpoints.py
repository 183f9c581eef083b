"""Which of several endpoints is asked next, and which are left alone for a while.

Pure bookkeeping on a clock that the caller reads. The load metric is that of Finagle's balancer (`PeakEwma`, Twitter):
average latency × (in flight + 1), here over the share of requests that succeed, so it is the delay to expect. All are
compared, not two at random: one client knows its own requests at once, and endpoints are few. The average does not jump
to each peak as Finagle's does, since replies of one model differ threefold in length; that an endpoint hangs is told by
the age of its oldest request. One that fails again and again is taken out and tried with one request after a growing
time: the circuit breaker of M. Nygard's "Release It!" (2007).
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from math import exp
from typing import Any, Literal
from urllib.parse import urlsplit

from datagen.pace import Pace
from datagen.retry import Failure

WEIGHT = 0.2
"""Of the newest request in the averages; more if the last one is long ago."""
FORGET_S = 60.0
"""Seconds in which what is known of an idle endpoint falls to a third: one that was slow is tried again some day."""
ALIKE = 1.1
"""Delays that differ by less are alike: the endpoint that was asked longest ago is asked."""
UNMEASURED = 0.5
"""Latency of an endpoint that never answered, as a share of the quickest: it is soon asked, and then measured."""
OVERDUE = 3.0
"""How many times the average a request may be under way before its age stands for the latency."""
LEAST_SUCCESS = 0.05
TRIP_AFTER = 3
"""Failures in a row that take an endpoint out."""
OUT_FIRST_S = 1.0
"""Seconds until it is tried again; doubled each time that fails …"""
OUT_MOST_S = 60.0
"""… up to this."""
REFUSED_S = 60.0
"""Seconds for one that will not have us (a wrong key, no such model): only a person mends that."""
PACING_S = 0.25
"""Seconds of pace that are waited for at the best endpoint; one that asks for more is passed over meanwhile."""

State = Literal["in", "out", "on trial"]


@dataclass(slots=True)
class Lane:
    """The requests of one endpoint: its pace, how it answered of late, whether it is asked at all."""

    base_url: str
    pace: Pace
    answers: int = 0
    errors: int = 0
    """Requests that came to nothing; refused paces are not among them."""
    answering_s: float = 0.0
    """Seconds that all the answers took."""
    latency_s: float | None = None
    """Average of the answers, the newest weighing most; None before the first."""
    error_share: float = 0.0
    """The same of errors, in 0..1."""
    failure: Failure | None = None
    """The last one since it last answered."""
    out_until: float | None = None
    """When it is tried again; None: it is asked."""
    asked_at: float = float("-inf")
    _seen_at: float = 0.0
    _in_a_row: int = 0
    _outages: int = 0
    _tickets: int = 0
    _trial: int | None = None
    _flying: dict[int, float] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return urlsplit(self.base_url).netloc

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    @property
    def refuses(self) -> bool:
        """It will not have us, whatever is asked."""
        return self.out_until is not None and self.failure is not None and self.failure.verdict == "stop"

    def takes(self, now: float) -> bool:
        """Whether a request may go there: it is in, or it is time for the one that tries it."""
        return self.out_until is None or (now >= self.out_until and self._trial is None)

    def state(self) -> State:
        if self.out_until is None:
            return "in"
        return "out" if self._trial is None else "on trial"

    def start(self, now: float, tokens: int) -> int:
        """A request starts; gives the ticket with which its end is told."""
        self.pace.start(now, tokens)
        self._tickets += 1
        self.asked_at = now
        self._flying[self._tickets] = now
        if self.out_until is not None and self._trial is None:
            self._trial = self._tickets
        return self._tickets

    def leave(self, ticket: int) -> None:
        """The request is over, whatever became of it; done twice is as good as once."""
        self._flying.pop(ticket, None)
        if ticket == self._trial:
            self._trial = None

    def answered(self, ticket: int, now: float) -> None:
        """It answered: whatever was wrong is over. To be told before `leave`."""
        took = now - self._flying[ticket]
        self.leave(ticket)
        self.answers += 1
        self.answering_s += took
        weight = max(WEIGHT, 1 - exp((self._seen_at - now) / FORGET_S))
        self.latency_s = took if self.latency_s is None else self.latency_s + weight * (took - self.latency_s)
        self.error_share -= WEIGHT * self.error_share
        self._seen_at = now
        self._in_a_row = self._outages = 0
        self.out_until = self.failure = None
        self.pace.answered(now)

    def declined(self, ticket: int) -> None:
        """It answered that it will not take this one request: it is alive."""
        self.leave(ticket)
        self._in_a_row = self._outages = 0
        self.out_until = self.failure = None

    def failed(self, ticket: int, now: float, failure: Failure) -> None:
        """It did not answer, or will not. What flew together with a request that took it out takes it out no longer."""
        started, is_trial = self._flying[ticket], ticket == self._trial
        self.leave(ticket)
        self.failure = failure
        if failure.is_refused_pace and failure.verdict == "again":
            self.pace.refused(started, now, failure.retry_after_s or 0.0)
            return
        self.errors += 1
        self.error_share += WEIGHT * (1 - self.error_share)
        self._seen_at = now
        self._in_a_row += 1
        if failure.verdict == "stop":
            self._take_out(now, max(REFUSED_S, failure.retry_after_s or 0.0))
        elif is_trial or (self.out_until is None and self._in_a_row >= TRIP_AFTER):
            self._take_out(now, 0.0)

    def _take_out(self, now: float, least_s: float) -> None:
        self.out_until = now + max(least_s, min(OUT_MOST_S, OUT_FIRST_S * 2.0 ** min(self._outages, 16)))
        self._outages += 1

    def expect_delay(self, now: float, unmeasured_s: float) -> float:
        """Seconds to expect of one request more; of a value for comparing, not for telling."""
        latency = unmeasured_s if self.latency_s is None else self.latency_s
        if self._flying:
            latency = max(latency, (now - next(iter(self._flying.values()))) / OVERDUE)
        else:
            latency *= exp((self._seen_at - now) / FORGET_S)
        return latency * (self.in_flight + 1) / max(LEAST_SUCCESS, 1 - self.error_share)


def choose_lane(lanes: Sequence[Lane], now: float, avoid: Set[str] = frozenset()) -> tuple[Lane, float]:
    """The lane to ask next, and the seconds until its pace lets it.

    `avoid`: addresses that failed this very request. Where all are out, the one that is tried again first.
    """
    usable = [lane for lane in lanes if lane.takes(now)] or [min(lanes, key=lambda lane: lane.out_until or 0.0)]
    soon = [lane for lane in usable if lane.pace.ready_at() - now <= PACING_S]
    if not soon:
        lane = min(usable, key=lambda lane: lane.pace.ready_at())
        return lane, lane.pace.ready_at() - now
    fresh = [lane for lane in soon if lane.base_url not in avoid] or soon
    measured = [lane.latency_s for lane in lanes if lane.latency_s is not None]
    unmeasured_s = UNMEASURED * min(measured, default=1.0)

    delays = [max(0.0, lane.pace.ready_at() - now) + lane.expect_delay(now, unmeasured_s) for lane in fresh]
    alike = [lane for lane, delay in zip(fresh, delays, strict=True) if delay <= ALIKE * min(delays)]
    chosen = min(alike, key=lambda lane: (lane.asked_at, lane.in_flight))
    return chosen, chosen.pace.ready_at() - now


def can_go_elsewhere(lanes: Sequence[Lane], now: float, avoid: Set[str]) -> bool:
    """Whether a request that failed at the addresses of `avoid` may be asked of another at once."""
    return any(
        lane.base_url not in avoid and lane.takes(now) and lane.pace.ready_at() - now <= PACING_S for lane in lanes
    )


def describe_failures(lanes: Sequence[Lane]) -> str:
    """Each address with what is wrong there."""
    return "; ".join(
        f"{lane.base_url}: {f'{lane.failure.reason}: {lane.failure.detail}' if lane.failure else 'no answer'}"
        for lane in lanes
    )


def describe_lanes(lanes: Sequence[Lane]) -> list[str]:
    """Each endpoint's answers, share, mean seconds, errors, and for what it is out if it is."""
    answers = sum(lane.answers for lane in lanes)
    return [_describe_lane(lane, answers) for lane in lanes]


def _describe_lane(lane: Lane, answers: int) -> str:
    parts = [f"{lane.host} {lane.answers:,} answers ({lane.answers / max(1, answers):.0%})"]
    if lane.answers:
        parts.append(f"{lane.answering_s / lane.answers:.2f} s")
    if lane.errors:
        parts.append(f"{lane.errors:,} {'error' if lane.errors == 1 else 'errors'}")
    if lane.out_until is not None:
        parts.append(f"{lane.state()}: {lane.failure.reason if lane.failure else 'no answer'}")
    return ", ".join(parts)


def summarise_lanes(lanes: Sequence[Lane]) -> list[dict[str, Any]]:
    """The same as `generate --json` prints it. `mean_s`: seconds an answer took, None without one."""
    answers = sum(lane.answers for lane in lanes)
    return [
        {
            "base_url": lane.base_url,
            "answers": lane.answers,
            "share": round(lane.answers / answers, 4) if answers else 0.0,
            "mean_s": round(lane.answering_s / lane.answers, 3) if lane.answers else None,
            "errors": lane.errors,
            "state": lane.state(),
        }
        for lane in lanes
    ]
