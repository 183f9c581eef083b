"""How many rows of each topic are accepted: exactly its quota where there are enough, and never more."""

from collections.abc import Mapping, Sequence


class Places:
    """The places that the topics' quotas leave, taken one by one. Without quotas (a foreign folder) there is no end."""

    def __init__(self, topics: Sequence[str], quotas: Mapping[str, int] | None) -> None:
        """`topics` [n] is the topic of each row."""
        self._topics = topics
        self._quotas = quotas
        self._left = dict(quotas or {})

    def has_room(self, row: int) -> bool:
        """Whether the row's topic can take one more; a topic that no quota names takes none."""
        return self._quotas is None or self._left.get(self._topics[row], 0) > 0

    def take(self, row: int) -> None:
        """Give a place to a row. Raises ValueError where its topic has none left."""
        if self._quotas is None:
            return
        if not self.has_room(row):
            raise ValueError(f"topic {self._topics[row]!r} has no place left")
        self._left[self._topics[row]] -= 1

    def list_missing(self) -> dict[str, int]:
        """Topic → places that nobody took, in the order of the quotas; met topics are left out."""
        return {topic: left for topic, left in self._left.items() if left > 0}

    def list_unknown(self) -> list[str]:
        """Topics of rows that no quota names, sorted; their rows can only be reserve."""
        return [] if self._quotas is None else sorted(set(self._topics) - set(self._quotas))
