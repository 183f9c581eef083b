"""A reply that was paid for, as it is read from the body of a chat completion.

Endpoints add fields of their own, which are ignored, and leave out others; what counts is the text.
"""

import json
from dataclasses import dataclass
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError, ValidatorFunctionWrapHandler, WrapValidator

from datagen.prices import Tokens
from datagen.retry import BadReplyError

Form = TypeVar("Form", bound=BaseModel)

_MOST_TOKENS = 2**31 - 1
"""What a column of the dialogues holds; far beyond any request."""


class _Refinement(BaseModel):
    cached_tokens: int | None = Field(0, ge=0)


class Usage(BaseModel):
    """The bill in a reply."""

    prompt_tokens: int = Field(0, ge=0, le=_MOST_TOKENS)
    completion_tokens: int = Field(0, ge=0, le=_MOST_TOKENS)
    prompt_tokens_details: _Refinement | None = None
    cost: float | None = Field(None, ge=0, allow_inf_nan=False)
    """US dollars, from gateways that say it."""


def _forgive(value: object, read: ValidatorFunctionWrapHandler) -> Usage | None:
    """A reply that was paid for is not thrown away because its bill is odd."""
    try:
        usage: Usage | None = read(value)
    except ValidationError:
        return None
    return usage


ForgivenUsage = Annotated[Usage | None, WrapValidator(_forgive)]
"""The bill, or None where there is none or it cannot be."""


class _ReplyMessage(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _ReplyMessage
    finish_reason: str | None = None


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    model: str = ""
    provider: str | None = None
    usage: ForgivenUsage = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that was paid for. `tokens` is None where the endpoint does not count them."""

    text: str
    finish_reason: str | None
    declined: bool
    """The endpoint itself marked the reply as a refusal."""
    model: str
    provider: str
    tokens: Tokens | None
    cost_usd: float | None
    """As the endpoint reported it; None where it did not."""


def read_answer(body: bytes, host: str) -> Answer:
    """The answer in the body of a chat completion. Raises BadReplyError where it is none."""
    try:
        completion = read_json(_Completion, body)
    except ValidationError as exc:
        start = body[:120].decode("utf-8", errors="replace")
        raise BadReplyError(f"the reply is no chat completion ({exc.error_count()} problems): {start!r}") from exc
    choice, usage = completion.choices[0], completion.usage
    cached = usage.prompt_tokens_details.cached_tokens if usage and usage.prompt_tokens_details else 0
    return Answer(
        text=choice.message.content or choice.message.refusal or "",
        finish_reason=choice.finish_reason,
        declined=choice.message.refusal is not None,
        model=completion.model,
        provider=completion.provider or host,
        tokens=Tokens(usage.prompt_tokens, usage.completion_tokens, min(cached or 0, usage.prompt_tokens))
        if usage
        else None,
        cost_usd=usage.cost if usage else None,
    )


def read_json(form: type[Form], text: bytes) -> Form:
    """As `model_validate_json`, but half an emoji, where a model was cut off, becomes U+FFFD: it was paid for.

    Raises ValidationError.
    """
    try:
        return form.model_validate_json(text)
    except ValidationError:
        mended = _mend(text)
        if mended is None:
            raise
        return form.model_validate_json(mended)


def _mend(text: bytes) -> str | None:
    """JSON without lone surrogates, which pydantic takes for no JSON at all; None where it has none, or is no JSON."""
    if b"\\ud" not in text.lower():
        return None
    try:
        plain = json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    return plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
