"""A model as judge: which of two replies to the same prompt suits the persona better.

Judges favour a place (Zheng et al. 2023, arXiv 2306.05685), so each pair is asked in both orders, and a reply wins
only where both answers name it; all else is a tie. Answers lie in a ledger by a hash of all that was asked, so that
none is paid twice.
"""

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from datagen.answer import Answer
from datagen.endpoint_options import Access
from datagen.ledger import Ledger, StoredAnswer
from datagen.pace import Pace
from datagen.prompt import Prompt
from datagen.provider import Call, GaveUpError, RejectedRequestError, open_provider
from datagen.spec import ProviderSettings

KIND = "pairwise"
REPLY_TOKENS = 200
RUBRIC = Path(__file__).parent / "templates" / "pairwise.md"
_ANSWER = re.compile(r'"better"\s*:\s*"(가|나|비김)"')


@dataclass(frozen=True, slots=True)
class Match:
    """Two replies to the same messages, the system prompt first."""

    messages: tuple[dict[str, str], ...]
    first: str
    other: str


def judge_matches(
    matches: Sequence[Match], settings: ProviderSettings, access: Access, ledger: Path
) -> list[tuple[float, bool] | None]:
    """For each match the other reply's score (1 won, 0.5 tie, 0 lost), and whether both orders agreed; None: unjudged.

    Raises ProviderError, DataError; what was answered until then is kept.
    """
    asked = [_write_both(each) for each in matches]
    prompts = {_make_key(settings, prompt): prompt for pair in asked for prompt in pair}
    replies = asyncio.run(_ask_all(prompts, settings, access, ledger))
    answers = [[_ANSWER.findall(replies.get(_make_key(settings, each), "")) for each in pair] for pair in asked]
    return [_score(*(each[-1] for each in pair)) if all(pair) else None for pair in answers]


def _write_both(match: Match) -> tuple[Prompt, ...]:
    """The questions in both orders; none where the replies are the same."""
    if match.first.strip() == match.other.strip():
        return ()
    return _write(match, match.first, match.other), _write(match, match.other, match.first)


def _score(straight: str = "비김", swapped: str = "비김") -> tuple[float, bool]:
    """`straight`: the answer with the first reply in the first place."""
    points = {"나": 1.0, "비김": 0.5, "가": 0.0}
    one, two = points[straight], 1 - points[swapped]
    return (one if one == two else 0.5), one == two


def _write(match: Match, left: str, right: str) -> Prompt:
    system = RUBRIC.read_text(encoding="utf-8") + next(
        (each["content"] for each in match.messages if each["role"] == "system"), ""
    )
    names = {"user": "유저", "assistant": "페르소나"}
    lines = [f"{names[each['role']]}: {each['content']}" for each in match.messages if each["role"] in names]
    return Prompt(system, "\n".join(["[대화]", *lines, "", "[가]", left, "", "[나]", right]))


def _make_key(settings: ProviderSettings, prompt: Prompt) -> str:
    whole = json.dumps([KIND, settings.model, settings.temperature, prompt.messages], ensure_ascii=False)
    return hashlib.sha256(whole.encode()).hexdigest()


async def _ask_all(
    prompts: Mapping[str, Prompt], settings: ProviderSettings, access: Access, path: Path
) -> dict[str, str]:
    with closing(Ledger.create_or_open(path)) as ledger:
        replies = ledger.find_answers(list(prompts))
        provider = open_provider(settings, access.base_urls, access.api_key, Pace(settings.rpm, settings.tpm))
        room = asyncio.Semaphore(settings.concurrency)

        async def ask(key: str, prompt: Prompt) -> None:
            async with room:
                try:
                    answer = await provider.ask(Call(prompt, prompt.characters + REPLY_TOKENS))
                except (RejectedRequestError, GaveUpError):
                    return  # unjudged, and counted as such
                ledger.store_answers([_to_row(key, answer, settings.model)])
                replies[key] = answer.text

        try:
            await asyncio.gather(*(ask(key, prompt) for key, prompt in prompts.items() if key not in replies))
        finally:
            await provider.aclose()
    return replies


def _to_row(key: str, answer: Answer, model: str) -> StoredAnswer:
    prompt, completion = (answer.tokens.prompt, answer.tokens.completion) if answer.tokens else (None, None)
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    return StoredAnswer(key, KIND, answer.model or model, answer.text, prompt, completion, answer.cost_usd, at)
