"""What an endpoint's prompt cache would hold: the longest beginning of a prompt that it has read before.

The rules are those of OpenAI for models before GPT-5.6 ("Prompt Caching 201", OpenAI cookbook, 2026): an exact prefix
of at least 1,024 tokens counts, in steps of 128; of structured replies the schema is a part of it, before the messages.
What was not read for the longest time is forgotten first.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

LEAST_TOKENS = 1_024
STEP_TOKENS = 128


@dataclass(slots=True)
class PrefixCache:
    """Prefixes by their hash. `tokens_per_character`: how long a step is in text."""

    tokens_per_character: float
    capacity: int = 20_000
    """Steps kept: a prompt of 3,000 tokens has 16 that count."""
    _known: OrderedDict[bytes, None] = field(default_factory=OrderedDict)

    def measure(self, text: str) -> int:
        """Tokens of the longest beginning of `text` that was stored; 0 where that is too short to count."""
        found = 0
        for tokens, key in self._list_prefixes(text):
            if key not in self._known:
                break
            self._known.move_to_end(key)
            found = tokens
        return found

    def store(self, text: str) -> None:
        """The prompt was read: its beginnings are known from now on."""
        for _, key in self._list_prefixes(text):
            self._known[key] = None
            self._known.move_to_end(key)
        while len(self._known) > self.capacity:
            self._known.popitem(last=False)

    def _list_prefixes(self, text: str) -> Iterator[tuple[int, bytes]]:
        """Each beginning that counts, the shortest first, as its tokens and its hash."""
        digest, read = hashlib.blake2b(digest_size=16), 0
        for tokens in range(LEAST_TOKENS, int(len(text) * self.tokens_per_character) + 1, STEP_TOKENS):
            end = round(tokens / self.tokens_per_character)
            digest.update(text[read:end].encode("utf-8", "surrogatepass"))
            read = end
            yield tokens, digest.digest()
