"""Draft a dialogue utterance by utterance: two models in turn, each reply stored before the next.

Whatever stops a run (a kill, Ctrl-C, a spent budget, a dead endpoint), the dialogue is in the ledger up to its last
utterance, and the next call goes on from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from datagen.answer import Answer
from datagen.clock import Clock
from datagen.draft import Draft
from datagen.duet import Duet, Terms
from datagen.duet_prompt import DuetWriter
from datagen.duet_rows import UTTERANCE_TRIES, add_row, judge_tries, replay, sum_up
from datagen.group_commit import GroupCommit
from datagen.ledger import Ledger
from datagen.ledger_duets import DuetKey, Kind, SaidEntry, Utterance
from datagen.prompt import Prompt
from datagen.provider import GaveUpError, RejectedRequestError
from datagen.quota import Slot
from datagen.spec import LoadedSpec
from datagen.till import Till, prepare_call
from datagen.utterance import NoUtterance, read_utterance


@dataclass(frozen=True, slots=True)
class _Step:
    """The utterance that is asked for."""

    kind: Kind
    number: int
    again: int
    prompt: Prompt
    persona_name: str
    least: int
    """Exchanges before which a `[끝]` is not taken; 0: it may end, was told so once, or is asked
    for the last time: what would be good but for the mark rejects no draft."""


@dataclass(frozen=True, slots=True)
class _Result:
    """What became of a request. `text`: what goes into the dialogue."""

    outcome: Literal["accepted", "rejected", "failed"]
    reason: str | None = None
    detail: str | None = None
    text: str | None = None


@dataclass(slots=True)
class DuetDrafter:
    """A request an utterance. `tell` hears of each one that is stored."""

    loaded: LoadedSpec
    ledger: Ledger
    till: Till
    commits: GroupCommit
    clock: Clock
    tell: Callable[[Utterance], None]
    _writer: DuetWriter = field(init=False)
    _under_way: dict[tuple[str, int], DuetKey] = field(init=False)
    _last: int = field(init=False)

    def __post_init__(self) -> None:
        self._writer = DuetWriter(self.loaded)
        topics = [topic.name for topic in self.loaded.spec.topics]
        self._under_way = {(key.topic, key.slot): key for topic in topics for key in self.ledger.open_duets(topic)}
        self._last = self.ledger.last_duet()

    async def draft(self, slot: Slot) -> Draft:
        """The dialogue of a slot, from where it stands. Raises as `Drafter` says; what was said is stored."""
        key = self._find_or_begin(slot)
        rows: list[Utterance] = await self.commits.call(self.ledger.utterances, key.id)
        spec = self.loaded.spec
        terms = Terms(spec.exchanges.min, spec.exchanges.max, slot.scenario.exchanges, spec.context_tokens)
        duet, verdict = replay(terms, rows), None
        while verdict is None and (step := duet.find_next()) is not None:
            tried = [row for row in rows if (row.kind, row.number) == step]
            verdict = judge_tries(tried)
            if verdict is None:
                rows.append(await self._ask(key, self._prepare(slot, duet, tried)))
                duet = add_row(duet, rows[-1])
        del self._under_way[slot.topic, slot.number]
        return sum_up(key.id, rows, duet.texts, verdict)

    def _find_or_begin(self, slot: Slot) -> DuetKey:
        place = slot.topic, slot.number
        if place not in self._under_way:
            self._last += 1
            self._under_way[place] = DuetKey(self._last, *place, slot.tries, slot.scenario.to_json())
        return self._under_way[place]

    def _prepare(self, slot: Slot, duet: Duet, tried: Sequence[Utterance]) -> _Step:
        step = duet.find_next()
        assert step is not None
        kind, number = step
        was_told = any(row.reason == "ended-early" for row in tried)
        is_taken_off = duet.may_end or was_told or len(tried) == UTTERANCE_TRIES - 1
        return _Step(
            kind=kind,
            number=number,
            again=len(tried),
            prompt=self._writer.write(slot.scenario, duet, kind, number),
            persona_name=self._writer.find_persona(slot.scenario).name,
            least=duet.terms.least if kind == "user" and not is_taken_off else 0,
        )

    async def _ask(self, key: DuetKey, step: _Step) -> Utterance:
        """One request, stored with what became of it."""
        call, started = prepare_call(step.prompt), self.clock()
        answer: Answer | None = None
        cost: float | None = None
        try:
            answer, cost = await self.till.ask(call)
            result = _judge(answer, step)
        except RejectedRequestError as exc:
            result = _Result("rejected", exc.failure.reason, exc.failure.detail)
        except GaveUpError as exc:
            result = _Result("failed", exc.failure.reason, exc.failure.detail)
        tokens = answer.tokens if answer else None
        row = Utterance(
            duet=key.id,
            number=step.number,
            kind=step.kind,
            again=step.again,
            prompt_sha256=step.prompt.sha256,
            endpoint=call.endpoint,
            outcome=result.outcome,
            reason=result.reason,
            detail=result.detail,
            reply=answer.text if answer else None,
            text=result.text,
            finish_reason=answer.finish_reason if answer else None,
            model=answer.model if answer else None,
            provider=answer.provider if answer else None,
            prompt_tokens=tokens.prompt if tokens else None,
            completion_tokens=tokens.completion if tokens else None,
            cached_tokens=tokens.cached if tokens else None,
            cost_usd=cost,
            requests=call.requests,
            started_at=_tell_time(started),
            finished_at=_tell_time(self.clock()),
        )
        await self.commits.add(SaidEntry(key, row))
        self.tell(row)
        return row


def _judge(answer: Answer, step: _Step) -> _Result:
    heard = read_utterance(answer, None if step.kind == "summary" else step.persona_name)
    if isinstance(heard, NoUtterance):
        return _Result("rejected", heard.reason, heard.detail)
    if heard.has_mark and step.least:
        detail = f"'[끝]' in exchange {step.number // 2 + 1}, expected {step.least} exchanges at least"
        return _Result("rejected", "ended-early", detail)
    return _Result("accepted", text=heard.text)


def _tell_time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
