"""A model behind an OpenAI-compatible endpoint: `transformers serve`, vLLM, and whatever speaks like them."""

from collections.abc import Generator
from dataclasses import asdict, dataclass, field
from threading import Event
from typing import Any

import openai

from datagen.errors import ProviderError
from train.talk import Messages, Sampling, TooLongError

_HINTS = {
    401: "the key is wrong or missing: set OPENAI_API_KEY, or name its variable with --api-key-env",
    404: "no such model or address there: check --model and --base-url (it usually ends in /v1)",
}


@dataclass(frozen=True, slots=True)
class EndpointSpeaker:
    """Asks for chat completions. The key is in no repr."""

    base_url: str
    model: str
    sampling: Sampling
    api_key: str = field(default="none", repr=False)

    def stream(self, messages: Messages, stop: Event) -> Generator[str, None, None]:
        """Gives what the endpoint sends. Raises TooLongError, and ProviderError, also where a reply is broken off."""
        drawn: Any = {name: value for name, value in asdict(self.sampling).items() if value is not None}
        drawn |= {"max_tokens": drawn.pop("max_new_tokens"), "messages": list(messages)}
        is_whole, has_begun = False, False
        try:
            with (
                openai.OpenAI(base_url=self.base_url, api_key=self.api_key, max_retries=1) as client,
                client.chat.completions.create(model=self.model, stream=True, **drawn) as chunks,
            ):
                for choice in (each for chunk in chunks for each in chunk.choices[:1]):
                    if stop.is_set():
                        return
                    is_whole, has_begun = is_whole or choice.finish_reason is not None, True
                    yield "" + (choice.delta.content or "")  # whatever JSON holds comes through: no text fails here
        except (openai.OpenAIError, ValueError, TypeError, AttributeError, LookupError) as exc:
            raise self._explain(exc, has_begun) from exc
        if not is_whole:
            raise ProviderError(f"{self.base_url} broke the reply off", "see the endpoint's own output")

    def _explain(self, exc: Exception, has_begun: bool) -> Exception:
        told, hint = str(exc.__cause__ or exc), "see the endpoint's own output"
        if isinstance(exc, openai.APIStatusError):
            # vLLM and others have no code for it, only OpenAI's words
            if exc.code == "context_length_exceeded" or "maximum context length" in exc.message:
                return TooLongError()
            told = f"{exc.status_code} {' '.join(exc.message.split())[:300]}"
            return ProviderError(f"{self.base_url} answered {told}", _HINTS.get(exc.status_code, hint))
        if isinstance(exc, openai.APIConnectionError) and not has_begun:
            return ProviderError(f"{self.base_url} cannot be reached: {told}", "start it, or check --base-url")
        told = told if isinstance(exc, openai.OpenAIError) else f"no chunk of a chat completion ({told})"
        return ProviderError(f"{self.base_url} broke the reply off: {told}", hint)
