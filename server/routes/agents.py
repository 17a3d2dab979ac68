"""Agents: listed, read, and for admins made, changed, taken back and deleted. A change is live for the next run."""

from typing import Final

from fastapi import Response

from server.auth import Admin, Caller
from server.resources.agents import Agent, AgentVersion
from server.resources.pages import Page
from server.routes.bodies import AgentBody, AgentPatch, RollbackBody
from server.routes.dependencies import (
    AgentName,
    App,
    SeenVersion,
    VersionNumber,
    WantedNames,
    WantedPage,
    build_router,
    problems,
)

router: Final = build_router("/v1/agents", "agents")


@router.get("", operation_id="list_agents")
async def list_agents(app: App, caller: Caller, page: WantedNames) -> Page[Agent]:
    return await app.agents.page(page)


@router.get("/{agent_id}", operation_id="get_agent", responses=problems(404))
async def get_agent(app: App, caller: Caller, response: Response, agent_id: AgentName) -> Agent:
    """Shows an agent as it is now. Its version is the `ETag`."""
    return _tagged(response, await app.agents.get(agent_id))


@router.post("", operation_id="create_agent", status_code=201, responses=problems(400, 403, 409, 413, 415))
async def create_agent(app: App, admin: Admin, response: Response, new: AgentBody) -> Agent:
    """Adds an agent. The router plans with it from the next run on."""
    agent = await app.agents.create(new, admin)
    app.policies.warn([agent])
    response.headers["Location"] = f"/v1/agents/{agent.id}"
    return _tagged(response, agent)


@router.patch("/{agent_id}", operation_id="update_agent", responses=problems(400, 403, 404, 409, 413, 415))
async def update_agent(
    app: App, admin: Admin, response: Response, agent_id: AgentName, patch: AgentPatch, seen: SeenVersion
) -> Agent:
    """Changes the given keys of an agent and raises its version. Runs that have begun keep the one they began with.

    With `If-Match`, or with `version` in the body, only if the agent still is at that version.
    """
    agent = await app.agents.update(agent_id, patch, seen, admin)
    app.policies.warn([agent])
    return _tagged(response, agent)


@router.delete("/{agent_id}", operation_id="delete_agent", status_code=204, responses=problems(403, 404, 409))
async def delete_agent(app: App, admin: Admin, agent_id: AgentName, seen: SeenVersion) -> None:
    """Takes an agent out, from the next run on. Its versions stay, and runs that have begun end with it."""
    await app.agents.delete(agent_id, seen, admin)


@router.get("/{agent_id}/versions", operation_id="list_agent_versions", responses=problems(404))
async def list_agent_versions(app: App, caller: Caller, agent_id: AgentName, page: WantedPage) -> Page[AgentVersion]:
    """Lists what an agent was, the newest first, also of one that is deleted. Cursors are version numbers."""
    return await app.agents.versions(agent_id, page)


@router.get("/{agent_id}/versions/{version}", operation_id="get_agent_version", responses=problems(404))
async def get_agent_version(app: App, caller: Caller, agent_id: AgentName, version: VersionNumber) -> AgentVersion:
    return await app.agents.version(agent_id, version)


@router.post("/{agent_id}/rollback", operation_id="roll_back_agent", responses=problems(400, 403, 404, 409, 413, 415))
async def roll_back_agent(
    app: App, admin: Admin, response: Response, agent_id: AgentName, wanted: RollbackBody, seen: SeenVersion
) -> Agent:
    """Makes what the agent was at a version its newest version. An agent that was deleted is there again."""
    agent = await app.agents.rollback(agent_id, wanted.version, seen, admin)
    app.policies.warn([agent])
    return _tagged(response, agent)


def _tagged(response: Response, agent: Agent) -> Agent:
    response.headers["ETag"] = f'"{agent.version}"'
    return agent
