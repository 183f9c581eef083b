"""What a run has reached so far, for progress and summary: counts kept in memory as attempts are committed."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from datagen.ledger import Attempt, Ledger
from datagen.ledger_duets import Utterance


@dataclass(slots=True)
class TopicCount:
    """One topic. `earlier` dialogues were accepted before this call."""

    quota: int
    accepted: int = 0
    earlier: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Why drafts were rejected, and dialogues dropped."""
    dropped: int = 0

    @property
    def rejected(self) -> int:
        return self.reasons.total() - self.dropped


@dataclass(slots=True)
class Tally:
    """All topics, and what this call has used."""

    topics: dict[str, TopicCount]
    requests: int = 0
    replies: int = 0
    failures: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0

    @classmethod
    def resume(cls, ledger: Ledger, quotas: dict[str, int], counted: dict[str, int] | None = None) -> "Tally":
        """Where the run stands. `counted`: topic → dialogues that count, where those are not all that are stored."""
        stored, reasons = ledger.tallies(), ledger.rejections()
        topics = {}
        for name, quota in quotas.items():
            accepted = stored[name].accepted if name in stored else 0
            accepted = accepted if counted is None else counted.get(name, 0)
            topics[name] = TopicCount(quota, accepted, accepted, Counter(reasons.get(name, {})))
        return cls(topics)

    @property
    def quota(self) -> int:
        return sum(topic.quota for topic in self.topics.values())

    @property
    def accepted(self) -> int:
        return sum(topic.accepted for topic in self.topics.values())

    @property
    def earlier(self) -> int:
        return sum(topic.earlier for topic in self.topics.values())

    @property
    def rejected(self) -> int:
        return sum(topic.rejected for topic in self.topics.values())

    @property
    def dropped(self) -> int:
        return sum(topic.dropped for topic in self.topics.values())

    def describe_losses(self) -> str:
        """Drafts that were no dialogue, and dialogues that curation dropped while they came in."""
        return f"{self.rejected} rejected" + (f" · {self.dropped} dropped" if self.dropped else "")

    def count(self, attempt: Attempt, dropped: str | None = None) -> None:
        """Count what became of a stored attempt. `dropped`: why its dialogue does not count, if it does not."""
        topic = self.topics[attempt.topic]
        if dropped is not None:
            topic.reasons[dropped] += 1
            topic.dropped += 1
        elif attempt.outcome == "accepted":
            topic.accepted += 1
        elif attempt.outcome == "rejected":
            topic.reasons[attempt.reason or "unknown"] += 1
        else:
            self.failures += 1

    def spend(self, paid: Attempt | Utterance) -> None:
        """Count what a request took: an attempt's, or of a duet each utterance's."""
        self.requests += paid.requests
        if paid.reply is not None:
            self.replies += 1
            self.unpriced += paid.cost_usd is None
        self.prompt_tokens += paid.prompt_tokens or 0
        self.completion_tokens += paid.completion_tokens or 0
        self.cached_tokens += paid.cached_tokens or 0
        self.cost_usd += paid.cost_usd or 0.0

    def summarise(self, seconds: float) -> dict[str, Any]:
        """The figures of this call, which took so long, as `--json` prints them."""
        topics = {
            name: {"accepted": topic.accepted, "quota": topic.quota, "rejected": dict(topic.reasons.most_common())}
            for name, topic in self.topics.items()
        }
        return {
            "accepted": self.accepted,
            "quota": self.quota,
            "added": self.accepted - self.earlier,
            "topics": topics,
            "requests": self.requests,
            "replies": self.replies,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cached_tokens": self.cached_tokens,
            "cached_share": round(self.cached_tokens / self.prompt_tokens, 4) if self.prompt_tokens else 0.0,
            "cost_usd": None if self.unpriced else round(self.cost_usd, 6),
            "seconds": round(seconds, 3),
        }
