"""What follows from a draft that is stored: for its slot, its topic's quota, and the figures of the run."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datagen.errors import QuotaOutOfReachError
from datagen.ledger import Entry
from datagen.quota import Slot, SlotQueue
from datagen.record import Message
from datagen.scenario import Scenario
from datagen.tally import Tally

Gate = Callable[[Scenario, tuple[Message, ...]], str | None]
"""Looks at a dialogue that is stored and says why it does not count towards the quota; None: it counts."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Counts stored drafts, however they were asked for."""

    queue: SlotQueue
    tally: Tally
    gate: Gate | None = None

    def count(self, slot: Slot, entry: Entry) -> None:
        queue = self.queue.topics[slot.topic]
        dropped: str | None = None
        if entry.messages is not None:
            dropped = self.gate(slot.scenario, entry.messages) if self.gate else None
            if dropped is None:
                queue.accept()
            else:
                queue.drop(dropped)
        elif entry.attempt.outcome == "failed":
            queue.set_aside(slot)
        else:
            queue.reject(slot, entry.attempt.reason or "unknown")
        self.tally.count(entry.attempt, dropped)
        if entry.duet is None:  # of a duet each utterance was counted as it came
            self.tally.spend(entry.attempt)

    def check_reach(self, folder: Path) -> None:
        """Raises QuotaOutOfReachError where a topic's drafts were nearly all rejected."""
        if unreachable := self.queue.out_of_reach():
            message = "\n".join(topic.explain_out_of_reach() for topic in unreachable)
            names = f"'{unreachable[0].dimensions.topic}'" if len(unreachable) == 1 else "TOPIC"
            hint = f"read them with `damhwa rejected {folder} {names}`, "
            if all(topic.is_refused_as_requests() for topic in unreachable):
                hint += (
                    "for the endpoint's own words: it refuses the requests, not the dialogues (model, options, prompt)"
                )
            else:
                hint += "then give the topic more scenarios or lower its quota"
            raise QuotaOutOfReachError(message, hint)
