"""Agents as models: every enabled one under its own name, and the router as `open-agent`."""

from datetime import datetime
from typing import Final, Literal

from pydantic import BaseModel

from config.agents import ROUTER, AgentSpec
from server.application import Application
from server.errors import NotFound

ROUTER_MODEL: Final = "open-agent"


class Model(BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = ROUTER_MODEL
    name: str
    """What Open WebUI shows in its list; OpenAI's own clients do not look at it."""


class ModelList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Model]


async def list_models(app: Application) -> ModelList:
    """Returns the models, the router first."""
    agents = (await app.agents.present()).agents.values()
    created = await app.store.agents.created()
    rest = sorted((agent for agent in agents if agent.id != ROUTER), key=lambda agent: agent.id)
    router = [agent for agent in agents if agent.id == ROUTER]
    return ModelList(data=[_model(agent, created[agent.id]) for agent in [*router, *rest]])


async def get_model(app: Application, name: str) -> Model:
    """Raises: NotFound."""
    found = [model for model in (await list_models(app)).data if model.id == name]
    if not found:
        raise _not_found(name)
    return found[0]


async def get_agent_id(app: Application, name: str) -> str:
    """Returns the agent that a model's name means. Raises: NotFound."""
    agent_id = ROUTER if name == ROUTER_MODEL else name
    if (name == ROUTER) or agent_id not in (await app.agents.present()).agents:
        raise _not_found(name)
    return agent_id


def _model(agent: AgentSpec, created: datetime) -> Model:
    if agent.id == ROUTER:
        return Model(id=ROUTER_MODEL, created=int(created.timestamp()), name=ROUTER_MODEL)
    return Model(id=agent.id, created=int(created.timestamp()), name=agent.name)


def _not_found(name: str) -> NotFound:
    return NotFound(
        "model_not_found", f"The model {name!r} does not exist; GET /v1/models lists those there are.", pointer="/model"
    )
