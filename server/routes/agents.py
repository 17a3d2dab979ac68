"""Agents: listed, read, and for admins made and changed. A change is live for the next run."""

from typing import Final

from fastapi import Response

from server.auth import Admin, Caller
from server.resources import Agent, Page
from server.routes.bodies import AgentBody, AgentPatch
from server.routes.dependencies import AgentName, App, WantedNames, build_router, problems

router: Final = build_router("/v1/agents", "agents")


@router.get("", operation_id="list_agents")
async def list_agents(app: App, caller: Caller, page: WantedNames) -> Page[Agent]:
    return await app.agents.page(page)


@router.get("/{agent_id}", operation_id="get_agent", responses=problems(404))
async def get_agent(app: App, caller: Caller, agent_id: AgentName) -> Agent:
    return await app.agents.get(agent_id)


@router.post("", operation_id="create_agent", status_code=201, responses=problems(400, 403, 409, 413, 415))
async def create_agent(app: App, admin: Admin, response: Response, new: AgentBody) -> Agent:
    """Adds an agent. The router plans with it from the next run on."""
    agent = await app.agents.create(new)
    response.headers["Location"] = f"/v1/agents/{agent.id}"
    return agent


@router.patch("/{agent_id}", operation_id="update_agent", responses=problems(400, 403, 404, 409, 413, 415))
async def update_agent(app: App, admin: Admin, agent_id: AgentName, patch: AgentPatch) -> Agent:
    """Changes the given keys of an agent and raises its version. Runs that have begun keep the one they began with."""
    return await app.agents.update(agent_id, patch)
