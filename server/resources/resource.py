"""What every JSON object of the API has in common, and what several of them hold."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Resource(BaseModel):
    """What a client receives. Frozen: a change makes a new one."""

    model_config = ConfigDict(frozen=True)


class Request(BaseModel):
    """What a client sends. A key we do not know is an error, never ignored, and so is `false` where a number goes."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]
"""Up to 16 pairs of short text that are the client's own."""
