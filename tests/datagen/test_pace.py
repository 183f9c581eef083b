import random

from datagen.pace import HEADROOM, Pace


def run_against_a_limit(pace: Pace, limit_per_s: float, seconds: float, in_flight: int = 32) -> tuple[int, int]:
    """Play requests of 200 ms against a token bucket of one second's worth; the answered and the refused."""
    now, allowance, answered, refused = 0.0, limit_per_s, 0, 0
    last = 0.0
    flying: list[tuple[float, float, bool]] = []
    while now < seconds:
        flying.sort()
        while flying and flying[0][0] <= now:
            ended, started, ok = flying.pop(0)
            if ok:
                pace.answered(ended)
            else:
                pace.refused(started, ended, 0.05)
        if len(flying) < in_flight and pace.ready_at() <= now:
            pace.start(now, 1000)
            allowance = min(limit_per_s, allowance + (now - last) * limit_per_s)
            last = now
            ok = allowance >= 1
            allowance -= ok
            answered, refused = answered + ok, refused + (not ok)
            flying.append((now + (0.2 if ok else 0.01), now, ok))
        else:
            now = (
                min([*(f[0] for f in flying), max(pace.ready_at(), now + 0.001)])
                if len(flying) < in_flight
                else flying[0][0]
            )
            now = max(now, last)
    return answered, refused


def test_without_limits_nothing_waits() -> None:
    pace = Pace()
    pace.start(10.0, 1000)
    assert pace.ready_at() <= 10.0


def test_a_given_rate_spaces_requests_out() -> None:
    pace = Pace(rpm=600)
    starts = []
    now = 100.0
    for _ in range(21):
        now = max(now, pace.ready_at())
        starts.append(now)
        pace.start(now, 0)
    assert starts[-1] - starts[0] >= 20 * 0.1 - 0.3


def test_given_tokens_per_minute_hold_requests_back() -> None:
    pace = Pace(tpm=6000)
    for _ in range(3):
        pace.start(100.0, 1000)
    assert pace.ready_at() >= 100 + 2 * 10 - 0.3


def test_one_refusal_holds_everybody_until_its_retry_after() -> None:
    pace = Pace()
    pace.refused(started=9.8, now=10.0, retry_after_s=1.234)
    assert pace.ready_at() >= 11.234
    pace.refused(started=9.9, now=10.01, retry_after_s=0.1)
    assert pace.ready_at() >= 11.234


def test_refusals_that_flew_together_cut_the_rate_once() -> None:
    pace = Pace()
    for at in range(100):
        pace.answered(at / 50)
    pace.refused(started=1.9, now=2.0, retry_after_s=0)
    once = pace.requests.rate
    pace.refused(started=1.95, now=2.05, retry_after_s=0)
    assert pace.requests.rate == once
    pace.refused(started=2.1, now=2.3, retry_after_s=0)
    assert pace.requests.rate is not None
    assert once is not None
    assert pace.requests.rate < once


def test_the_rate_climbs_back_step_by_step() -> None:
    pace = Pace()
    for at in range(100):
        pace.answered(at / 50)
    pace.refused(started=1.9, now=2.0, retry_after_s=0)
    cut = pace.requests.rate
    assert cut is not None
    rates = []
    for at in range(1, 200):
        pace.answered(2 + at / 20)
        rates.append(pace.requests.rate or 0)
    assert rates == sorted(rates)
    assert cut < rates[20] < rates[-1]


def test_an_announced_limit_is_kept_from_the_first_answer_on() -> None:
    pace = Pace()
    pace.announced(3000, None)
    assert pace.requests.rate == HEADROOM * 50


def test_our_own_limit_stays_the_upper_bound() -> None:
    pace = Pace(rpm=60)
    pace.announced(3000, None)
    assert pace.requests.rate == 1


def test_a_silent_limit_is_found_and_used() -> None:
    answered, refused = run_against_a_limit(Pace(), limit_per_s=50, seconds=60)
    assert answered >= 0.95 * 50 * 60
    assert refused <= 0.03 * (answered + refused)


def test_an_announced_limit_is_used_nearly_whole() -> None:
    pace = Pace()
    pace.announced(3000, None)
    answered, refused = run_against_a_limit(pace, limit_per_s=50, seconds=60)
    assert answered >= 0.95 * 50 * 60
    assert refused <= 0.03 * (answered + refused)


def test_an_endpoint_that_refuses_at_random_does_not_drive_the_rate_to_nothing() -> None:
    pace, rng = Pace(), random.Random(1)
    now, asked = 0.0, 0
    while now < 120:
        now = max(now + 0.2 / 32, pace.ready_at())
        pace.start(now, 1000)
        asked += 1
        if rng.random() < 0.05:
            pace.refused(now - 0.2, now, retry_after_s=1)
        else:
            pace.answered(now)
    assert asked > 120 * 10
