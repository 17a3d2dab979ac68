"""What a request may say, in OpenAI's words. Keys that are not here are ignored, as OpenAI's clients expect."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from config.agents import Limits

MAX_TEXT: Final = 1_000_000


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class ImageUrl(_Lenient):
    url: str


class FilePart(_Lenient):
    filename: str = "file"
    file_data: str | None = None


class Part(_Lenient):
    """A piece of a message: `text`, `image_url` or `file`."""

    type: str
    text: Annotated[str, Field(max_length=MAX_TEXT)] | None = None
    image_url: ImageUrl | str | None = None
    file: FilePart | None = None


class ChatMessage(_Lenient):
    """One message of the history. Tool calls and their results are taken and left out: the agents have their own."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Annotated[str, Field(max_length=MAX_TEXT)] | list[Part] | None = None


class StreamOptions(_Lenient):
    include_usage: bool | None = None


class CompletionRequest(_Lenient):
    """A chat completion as OpenAI's API describes it. `tools` and sampling parameters are accepted and ignored."""

    model: str = Field(max_length=200)
    messages: list[ChatMessage] = Field(min_length=1, max_length=10_000)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, max_length=512)
    """The end user, where one key serves many: histories of different users are never taken for one."""
    limits: Limits | None = None
    """Ours, not OpenAI's: what the answer may take. `extra_body` of the SDKs brings it here."""

    @property
    def wants_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)
