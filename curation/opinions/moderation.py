"""moderation (optional): `/v1/moderations` scores every turn in categories such as `sexual/minors`.

Scores only note, unless a limit says otherwise: such classifiers flag 14 to 46 % of clean 반말. Of each category the
worst turn of a dialogue is told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import Field

from curation.filter import FilterSettings
from curation.finding import AtLeast, Finding
from datagen.record import Dialogue
from datagen.spec import ProviderSettings, Text

CODE = "moderation"
QUOTED = 60
"""Characters of a turn that its evidence quotes."""

CATEGORIES = {
    "harassment": "괴롭힘",
    "harassment/threatening": "협박이 섞인 괴롭힘",
    "hate": "혐오 표현",
    "hate/threatening": "협박이 섞인 혐오 표현",
    "illicit": "불법 행위 안내",
    "illicit/violent": "폭력이 따르는 불법 행위 안내",
    "self-harm": "자해",
    "self-harm/intent": "자해하려는 뜻",
    "self-harm/instructions": "자해 방법 안내",
    "sexual": "성적인 내용",
    "sexual/minors": "미성년자가 나오는 성적인 내용",
    "violence": "폭력",
    "violence/graphic": "잔혹한 묘사",
}
"""The categories of omni-moderation-latest (openai 3.54, types/moderation.py) → what reviewers read."""


class ModerationProvider(ProviderSettings):
    """OpenAI's own costs nothing but has a limit of requests, which the pace keeps to."""

    model: Text = "omni-moderation-latest"
    concurrency: int = Field(8, ge=1, le=2048)
    """Requests in flight at once, of up to 32 turns each."""


class ModerationSettings(FilterSettings):
    """The `moderation` block. Scores are in 0..1, the endpoint's confidence that a turn is of a category."""

    provider: ModerationProvider = ModerationProvider()
    limit: AtLeast = AtLeast(note=0.5)
    """For every category. 0.5: as likely as not."""
    categories: Mapping[str, AtLeast] = Field(default_factory=dict)
    """Category → a limit of its own, in place of `limit`."""

    def find_limit(self, category: str) -> AtLeast:
        return self.categories.get(category, self.limit)


@dataclass(frozen=True, slots=True)
class ModeratedTurn:
    """The scores of one message, by category."""

    message: int
    scores: Mapping[str, float]


def list_findings(dialogue: Dialogue, turns: list[ModeratedTurn], settings: ModerationSettings) -> Iterator[Finding]:
    """What the limits make of a dialogue's scores: for each category its worst turn, if that is over the limit."""
    worst: dict[str, tuple[float, int]] = {}
    for turn in turns:
        for category, score in turn.scores.items():
            if score > worst.get(category, (-1.0, 0))[0]:
                worst[category] = (score, turn.message)
    for category, (score, message) in sorted(worst.items()):
        if (judged := settings.find_limit(category).judge(score)) is not None:
            evidence = f"{CATEGORIES.get(category, category)} {score:.2f}: {_quote(dialogue, message)}"
            yield Finding(CODE, category, message, None, None, evidence, score, judged[1], judged[0])


def _quote(dialogue: Dialogue, message: int) -> str:
    text = " ".join(dialogue.messages[message].content.split())
    return f"“{text}”" if len(text) <= QUOTED else f"“{text[: QUOTED - 1]}…”"
