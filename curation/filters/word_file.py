"""The words and patterns of a filter that lie as data beside it, in `data/<code>.yaml`, where authors add theirs."""

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict
from ruamel.yaml import YAML

_FOLDER = Path(__file__).parent / "data"


class WordForm(BaseModel):
    """A filter's data file: keys in kebab-case, unknown ones refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=lambda name: name.replace("_", "-"))


Form = TypeVar("Form", bound=WordForm)


def read_words(code: str, form: type[Form]) -> Form:
    """The data of the filter `code`. The file is part of the package, so a mistake in it raises as it comes."""
    data: object = YAML(typ="safe").load((_FOLDER / f"{code}.yaml").read_text("utf-8"))
    return form.model_validate(data)
