"""Ask for replies in a form: a question whose reply is not in it is asked once more, under a key of its own."""

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from curation.opinions.ask import Asker, Question, estimate_tokens
from datagen.prompt import Prompt
from datagen.provider import Call

TRIES = 2
"""Requests for one answer, where the first reply is not in form."""

Answer = TypeVar("Answer")
Read = Callable[[str], Answer | None]
"""What a reply says; None where it is not in form."""


async def ask_in_form(
    asker: Asker, prompts: Sequence[Prompt], reads: Sequence[Read[Answer]], round_: int = 0
) -> list[Answer | None]:
    """The answer to each prompt, read by the `Read` beside it; None where there is none.

    `round_`: which time these prompts are asked, from 0. Raises what `Asker.ask` raises.
    """
    found: list[Answer | None] = [None] * len(prompts)
    open_ = list(range(len(prompts)))
    for attempt in range(TRIES):
        questions = [_make_question(asker, prompts[at], round_ * TRIES + attempt) for at in open_]
        replies = await asker.ask(questions)
        again = []
        for at, question in zip(open_, questions, strict=True):
            if (reply := replies.get(question.keys[0])) is not None:
                found[at] = reads[at](reply)
                again += [at] if found[at] is None else []
        open_ = again
    return found


def _make_question(asker: Asker, prompt: Prompt, repetition: int) -> Question:
    settings = asker.settings
    key = make_key(asker.kind, prompt, settings.model, settings.temperature, repetition)
    return Question((key,), Call(prompt, estimate_tokens(prompt.characters)), prompt.characters)


def make_key(kind: str, prompt: Prompt, model: str, temperature: float, repetition: int) -> str:
    """sha256 of all that decides the answer: what is asked, of whom, and which repetition it is."""
    whole = json.dumps([kind, model, temperature, prompt.system, prompt.user, repetition], ensure_ascii=False)
    return hashlib.sha256(whole.encode()).hexdigest()
