"""`curation.yaml`: the limits of the filters, what counts as a duplicate, how splits are cut, which models are asked.

Strict: an unknown code or key is refused with the nearest name. What the file leaves out keeps its default, which is
documented where the filter is.
"""

from collections.abc import Mapping
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, create_model, field_validator, model_validator
from ruamel.yaml import YAML

from curation.duplicates.settings import DuplicateSettings
from curation.filter import FilterSettings
from curation.filters import FILTERS
from curation.filters.opening import OpeningSettings
from curation.opinions.contradiction import ContradictionSettings
from curation.opinions.judge import JudgeSettings
from curation.opinions.moderation import ModerationSettings
from curation.opinions.semantic import SemanticSettings
from curation.settling.splits import SplitSettings
from datagen.errors import SpecError
from datagen.form_file import FormReader
from datagen.packaged import find_packaged

FILE_NAME = "curation.yaml"
OPENING = "opening"


def _field(code: str) -> str:
    return code.replace("-", "_")


def _make_filters_form() -> type[BaseModel]:
    """A form with a field per filter, named by its code."""
    forms: dict[str, type[FilterSettings]] = {each.code: each.settings for each in FILTERS}
    forms[OPENING] = OpeningSettings
    fields: dict[str, Any] = {
        _field(code): (settings, Field(default=settings(), alias=code)) for code, settings in forms.items()
    }
    config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)
    return create_model("FiltersForm", __config__=config, **fields)


FiltersForm = _make_filters_form()


class CurationForm(BaseModel):
    """The file as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    filters: FiltersForm = Field(default_factory=FiltersForm)  # type: ignore[valid-type]
    duplicates: DuplicateSettings = Field(default_factory=DuplicateSettings)
    splits: SplitSettings = Field(default_factory=SplitSettings)
    judge: JudgeSettings | None = None
    contradiction: ContradictionSettings | None = None
    moderation: ModerationSettings | None = None
    semantic: SemanticSettings | None = None
    licence: str | None = None
    """Of the dataset, for its card: an identifier that the hub knows (`cc-by-4.0`). None: the card says `unknown`."""

    @model_validator(mode="after")
    def _keeps_near_copies_out_of_other_splits(self) -> Self:
        if self.splits.threshold > self.duplicates.threshold:
            raise ValueError(
                f"the splits' threshold {self.splits.threshold:g} is above that of duplicates, "
                f"{self.duplicates.threshold:g}: near-copies that are kept would straddle the splits"
            )
        return self

    @field_validator("semantic")
    @classmethod
    def _drops_what_counts_as_a_duplicate(
        cls, value: SemanticSettings | None, info: ValidationInfo
    ) -> SemanticSettings | None:
        duplicates: DuplicateSettings | None = info.data.get("duplicates")
        if value and duplicates and value.drop and value.threshold < duplicates.threshold:
            raise ValueError(
                f"threshold {value.threshold:g} is below that of duplicates, {duplicates.threshold:g}: "
                "with `drop` the pairs between them would neither be dropped nor noted"
            )
        return value


class CurationSettings(BaseModel):
    """The settings as curation uses them."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    form: CurationForm = Field(default_factory=CurationForm)

    @cached_property
    def filters(self) -> Mapping[str, FilterSettings]:
        """Code → settings, of the filters that look at one dialogue."""
        return {each.code: cast(FilterSettings, getattr(self.form.filters, _field(each.code))) for each in FILTERS}

    @property
    def opening(self) -> OpeningSettings:
        return cast(OpeningSettings, getattr(self.form.filters, OPENING))

    @property
    def duplicates(self) -> DuplicateSettings:
        return self.form.duplicates

    @property
    def index_settings(self) -> DuplicateSettings:
        """Those of the duplicates, searched down to the threshold of the splits."""
        return self.form.duplicates.model_copy(update={"split_threshold": self.form.splits.threshold})

    @property
    def splits(self) -> SplitSettings:
        return self.form.splits

    @property
    def judge(self) -> JudgeSettings | None:
        return self.form.judge if self.form.judge and self.form.judge.enabled else None

    @property
    def contradiction(self) -> ContradictionSettings | None:
        return self.form.contradiction if self.form.contradiction and self.form.contradiction.enabled else None

    @property
    def moderation(self) -> ModerationSettings | None:
        return self.form.moderation if self.form.moderation and self.form.moderation.enabled else None

    @property
    def semantic(self) -> SemanticSettings | None:
        return self.form.semantic if self.form.semantic and self.form.semantic.enabled else None

    @property
    def asks_models(self) -> bool:
        return any(block is not None for block in (self.judge, self.contradiction, self.moderation, self.semantic))

    @property
    def licence(self) -> str | None:
        return self.form.licence

    def to_yaml(self) -> str:
        """Every setting with its value, defaults included."""
        yaml = YAML(typ="safe")
        yaml.default_flow_style = None
        yaml.allow_unicode = True
        yaml.width = 120
        stream = StringIO()
        form = self.form.model_dump(mode="json", by_alias=True, exclude={"duplicates": {"split_threshold"}})
        yaml.dump(form, stream)
        return stream.getvalue()


def load_settings(path: Path | None) -> CurationSettings:
    """The settings of a file, or with None the packaged ones. Raises SpecError with every mistake and its line."""
    path = path or find_packaged(FILE_NAME)
    if path is None:
        return CurationSettings()
    reader = FormReader()
    form = reader.validate(path, reader.read_yaml(path), CurationForm)
    if reader.problems or form is None:
        raise SpecError(reader.problems, "the curation settings")
    return CurationSettings(form=form)
