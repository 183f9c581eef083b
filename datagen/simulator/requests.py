"""The requests that the simulator understands."""

import json
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from datagen.picture import Picture
from datagen.simulator.speech import MOST_CHARACTERS
from datagen.simulator.vision import read_picture, weigh_picture


class _ImageUrl(BaseModel):
    url: str
    detail: str = "auto"


class _Part(BaseModel):
    type: Literal["text", "image_url"]
    text: str = ""
    image_url: _ImageUrl | None = None

    @model_validator(mode="after")
    def _holds_what_it_says(self) -> Self:
        if self.type not in self.model_fields_set:
            raise ValueError(f"a part of the type {self.type} without `{self.type}`")
        return self


class _ChatMessage(BaseModel):
    role: str
    content: str | list[_Part]

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content if part.type == "text")

    @property
    def images(self) -> list[_ImageUrl]:
        parts = [] if isinstance(self.content, str) else self.content
        return [part.image_url for part in parts if part.image_url is not None]


class _ResponseFormat(BaseModel):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None


class ChatRequest(BaseModel):
    model: str
    messages: list[_ChatMessage] = Field(min_length=1)
    stream: bool = False
    response_format: _ResponseFormat | None = None

    @property
    def schema_text(self) -> str:
        asked = self.response_format
        return json.dumps(asked.json_schema) if asked is not None and asked.type == "json_schema" else ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A chat request that was read."""

    texts: list[str]
    """Of its messages."""
    pictures: list[Picture]
    picture_tokens: int
    is_streamed: bool
    schema: str = ""
    """Of a structured reply, as JSON; empty where text is asked for."""

    @classmethod
    def of(cls, request: ChatRequest) -> "Asked":
        """Raises BadPictureError."""
        images = [image for message in request.messages for image in message.images]
        pictures = [read_picture(image.url) for image in images]
        tokens = sum(weigh_picture(each, image.detail) for each, image in zip(pictures, images, strict=True))
        texts = [message.text for message in request.messages]
        return cls(texts, pictures, tokens, request.stream, request.schema_text)

    @property
    def key(self) -> list[str]:
        """What tells it from other requests."""
        return [*self.texts, *(picture.sha256 for picture in self.pictures), *([self.schema] if self.schema else [])]

    @property
    def prompt(self) -> str:
        """What the model reads, in the order a prompt cache compares it; pictures, at the end, are left out."""
        return "\n".join([self.schema, *self.texts])


class SpeechRequest(BaseModel):
    model: str
    input: str = Field(min_length=1, max_length=MOST_CHARACTERS)
    voice: str
    response_format: str = "mp3"


class TextsRequest(BaseModel):
    """For embeddings or moderation."""

    model: str
    input: str | list[str]
