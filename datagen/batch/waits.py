"""How long to wait: between looks at batches that are worked on, and before a failed call is made again."""

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds. A batch takes minutes to hours: looks start close together and grow apart."""

    first_look_s: float = 1.0
    longest_look_s: float = 60.0
    first_retry_s: float = 0.5
    longest_retry_s: float = 30.0
    growth: float = 1.5

    def before_look(self, looks: int) -> float:
        """After so many looks at which no batch was over."""
        return self._grow(self.first_look_s, looks, self.longest_look_s)

    def before_retry(self, failures: int, rng: Random) -> float:
        """After so many failures in a row (at least 1) without a word from the endpoint; half of it by chance."""
        return self._grow(self.first_retry_s, failures - 1, self.longest_retry_s) * rng.uniform(0.5, 1)

    def _grow(self, first_s: float, steps: int, longest_s: float) -> float:
        return min(longest_s, first_s * self.growth ** min(steps, 100))
