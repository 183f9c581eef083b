"""A draft: what came of asking for one dialogue, from the answer to the ledger's entry.

A bad draft is data. It is judged here, in one place, however it was asked for: one by one, in a batch, or utterance by
utterance.
"""

from dataclasses import dataclass
from datetime import datetime

from datagen.answer import Answer
from datagen.json_reply import parse_json_reply
from datagen.ledger import Attempt, Entry, Outcome
from datagen.quota import Slot
from datagen.record import Message
from datagen.spec import Spec
from datagen.transcript import Rejection, Transcript, parse_transcript


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a draft: the messages if it was accepted, a reason if not."""

    outcome: Outcome
    reason: str | None = None
    detail: str | None = None
    messages: tuple[Message, ...] | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """One draft, judged."""

    prompt_sha256: str
    endpoint: str
    """The address that answered, or was asked last."""
    requests: int
    """HTTP requests that it took, those that were refused or cut among them."""
    started_at: datetime
    finished_at: datetime
    answer: Answer | None
    cost_usd: float | None
    verdict: Verdict
    duet: int | None = None
    """The duet that it ends, whose utterances are in the ledger already."""

    def to_entry(self, seq: int, slot: Slot) -> Entry:
        """The ledger's entry for it, with the number `seq`."""
        answer, tokens = self.answer, self.answer.tokens if self.answer else None
        attempt = Attempt(
            seq=seq,
            topic=slot.topic,
            slot=slot.number,
            tries=slot.tries,
            persona=slot.scenario.persona,
            scenario=slot.scenario.to_json(),
            prompt_sha256=self.prompt_sha256,
            endpoint=self.endpoint,
            outcome=self.verdict.outcome,
            reason=self.verdict.reason,
            detail=self.verdict.detail,
            reply=answer.text if answer else None,
            finish_reason=answer.finish_reason if answer else None,
            model=answer.model if answer else None,
            provider=answer.provider if answer else None,
            prompt_tokens=tokens.prompt if tokens else None,
            completion_tokens=tokens.completion if tokens else None,
            cached_tokens=tokens.cached if tokens else None,
            cost_usd=self.cost_usd,
            requests=self.requests,
            started_at=self.started_at.isoformat(timespec="milliseconds"),
            finished_at=self.finished_at.isoformat(timespec="microseconds"),
        )
        return Entry(attempt, self.verdict.messages, self.duet)


def judge_answer(answer: Answer, spec: Spec) -> Verdict:
    """Whether an answer is a whole dialogue of the length asked for."""
    if answer.declined:
        return Verdict("rejected", "refusal", "the endpoint marked the reply as a refusal")
    if answer.finish_reason == "content_filter":
        return Verdict("rejected", "content-filter", "the endpoint cut the reply off")
    result = read_reply(answer.text, spec, answer.finish_reason)
    if isinstance(result, Rejection):
        return Verdict("rejected", result.reason, result.detail)
    return Verdict("accepted", messages=result.messages)


def read_reply(text: str, spec: Spec, finish_reason: str | None = "stop") -> Transcript | Rejection:
    """The dialogue in a reply, read in the form that the spec asks for."""
    parse = parse_json_reply if spec.reply == "json" else parse_transcript
    return parse(text, (spec.exchanges.min, spec.exchanges.max), finish_reason)
