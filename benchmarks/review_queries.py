"""The review database with a million dialogues: taking them over, a claim and a decision, dashboard, search.

Measured below HTTP, one after another: what the service's handlers do in the database and with the texts. A claim is
given apart (lease: one transaction; card: its row and its text; waiting: what is left), since the page has the next
cards ready and waits for none of it.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import sqlalchemy as sa

from benchmarks.review_corpus import PERSONA_FILE
from benchmarks.review_service import percentile
from review_ui.cards.deal import Reader, deal
from review_ui.dashboard.facets import read_facets
from review_ui.dashboard.reading import read_dashboard
from review_ui.queue.claim import Asked, Wanted, claim, count_waiting
from review_ui.queue.decide import Decision, Kind
from review_ui.queue.judged import list_judged
from review_ui.queue.leases import Who
from review_ui.reviewed_run import ReviewedRun, ReviewOptions

ROUNDS = 300
QUEUES = {
    "audit": Wanted("audit"),
    "triage": Wanted("triage"),
    "triage by reason": Wanted("triage", why="threshold"),
    "triage by reason, the last": Wanted("triage", why="dropped"),
    "triage by finding": Wanted("triage", finding="repetition"),
    "triage by score": Wanted("triage", least=0.9, most=0.92),
}
WORDS = ("사랑", "고양이", "양자역학")
Result = TypeVar("Result")


@dataclass(slots=True)
class Spent:
    """Seconds, by what was done."""

    by_step: dict[str, list[float]] = field(default_factory=dict)

    def time(self, step: str, job: Callable[[], Result]) -> Result:
        started = time.perf_counter()
        done = job()
        self.by_step.setdefault(step, []).append(time.perf_counter() - started)
        return done

    def tell(self) -> str:
        return "; ".join(
            f"{step} {percentile(spent, 0.5):.2f} (p95 {percentile(spent, 0.95):.2f}) ms"
            for step, spent in self.by_step.items()
        )

    def tell_sum(self, *steps: str) -> str:
        whole = [sum(each) for each in zip(*(self.by_step[step] for step in steps), strict=False)]
        return f"{' + '.join(steps)} {percentile(whole, 0.5):.2f} (p95 {percentile(whole, 0.95):.2f}) ms"


def open_reviewed(folder: Path) -> ReviewedRun:
    """Take the dialogues over into the database that the environment names."""
    return ReviewedRun.open(folder, ReviewOptions(personas=(PERSONA_FILE,)))


def review_queue(run: ReviewedRun, wanted: Wanted, rounds: int = ROUNDS, reviewer: str = "reviewer-a") -> Spent:
    """Claim one and decide about it, again and again; a twentieth is flagged."""
    spent, chance = Spent(), random.Random(0)
    for _ in range(rounds):
        if not _review_one(run, wanted, reviewer, spent, chance.random() < 0.05):
            break
    return spent


def _review_one(run: ReviewedRun, wanted: Wanted, reviewer: str, spent: Spent, is_flag: bool) -> bool:
    """False where nothing is left."""
    now, database = time.time(), run.database
    samples, asked = spent.time("lease", lambda: database.write(partial(_lease, run, wanted, reviewer)))
    if not samples:
        return False
    reader = Reader(reviewer, wanted.mode, "ko", asked.judged)
    cards = spent.time("card", lambda: database.read(lambda it: deal(run, it, samples, reader)))
    spent.time("waiting", lambda: database.read(lambda it: count_waiting(it, asked)))
    kind: Kind = "flag" if is_flag else "accept"
    decision = Decision(uuid4().hex, cards[0].id, cards[0].revision, kind, wanted.mode, reviewer, 1_000, now)
    decision = replace(decision, reason="persona" if is_flag else None)
    spent.time("decision", lambda: database.write(lambda it: run.desk.decide(it, decision, now)))
    return True


def _lease(run: ReviewedRun, wanted: Wanted, reviewer: str, connection: sa.Connection) -> tuple[list[int], Asked]:
    judged = list_judged(connection, run.number)
    asked = Asked(run.number, Who(reviewer, time.time()), wanted, judged, 1)
    return claim(connection, asked), asked


def look_up(run: ReviewedRun, rounds: int = 20) -> Spent:
    """The dashboard, and words looked for in every text."""
    spent = Spent()
    for _ in range(rounds):
        spent.time(
            "dashboard",
            lambda: run.database.read(
                lambda it: (read_dashboard(it, run.number, time.time()), read_facets(it, run.number))
            ),
        )
    for word in WORDS:
        spent.time("search", partial(run.texts.search, word))
    return spent
