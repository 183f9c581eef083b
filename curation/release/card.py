"""The card of an export: a README whose header tells `datasets` which file is which split of which configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from curation.release.curated_set import SIMULATOR
from curation.release.shown import MediaCount

_TAKEN_OVER = ("license", "language", "pretty_name", "task_categories", "tags")
"""What an export says of itself in the words of the curated folder's card."""


@dataclass(frozen=True, slots=True)
class Card:
    format: str
    datasets: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    """Configuration → split → rows."""
    is_simulated: bool
    fingerprint: str
    front_matter: Mapping[str, object]
    media: MediaCount = field(default_factory=MediaCount)


def read_front_matter(path: Path) -> dict[str, object]:
    """The YAML header of a card; empty where there is none that can be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    if not text.startswith("---\n") or "\n---" not in text[4:]:
        return {}
    try:
        header = YAML(typ="safe").load(text[4 : text.index("\n---", 3)])
    except YAMLError:
        return {}
    return header if isinstance(header, dict) else {}


def render_card(card: Card) -> str:
    header = {"language": ["ko"]} | {key: card.front_matter[key] for key in _TAKEN_OVER if key in card.front_matter}
    title = ", ".join(card.datasets)
    lines = ["---", f"{_dump(header | {'configs': _list_configs(card)})}---", "", f"# {title}", ""]
    if card.is_simulated:
        lines += [
            f"> **Made by Damhwa's offline simulator (`{SIMULATOR}`), not by a language model.** For trying the "
            "pipeline out; do not train on it and do not publish it as data.",
            "",
        ]
    lines += [
        f"Korean persona dialogues, exported by Damhwa in the format `{card.format}`. Stage directions stand between "
        "single asterisks; `{유저}` stands for the user's name.",
        "",
        "| configuration | split | rows |",
        "|---|---|---:|",
        *(f"| {name} | {split} | {rows:,} |" for name, splits in card.counts.items() for split, rows in splits.items()),
        "",
        *_tell_files(card),
        f"Fingerprint: `{card.fingerprint}`",
        "",
    ]
    return "\n".join(lines)


def _tell_files(card: Card) -> list[str]:
    media = card.media
    told = ["Each split is there as Parquet and as JSON lines, with the same rows in the same order.", ""]
    if card.format == "datasets":
        told = ["Each split is a Parquet file; what its rows show and say lies in it, as `Image` and `Audio`.", ""]
    if media.rows:
        counted = f"{media.rows:,} dialogues have pictures or recordings: {media.files:,} files, {media.bytes:,} bytes"
        told += [f"{counted}. {_WHERE.get(card.format, 'This format has the text alone.')}", ""]
    if media.files and media.left_out:
        told += [f"Of {media.left_out:,} of them this format has no place for some: recordings of the answers.", ""]
    return told


_WHERE = {
    "messages": "They are content parts of the JSON lines; the Parquet files have the text alone.",
    "sharegpt": "They lie in `media/`, named in `images` and `audios` in the order of the tags in the text.",
    "datasets": "They are `images` and `audios`, in the order of the parts in `messages`.",
}


def _list_configs(card: Card) -> list[dict[str, object]]:
    configs: list[dict[str, object]] = []
    for number, (name, splits) in enumerate(card.counts.items()):
        place = "" if name == "default" else f"{name}/"
        config: dict[str, object] = {"config_name": name}
        if number == 0 and name != "default":
            config["default"] = True
        # `datasets` keeps what it loaded under the folder's name and this header: other content, another header
        config["description"] = f"sha256 {card.fingerprint[:16]}"
        config["data_files"] = [{"split": split, "path": f"{place}{split}.parquet"} for split in splits]
        configs.append(config)
    return configs


def _dump(header: Mapping[str, object]) -> str:
    yaml = YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 10_000
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    stream = StringIO()
    yaml.dump(dict(header), stream)
    return stream.getvalue()
