"""Who is asked next: the open slots of every topic, and when a topic's quota is met or out of reach.

Pure bookkeeping. A slot is one place in a topic's quota; at most one draft for it is under way, so that nothing is paid
for beyond the quota but the drafts that were rejected. Where curation looks on, a dialogue may fill its slot and still
not count (`drop`): then a slot more is asked for.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import ceil

from datagen.scenario import Dimensions, Scenario, plan_scenarios, redraw_scenarios

REJECTS_WINDOW = 100
"""Drafts of a topic that are looked back on."""
REJECTS_OUT_OF_REACH = 96
"""Rejects among them (more than 95) that put the quota out of reach."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in a quota with the scenario to ask for next. `tries`: drafts rejected so far."""

    topic: str
    number: int
    planned: Scenario
    scenario: Scenario
    tries: int


@dataclass(frozen=True, slots=True)
class TopicState:
    """Where a topic stands when a run starts or resumes."""

    quota: int
    filled: frozenset[int]
    tries: dict[int, int]
    asked: frozenset[int]
    """Hashes of the scenarios asked so far."""
    accepted: int
    """Dialogues that count towards the quota: all that fill a slot, or those of them that curation accepted."""
    under_way: frozenset[int] = frozenset()
    """Slots with a draft under way, in a batch of an earlier call; their scenarios are among the asked ones."""
    begun: dict[int, tuple[int, Scenario]] = field(default_factory=dict)
    """Slot → tries and scenario of a duet that was begun: it goes on before another is."""


@dataclass(slots=True)
class TopicQueue:
    """The open slots of one topic."""

    dimensions: Dimensions
    quota: int
    max_tries: int
    accepted: int
    max_surplus: int = 0
    """Drafts that may be under way beyond what is missing, where some are expected not to count."""
    in_flight: int = 0
    is_out_of_reach: bool = False
    _fresh: Iterator[Slot] = field(default_factory=lambda: iter(()))
    _again: deque[Slot] = field(default_factory=deque)
    _asked: set[int] = field(default_factory=set)
    _recent: deque[str | None] = field(default_factory=lambda: deque(maxlen=REJECTS_WINDOW))

    @classmethod
    def resume(
        cls, dimensions: Dimensions, state: TopicState, max_tries: int, surplus_share: float = 0.0
    ) -> "TopicQueue":
        surplus = int(surplus_share * state.quota)
        queue = cls(dimensions, state.quota, max_tries, state.accepted, surplus, len(state.under_way))
        queue._asked.update(state.asked)
        queue._fresh = queue._list_open(state)
        return queue

    @property
    def is_met(self) -> bool:
        return self.accepted >= self.quota

    @property
    def share(self) -> float:
        """How far the topic is, counting what is in flight: 0..1."""
        return (self.accepted + self.in_flight) / self.quota

    def take(self) -> Slot | None:
        """The next slot to ask for; None while all that is missing is in flight, or the topic is done with."""
        if self.is_out_of_reach or self.in_flight >= self._allowed_in_flight():
            return None
        slot = self._again.popleft() if self._again else next(self._fresh)
        self._asked.add(hash(slot.scenario))
        self.in_flight += 1
        return slot

    def _allowed_in_flight(self) -> int:
        """What is missing; of a topic with a poor yield somewhat more, so that its end is not one draft at a time."""
        missing = max(0, self.quota - self.accepted)
        kept = len(self._recent) - self.count_recent_rejects()
        expected = ceil(missing * (len(self._recent) + 1) / (kept + 1))
        return min(expected, missing + self.max_surplus) if missing else 0

    def accept(self) -> None:
        self.in_flight -= 1
        self.accepted += 1
        self._recent.append(None)

    def drop(self, reason: str) -> None:
        """The dialogue is stored and fills its slot, but does not count: another slot is asked for."""
        self.in_flight -= 1
        self._note_reject(reason)

    def reject(self, slot: Slot, reason: str) -> None:
        """The draft was no good: the slot waits for another scenario."""
        self.set_aside(slot)
        self._note_reject(reason)

    def _note_reject(self, reason: str) -> None:
        self._recent.append(reason)
        self.is_out_of_reach = self.count_recent_rejects() >= REJECTS_OUT_OF_REACH

    def set_aside(self, slot: Slot) -> None:
        """No answer could be had for this scenario: another is asked, so that one bad request holds nothing up."""
        self.in_flight -= 1
        self._again.append(self._redraw(slot, slot.tries + 1))

    def give_back(self, slot: Slot) -> None:
        """Nothing came of the draft, through no fault of its own: the same scenario is asked again."""
        self.in_flight -= 1
        self._again.appendleft(slot)

    def count_recent_rejects(self) -> int:
        return sum(reason is not None for reason in self._recent)

    def explain_out_of_reach(self) -> str:
        """STYLE's message: where it stopped, how many of its last drafts were rejected, and for what."""
        reasons = Counter(reason for reason in self._recent if reason is not None)
        listed = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        return (
            f"topic '{self.dimensions.topic}' stopped at {self.accepted} of {self.quota}: "
            f"{self.count_recent_rejects()} of its last {len(self._recent)} drafts were rejected ({listed})"
        )

    def is_refused_as_requests(self) -> bool:
        """Whether the endpoint turned the last drafts away before any model answered."""
        reasons = [reason for reason in self._recent if reason is not None]
        return bool(reasons) and all(reason.startswith("http-") for reason in reasons)

    def _list_open(self, state: TopicState) -> Iterator[Slot]:
        begun = {number: state.begun[number] for number in state.begun.keys() - state.filled}
        for number, planned in enumerate(islice(plan_scenarios(self.dimensions), max(begun, default=-1) + 1)):
            if number in begun:
                tries, scenario = begun[number]
                yield Slot(self.dimensions.topic, number, planned, scenario, tries)
        for number, planned in enumerate(plan_scenarios(self.dimensions)):
            if number not in state.filled and number not in state.under_way and number not in begun:
                tries = state.tries.get(number, 0)
                slot = Slot(self.dimensions.topic, number, planned, planned, tries)
                yield self._redraw(slot, tries) if tries or hash(planned) in self._asked else slot

    def _redraw(self, slot: Slot, tries: int) -> Slot:
        options = list(redraw_scenarios(self.dimensions, slot.number, slot.planned, max(tries, 1), self.max_tries))
        scenario = next((option for option in options if hash(option) not in self._asked), options[0])
        self._asked.add(hash(scenario))  # now, not when it is taken: many slots may wait, and none is to ask the same
        return Slot(slot.topic, slot.number, slot.planned, scenario, tries)


@dataclass(slots=True)
class SlotQueue:
    """All topics; takes from the one that is farthest behind."""

    topics: dict[str, TopicQueue]

    @classmethod
    def resume(
        cls,
        dimensions: Sequence[Dimensions],
        read_state: Callable[[str], TopicState],
        max_tries: int,
        surplus_share: float = 0.0,
    ) -> "SlotQueue":
        queues = (TopicQueue.resume(each, read_state(each.topic), max_tries, surplus_share) for each in dimensions)
        return cls({queue.dimensions.topic: queue for queue in queues})

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to ask: every quota is met or out of reach, and nothing is in flight."""
        return all((queue.is_met or queue.is_out_of_reach) and not queue.in_flight for queue in self.topics.values())

    def take(self) -> Slot | None:
        for queue in sorted(self.topics.values(), key=lambda queue: queue.share):
            if (slot := queue.take()) is not None:
                return slot
        return None

    def out_of_reach(self) -> list[TopicQueue]:
        return [queue for queue in self.topics.values() if queue.is_out_of_reach and not queue.is_met]
