"""The filters, in the order in which they are asked and shown."""

from typing import Any

from curation.filter import Filter
from curation.filters import (
    assistant_tell,
    emoji,
    label_leak,
    language,
    length,
    name,
    persona_drift,
    personal_data,
    repetition,
    role_swap,
    script,
    speech_level,
    stage_direction,
    unfinished,
    unsafe,
)

FILTERS: tuple[Filter[Any], ...] = (
    speech_level.FILTER,
    emoji.FILTER,
    stage_direction.FILTER,
    label_leak.FILTER,
    name.FILTER,
    assistant_tell.FILTER,
    script.FILTER,
    personal_data.FILTER,
    language.FILTER,
    repetition.FILTER,
    persona_drift.FILTER,
    role_swap.FILTER,
    length.FILTER,
    unfinished.FILTER,
    unsafe.FILTER,
)
