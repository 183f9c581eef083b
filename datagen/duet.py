"""A dialogue of two models, as far as it has come: what is to be said next, and when it is told in a summary or ends.

    user → persona → user → … → (older exchanges told in a summary) → user → … → the user's last → the persona's last

Pure: the same utterances give the same next step, so a dialogue that was killed goes on as if it had not been. Who asks
the models and stores what they say is `duet_drafter`.
"""

from dataclasses import dataclass, replace

from datagen.budget import TOKENS_PER_CHARACTER
from datagen.ledger_duets import Kind

KEPT_EXCHANGES = 4
"""The newest exchanges, which stay in full however long they are: what a reply answers is not read in a summary."""
KEPT_SHARE = 0.5
"""Share of the context that is left full when the older exchanges go into a summary: each summary breaks the prompt
cache, and this way there is one about every half context."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a dialogue may be, in exchanges, and how much of it a request carries in full."""

    least: int
    most: int
    aim: int
    """What the scenario asks for; the user's model is told, and decides."""
    context_tokens: int


@dataclass(frozen=True, slots=True)
class Duet:
    """What was said. `told` messages, from the first, are in the summary alone for the requests to come."""

    terms: Terms
    texts: tuple[str, ...] = ()
    summary: str = ""
    told: int = 0
    is_ending: bool = False
    """The user has said its last; the persona answers once more."""

    @property
    def exchange(self) -> int:
        """The exchange that is under way, from 1."""
        return len(self.texts) // 2 + 1

    @property
    def may_end(self) -> bool:
        return self.exchange >= self.terms.least

    @property
    def must_end(self) -> bool:
        return self.exchange >= self.terms.most

    @property
    def window(self) -> tuple[str, ...]:
        """What a request carries in full; it begins with the user."""
        return self.texts[self.told :]

    def find_next(self) -> tuple[Kind, int] | None:
        """What is to be asked for next and its number: messages before it, or, of a summary, those it tells.

        None: the dialogue is whole.
        """
        if len(self.texts) % 2:
            return "persona", len(self.texts)
        if self.is_ending:
            return None
        if (told := self._plan_summary()) > self.told:
            return "summary", told
        return "user", len(self.texts)

    def add(self, kind: Kind, number: int, text: str, has_mark: bool = False) -> "Duet":
        """The dialogue with this said, or told. A user's mark before its time ends nothing."""
        if kind == "summary":
            return replace(self, summary=text, told=number)
        if kind == "persona":
            return replace(self, texts=(*self.texts, text))
        is_ending = self.must_end or (has_mark and self.may_end)
        return replace(self, texts=(*self.texts, text), is_ending=is_ending)

    def _plan_summary(self) -> int:
        """How many messages should be told, so that the rest fits."""
        if estimate_tokens(self.window) <= self.terms.context_tokens:
            return self.told
        told, limit = self.told, self.terms.context_tokens * KEPT_SHARE
        while len(self.texts) - told > 2 * KEPT_EXCHANGES and estimate_tokens(self.texts[told:]) > limit:
            told += 2
        return told


def estimate_tokens(texts: tuple[str, ...]) -> float:
    return sum(map(len, texts)) * TOKENS_PER_CHARACTER
