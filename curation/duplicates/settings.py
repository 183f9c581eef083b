"""What counts as a duplicate: the settings of the `duplicates` block of the curation file."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class DuplicateSettings(BaseModel):
    """Thresholds of similarity. Those that decide how the index is made (`describe_index`) need a new one."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=lambda name: name.replace("_", "-"),
        validate_by_name=True,
        serialize_by_alias=True,
    )

    n: int = Field(default=3, ge=1, le=16)
    """Characters in a gram. 3: of the normal form, where words and 5-grams miss half of the edited copies."""
    threshold: float = Field(default=0.5, gt=0, le=1)
    """Jaccard similarity of the grams, 0..1, from which on two dialogues are near-duplicates."""
    split_threshold: float = Field(default=0.4, gt=0, le=1)
    """The looser similarity that no two dialogues of different splits may reach; at most `threshold`."""
    probability: float = Field(default=0.99, gt=0, lt=1)
    """How surely a pair exactly at `split-threshold` is found, 0..1; pairs above it are found more surely."""
    containment: float = Field(default=0.9, gt=0, le=1)
    """Share of the smaller dialogue's grams, 0..1, from which on it is contained in the larger: one cut short."""
    turn_containment: float = Field(default=0.75, gt=0, le=1)
    """Share of the smaller dialogue's long turns, 0..1, that the larger contains: three of four, one was replaced."""
    turn_overlap: float = Field(default=0.5, gt=0, le=1)
    """Share of a turn's grams, 0..1, from which on the other dialogue contains that turn."""
    turn_length: int = Field(default=8, ge=1)
    """Characters of the normal form from which on a turn counts for containment: "오늘 뭐 했어?" (5) says nothing."""
    max_cluster_share: float = Field(default=0.05, gt=0, le=1)
    """Share of the data, 0..1, from which on one cluster is reported loudly: then it is a template, not a copy."""

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.split_threshold > self.threshold:
            raise ValueError(
                f"split-threshold {self.split_threshold:g} is above threshold {self.threshold:g}: "
                "near-duplicates that are kept would straddle the splits"
            )
        return self

    def describe_index(self) -> dict[str, float]:
        """What the index on disk depends on: all but `max-cluster-share`, which only words the report."""
        return self.model_dump(exclude={"max_cluster_share"})
