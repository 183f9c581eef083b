"""What one dialogue is asked to be: its persona (and, of a duet, its user), situation, facets, opening and length.

A scenario follows from the spec's seed, the topic and the slot's number alone, so a re-run asks the same. Within a
topic each dimension is spread evenly: every slot takes, in each dimension, one of the values used least so far (ties
broken by a seeded draw), and passes over combinations that were taken before. So no situation comes twice before all
were used, facet values come out even, and no two slots ask the same until the combinations run out.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

from datagen.picture import Picture
from datagen.record import Medium
from datagen.spec import Spec, Topic

_REDRAWS = 64
"""Seeded draws before a repeated scenario is accepted: only a spec with hardly any combinations comes that far."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """The choices for one dialogue. `exchanges` counts pairs of user and persona utterance."""

    topic: str
    persona: str
    situation: str
    facets: tuple[tuple[str, str], ...]
    opening: str | None
    exchanges: int
    """Of a duet the length aimed at: its user decides when it ends."""
    picture: Picture | None = None
    """What the user shows with the first utterance."""
    user: str | None = None
    """Who plays the user; of duets alone."""

    def to_json(self) -> str:
        """The form kept in the ledger and in the Parquet column `scenario`."""
        choices = {
            "situation": self.situation,
            "facets": dict(self.facets),
            "opening": self.opening,
            "exchanges": self.exchanges,
        }
        if self.picture is not None:
            choices["picture"] = self.picture.to_json()
        people = {"persona": self.persona} if self.user is None else {"persona": self.persona, "user": self.user}
        return json.dumps({**people, **choices}, ensure_ascii=False)

    @classmethod
    def from_json(cls, topic: str, text: str) -> "Scenario":
        """The scenario of a ledger entry."""
        data = json.loads(text)
        facets = tuple(data["facets"].items())
        picture = Picture(**data["picture"]) if "picture" in data else None
        told = data["situation"], facets, data["opening"], data["exchanges"]
        return cls(topic, data["persona"], *told, picture, data.get("user"))


def list_media(scenario: str) -> tuple[Medium, ...]:
    """What the scenario of a ledger entry shows. Of one without a picture nothing is parsed: nearly all are."""
    if '"picture": {' not in scenario:
        return ()
    picture = Scenario.from_json("", scenario).picture
    return (picture.to_medium(),) if picture else ()


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The values that a topic's scenarios combine, in the order of their importance."""

    seed: int
    topic: str
    situations: tuple[str, ...]
    personas: tuple[str, ...]
    facet_names: tuple[str, ...]
    facet_values: tuple[tuple[str, ...], ...]
    lengths: tuple[int, ...]
    openings: tuple[str | None, ...]
    pictures: tuple[Picture, ...] = ()
    """Empty, they are no dimension, or the draws of every topic without pictures would change."""
    users: tuple[str, ...] = ()
    """Of duets alone; empty, no dimension either."""

    @property
    def sizes(self) -> tuple[int, ...]:
        facets = tuple(map(len, self.facet_values))
        pictures = (len(self.pictures),) if self.pictures else ()
        users = (len(self.users),) if self.users else ()
        ends = (len(self.openings), len(self.lengths), *users)
        return (len(self.situations), len(self.personas), *pictures, *facets, *ends)

    @property
    def combinations(self) -> int:
        return prod(self.sizes)

    def build(self, choice: tuple[int, ...]) -> Scenario:
        """The scenario of one index per dimension, in the order of `sizes`."""
        first_facet = 3 if self.pictures else 2
        after_facets = first_facet + len(self.facet_names)
        values = zip(self.facet_names, self.facet_values, choice[first_facet:after_facets], strict=True)
        opening, length, *user = choice[after_facets:]
        return Scenario(
            topic=self.topic,
            persona=self.personas[choice[1]],
            situation=self.situations[choice[0]],
            facets=tuple((name, options[index]) for name, options, index in values),
            opening=self.openings[opening],
            exchanges=self.lengths[length],
            picture=self.pictures[choice[2]] if self.pictures else None,
            user=self.users[user[0]] if user else None,
        )


def list_dimensions(
    spec: Spec,
    topic: Topic,
    personas: tuple[str, ...],
    pictures: tuple[Picture, ...] = (),
    users: tuple[str, ...] = (),
) -> Dimensions:
    """The dimensions of a topic: the spec's facets with the topic's own added or put in their place."""
    facets = {**spec.facets, **topic.facets}
    return Dimensions(
        seed=spec.seed,
        topic=topic.name,
        situations=topic.situations,
        personas=personas,
        facet_names=tuple(facets),
        facet_values=tuple(facets.values()),
        lengths=tuple(range(spec.exchanges.min, spec.exchanges.max + 1)),
        openings=spec.openings or (None,),
        pictures=pictures,
        users=users,
    )


def plan_scenarios(dimensions: Dimensions) -> Iterator[Scenario]:
    """The scenarios of slots 0, 1, 2, … of a topic, without end."""
    counts = [[0] * size for size in dimensions.sizes]
    taken: set[tuple[int, ...]] = set()
    slot = 0
    while True:
        rng = random.Random(f"{dimensions.seed}/{dimensions.topic}/{slot}")
        choice = next(choice for choice in _rank_choices(counts, rng) if choice not in taken)
        for count, index in zip(counts, choice, strict=True):
            count[index] += 1
        taken.add(choice)
        if len(taken) == dimensions.combinations:
            taken.clear()
        yield dimensions.build(choice)
        slot += 1


def _rank_choices(counts: list[list[int]], rng: random.Random) -> Iterator[tuple[int, ...]]:
    """Every choice, those of the least used values first. The last dimensions give way first."""
    orders = []
    for count in counts:
        order = list(range(len(count)))
        rng.shuffle(order)
        order.sort(key=count.__getitem__)
        orders.append(order)
    return product(*orders)


def redraw_scenarios(
    dimensions: Dimensions, slot: int, planned: Scenario, tries: int, max_tries: int
) -> Iterator[Scenario]:
    """Other scenarios for a slot whose last `tries` drafts (at least 1) were rejected; the caller skips those asked.

    For `max_tries` drafts the slot keeps situation and picture of its `planned` scenario, so that these stay evenly
    used, and varies the rest; after that it takes fresh ones too.
    """
    seed = f"{dimensions.seed}/{dimensions.topic}/{slot}"
    round_number = tries // max_tries
    situation = dimensions.situations.index(planned.situation) if planned.situation in dimensions.situations else 0
    if round_number:
        others = [index for index in range(len(dimensions.situations)) if index != situation] or [situation]
        situation = random.Random(f"{seed}/round {round_number}").choice(others)
    rng = random.Random(f"{seed}/try {tries}")
    for _ in range(_REDRAWS):
        choice = [situation, *(rng.randrange(size) for size in dimensions.sizes[1:])]
        if planned.picture in dimensions.pictures and not round_number:
            choice[2] = dimensions.pictures.index(planned.picture)
        yield dimensions.build(tuple(choice))
