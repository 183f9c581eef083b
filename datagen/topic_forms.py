"""The forms of an edit of a spec's topics: what stands in the file, and what the author wants there."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

MAX_TOPICS = 500
MAX_SITUATIONS = 1_000
"""Of one topic."""
MAX_FACETS = 50
MAX_QUOTA = 10_000_000

Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)]
Brief = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000)]
Stripped = Annotated[str, StringConstraints(strip_whitespace=True)]


class TopicText(BaseModel):
    """A topic as it stands in the file, whether or not it would pass the check; texts without white space around."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: Stripped = ""
    category: Stripped = ""
    quota: int = 0
    brief: Stripped = ""
    situations: tuple[Stripped, ...] = ()
    facets: dict[Stripped, tuple[Stripped, ...]] = {}

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_is_empty(cls, data: object) -> object:
        """`brief:` without a value is a topic without a brief."""
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data


class TopicEdit(BaseModel):
    """A topic as the author wants it. `original`: its name in the file that the edit was made from, None if new.

    The limits are of size alone: what a topic must be, the check tells.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    original: Name | None = None
    name: Name
    category: Name
    quota: int = Field(ge=-MAX_QUOTA, le=MAX_QUOTA)
    brief: Brief
    situations: tuple[Line, ...] = Field(max_length=MAX_SITUATIONS)
    facets: dict[Name, Annotated[tuple[Line, ...], Field(max_length=MAX_SITUATIONS)]] = Field({}, max_length=MAX_FACETS)


class SpecEdit(BaseModel):
    """All topics in the order wanted; those of the file that are missing here go. `fingerprint`: of the file read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str = Field(pattern=r"^[0-9a-f]{64}$")
    topics: tuple[TopicEdit, ...] = Field(max_length=MAX_TOPICS)
