"""A model on this machine that answers piece by piece, one reply at a time."""

from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, TextIteratorStreamer

from datagen.errors import ProviderError, UsageError
from train.base import LoadedModel, load_adapter, load_base, load_tokenizer, load_weights
from train.masks import render
from train.stage import find_stage
from train.talk import Messages, Sampling, TooLongError
from train.train import MANIFEST, read_recipe

RESERVED_SHARE = 8
"""Room for an eighth of the context is kept for a reply, or for `max_new_tokens` where that is less."""


def load_model(place: Path) -> LoadedModel:
    """The model of a merged folder, or of a trained one: merged if it is, else base and newest adapter.

    Raises UsageError where there is none that can be loaded, DataError where the folder's record is torn.
    """
    if (place / "merged" / "config.json").is_file():
        place = place / "merged"
    if not place.is_dir():
        raise UsageError(f"there is no folder {place}", "give one that `damhwa train` or `damhwa merge` wrote")
    if not (place / MANIFEST).is_file():
        return LoadedModel(str(place), load_weights(str(place)), load_tokenizer(str(place)))
    recipe, _ = read_recipe(place)
    stages = [find_stage(place, number, stage) for number, stage in enumerate(recipe.stages)]
    adapters = [stage / "adapter" for stage in stages if (stage / "stage.json").is_file()]
    if not adapters:
        raise UsageError(f"{place} has no trained stage yet", "go on with `damhwa train`, or wait until one is done")
    base = load_base(place, recipe.base)
    assert isinstance(base.model, PreTrainedModel)
    return LoadedModel(str(place), load_adapter(base.model, adapters[-1]), base.tokenizer)


@dataclass(frozen=True, slots=True)
class LocalSpeaker:
    """Draws replies from a loaded model."""

    loaded: LoadedModel
    sampling: Sampling
    _turn: Lock = field(default_factory=Lock)

    def stream(self, messages: Messages, stop: Event) -> Generator[str, None, None]:
        """Gives whole words. Raises TooLongError, and ProviderError where the model fails."""
        tokenizer = self.loaded.tokenizer
        model: Any = self.loaded.model  # `generate` is not among the methods that mypy finds
        text = render(tokenizer, messages, is_prompt=True)
        inputs = tokenizer(text, add_special_tokens=False, return_tensors="pt").to(model.device)
        prompt: list[int] = inputs["input_ids"][0].tolist()
        context, wanted = int(model.config.max_position_embeddings), self.sampling.max_new_tokens
        if (room := context - len(prompt)) < min(wanted, context // RESERVED_SHARE):
            raise TooLongError
        streamer: Any = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        done = Event()  # the listener went away, or all is said: `stop` belongs to who asked
        config, failures = self._configure(prompt, min(room, wanted)), list[Exception]()

        def is_stopped(ids: torch.Tensor, _: Any, **__: Any) -> torch.Tensor:
            return torch.full(ids.shape[:1], stop.is_set() or done.is_set(), dtype=torch.bool, device=ids.device)

        def generate() -> None:
            try:
                model.generate(**inputs, streamer=streamer, generation_config=config, stopping_criteria=[is_stopped])
            except Exception as exc:  # told by the thread that waits for the text
                failures.append(exc)
                streamer.end()

        thread = Thread(target=generate, daemon=True)
        with self._turn:
            thread.start()
            try:
                yield from streamer
            finally:
                done.set()
                thread.join()
        if failures:
            hint = "begin a new chat, or give a smaller --max-new-tokens"
            raise ProviderError(f"the model failed: {failures[0]}", hint) from failures[0]

    def _configure(self, prompt: list[int], max_new_tokens: int) -> GenerationConfig:
        """A reply ends with its turn: at an eos, or at a special token of the prompt, for those open and end turns."""
        tokenizer, eos = self.loaded.tokenizer, self.loaded.model.generation_config.eos_token_id
        special = {id_ for id_, token in tokenizer.added_tokens_decoder.items() if token.special}
        ends = {tokenizer.eos_token_id, *(eos if isinstance(eos, list) else [eos])} - {None} | special & set(prompt)
        given: dict[str, Any] = {"max_new_tokens": max_new_tokens, "pad_token_id": tokenizer.pad_token_id}
        if self.sampling.temperature > 0:
            drawn = {"temperature": self.sampling.temperature, "top_p": self.sampling.top_p, "top_k": 0}
            given |= {"do_sample": True, **drawn}
            if self.sampling.seed is not None:
                torch.manual_seed(self.sampling.seed)
        return GenerationConfig(eos_token_id=sorted(ends), **given)  # type: ignore[no-untyped-call]
