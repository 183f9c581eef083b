"""How a slot becomes a draft. One request for the whole dialogue here; other ways have the same one method."""

from dataclasses import dataclass
from typing import Protocol

from datagen.answer import Answer
from datagen.clock import Clock
from datagen.draft import Draft, Verdict, judge_answer
from datagen.prompt import PromptWriter
from datagen.provider import GaveUpError, RejectedRequestError
from datagen.quota import Slot
from datagen.spec import LoadedSpec
from datagen.till import Till, prepare_call


class Drafter(Protocol):
    """Drafts one dialogue for a slot."""

    async def draft(self, slot: Slot) -> Draft:
        """Ask, and judge what came back; nothing of it is stored yet.

        Raises StoppingError where the run is stopping and nothing came of the slot, and what ends a run: ProviderError,
        BudgetSpentError.
        """
        ...


@dataclass(frozen=True, slots=True)
class TranscriptDrafter:
    """A dialogue a request, written as a transcript."""

    loaded: LoadedSpec
    writer: PromptWriter
    till: Till
    clock: Clock

    async def draft(self, slot: Slot) -> Draft:
        prompt = self.writer.write(slot.scenario, slot.number, slot.tries)
        call = prepare_call(prompt)
        started = self.clock()
        answer: Answer | None = None
        cost: float | None = None
        try:
            answer, cost = await self.till.ask(call)
            verdict = judge_answer(answer, self.loaded.spec)
        except RejectedRequestError as exc:
            verdict = Verdict("rejected", exc.failure.reason, exc.failure.detail)
        except GaveUpError as exc:
            verdict = Verdict("failed", exc.failure.reason, exc.failure.detail)
        return Draft(prompt.sha256, call.endpoint, call.requests, started, self.clock(), answer, cost, verdict)
