"""Embed dialogues: over an endpoint, or with a sentence-transformers model on disk. Kept in the ledger as base64.

What is embedded are the turns alone, a line each, without who speaks: a name in every line would make all alike.
"""

import base64
import binascii
import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from curation.opinions.ask import Asker, Batching, Reply, ask_texts, pack_texts
from curation.opinions.material import Material
from curation.opinions.semantic import CODE, Ints, Vectors
from datagen.answer import ForgivenUsage
from datagen.clock import read_clock
from datagen.errors import DataError, UsageError
from datagen.ledger import Ledger, StoredAnswer
from datagen.prices import Tokens
from datagen.record import Dialogue
from datagen.retry import BadReplyError

BATCHING = Batching("/embeddings", texts=64, characters=100_000)
"""100,000 characters are 130,000 tokens at the most, of the 300,000 that OpenAI allows in a request."""
MAX_CHARACTERS = 6_000
"""Of a dialogue that are embedded: Korean takes up to 1.3 tokens a character in cl100k_base, models read 8,192."""

Embed = Callable[[Sequence[str]], Awaitable[Mapping[str, str]]]
"""Text → its vector in base64, of those that could be embedded."""


class _Embedding(BaseModel):
    index: int = Field(ge=0)
    embedding: list[float] = Field(min_length=1)


class _Embeddings(BaseModel):
    """What we read of the reply."""

    data: list[_Embedding]
    model: str = ""
    usage: ForgivenUsage = None


def read_embeddings(body: bytes, _: str) -> Reply:
    """A part for each input, in the order of the inputs. Raises BadReplyError where the body is something else."""
    try:
        found = _Embeddings.model_validate_json(body)
        parts = tuple(pack_vector(each.embedding) for each in sorted(found.data, key=lambda each: each.index))
    except ValueError as exc:
        reason = f"{exc.error_count()} problems" if isinstance(exc, ValidationError) else str(exc)
        start = body[:120].decode("utf-8", errors="replace")
        raise BadReplyError(f"the reply holds no embeddings ({reason}): {start!r}") from exc
    return Reply(parts, found.model, Tokens(found.usage.prompt_tokens, 0) if found.usage else None)


def pack_vector(values: Sequence[float] | Vectors) -> str:
    """A vector, made of length 1, as base64 of little-endian float32. Raises ValueError where it is not finite."""
    vector = np.asarray(values, dtype=np.float64)
    if not np.isfinite(vector).all():
        raise ValueError("a value is not finite")
    return base64.b64encode((vector / (np.linalg.norm(vector) or 1.0)).astype("<f4").tobytes()).decode()


def unpack_vector(text: str) -> Vectors:
    """The vector that `pack_vector` packed. Raises DataError where it is none."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), dtype="<f4").astype(np.float32, copy=False)
    except (ValueError, binascii.Error) as exc:
        raise DataError(f"the ledger holds an embedding that cannot be read: {exc}", "restore the ledger") from exc


async def embed(material: Material, embed_texts: Embed) -> tuple[Vectors, Ints]:
    """The vectors [n, d] of all readable dialogues with different texts, and their row numbers [n], ascending.

    Raises DataError where the model gives vectors of different lengths.
    """
    rows: list[int] = []
    vectors: list[Vectors] = []
    seen: set[bytes] = set()
    for chunk in material.read_chunks():
        texts: dict[str, int] = {}
        for row, dialogue in chunk:
            text = write_text(dialogue)
            digest = hashlib.sha256(text.encode()).digest()
            if digest not in seen:
                seen.add(digest)
                texts[text] = row
        packed = await embed_texts(list(texts))
        rows += [row for text, row in texts.items() if text in packed]
        vectors += [unpack_vector(packed[text]) for text in texts if text in packed]
    lengths = sorted({len(each) for each in vectors})
    if len(lengths) > 1:
        message = f"semantic: the model gave vectors of {' and of '.join(map(str, lengths))} values"
        raise DataError(message, "another model answers to the same name now: give it a name of its own")
    matrix = np.stack(vectors) if vectors else np.zeros((0, 1), dtype=np.float32)
    return matrix, np.asarray(rows, dtype=np.int64)


def write_text(dialogue: Dialogue) -> str:
    """What is embedded of a dialogue."""
    return "\n".join(each.content for each in dialogue.messages)[:MAX_CHARACTERS]


def make_key(text: str, model: str) -> str:
    """sha256 of all that decides a text's vector."""
    return hashlib.sha256(json.dumps([CODE, model, text], ensure_ascii=False).encode()).hexdigest()


def embed_over(asker: Asker) -> Embed:
    """Embed over an endpoint. Raises what `Asker.ask` raises."""

    async def embed_texts(texts: Sequence[str]) -> Mapping[str, str]:
        return await ask_texts(asker, {text: make_key(text, asker.settings.model) for text in texts}, BATCHING)

    return embed_texts


def embed_locally(folder: Path, ledger: Ledger, tell: Callable[[int], None]) -> Embed:
    """Embed with the model in a folder. Raises UsageError where there is none, or sentence-transformers is missing."""
    if not folder.is_dir():
        raise UsageError(f"semantic: {folder} is no folder", "give the folder of a sentence-transformers model")
    name = f"{folder.name}@{_fingerprint(folder)}"
    encode = None

    async def embed_texts(texts: Sequence[str]) -> Mapping[str, str]:
        nonlocal encode
        keys = {text: make_key(text, name) for text in texts}
        replies = ledger.find_answers(list(keys.values()))
        missing = [text for text, key in keys.items() if key not in replies]
        for batch in pack_texts(missing, BATCHING.texts, BATCHING.characters):
            encode = encode or _load_model(folder)
            at = read_clock().isoformat(timespec="milliseconds")
            packed = {text: pack_vector(vector) for text, vector in zip(batch, encode(batch), strict=True)}
            ledger.store_answers(
                [StoredAnswer(keys[text], CODE, name, each, None, 0, 0.0, at) for text, each in packed.items()]
            )
            replies.update((keys[text], each) for text, each in packed.items())
            tell(len(batch))
        return {text: replies[key] for text, key in keys.items()}

    return embed_texts


def _load_model(folder: Path) -> Callable[[Sequence[str]], Vectors]:
    try:
        module = import_module("sentence_transformers")  # brings torch: an extra, and only where it is asked for
    except ImportError as exc:
        hint = "pip install 'damhwa[semantic]', or give an endpoint as `provider`"
        raise UsageError("semantic: sentence-transformers is not installed", hint) from exc
    try:
        model = module.SentenceTransformer(str(folder), local_files_only=True)
    except (OSError, ValueError) as exc:
        raise UsageError(f"semantic: {folder} holds no sentence-transformers model: {exc}") from exc
    return lambda texts: np.asarray(model.encode(list(texts), show_progress_bar=False), dtype=np.float32)


def _fingerprint(folder: Path) -> str:
    """Of all the files in a folder."""
    digest = hashlib.sha256()
    for path in _list_files(folder):
        digest.update(f"{path.relative_to(folder)}\0".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:16]


def _list_files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
