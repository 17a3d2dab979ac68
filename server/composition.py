"""The one place where everything is put together: opened from the ground up, closed in reverse."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from langsmith import configure

from config.agents import ROUTER, AgentSpec
from config.known_secrets import find_secrets
from config.redaction import Redactor
from config.settings import Settings
from mcp_config.calls.path import FindAgent
from mcp_config.gateway.calling import Duties
from mcp_config.gateway.door import Gateway, open_gateway
from mcp_config.guards import Guards
from mcp_config.inventory import Deadlines
from mcp_config.local.artifact_tool import build_artifact_tool
from mcp_config.local.memory_tools import build_memory_tools
from mcp_config.registry import ToolRegistry, open_registry
from mcp_config.tools import Ledger
from nodes.context import Surroundings
from nodes.models.catalog import Models, open_models
from nodes.routing import build_warm_up
from server.application import Application
from server.budgets import Budgets
from server.changes_elsewhere import ChangesElsewhere
from server.completions.terms import Terms
from server.configuration import Configuration, load_configuration
from server.db.store import Store, open_store
from server.engine.approving import Approving, open_approving
from server.engine.artifacts import ArtifactShelf
from server.engine.checkpoints import Checkpoints, open_checkpoints
from server.engine.engine import Engine, open_engine
from server.engine.memories import Memories, Recollection
from server.engine.memory_store import open_memory_store
from server.engine.questions import Questioning, open_questioning
from server.engine.sole_use import open_sole_use
from server.engine.summarizer import open_summarizer
from server.engine.sweeping import build_keep_for, open_sweeping
from server.gateway import build_terms
from server.guarding import build_user_credentials, open_guards
from server.identity.credentials import Credentials, open_credentials
from server.identity.sealing import SEAL_FILE, Seal
from server.keys import load_api_keys
from server.metrics import Metrics
from server.policies import PolicyBook, load_policies_in_force
from server.registry import AgentRegistry
from server.resources.policies import PolicySet
from server.version import VERSION


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[Application]:
    """Yields the application. Tool servers and models start in the background: nothing here waits for them.

    Raises:
        ConfigError: a file says what cannot be.
        Unavailable: the database or the data folder cannot be used.
    """
    configuration = load_configuration(settings)
    configure(enabled=False)  # LangSmith's traces of prompts and arguments would leave without redaction

    def find_agent(agent_id: str) -> AgentSpec | None:
        return staff.agents.find_last(agent_id)  # bound below: agents run on tools, and tools ask who may call them

    elsewhere = ChangesElsewhere()
    async with (
        open_sole_use(settings.database_url, settings.data_dir) as ousted,  # first: another may be at work there
        _open_ground(settings, configuration) as ground,
        _open_tooling(ground, find_agent, elsewhere) as tooling,
        _open_staff(ground, tooling) as staff,
        _open_work(ground, tooling, staff) as work,
        _open_gateway(ground, tooling, work) as gateway,
    ):
        elsewhere.watch(staff.policies.renew, staff.agents.renew)
        yield Application(
            credentials=ground.credentials,
            user_credentials=build_user_credentials(settings, ground.store),
            store=ground.store,
            agents=staff.agents,
            policies=staff.policies,
            models=ground.models,
            tools=tooling.registry,
            engine=work.engine,
            memories=tooling.memories,
            terms=Terms(settings.openwebui_jwt_secret, settings.completions_on_disconnect),
            ledger=work.ledger,
            approving=work.approving,
            gateway=gateway,
            metrics=work.metrics,
            redactor=ground.redactor,
            reader_timeout=settings.reader_timeout,
            ousted=ousted,
        )


@dataclass(frozen=True)
class _Ground:
    """What all the rest stands on."""

    settings: Settings
    configuration: Configuration
    redactor: Redactor
    store: Store
    models: Models
    credentials: Credentials
    guards: Guards


@dataclass(frozen=True)
class _Tooling:
    """What agents and people can call, and what guards the way there."""

    guards: Guards
    in_force: PolicySet
    registry: ToolRegistry
    memories: Memories
    surroundings: Surroundings
    questioning: Questioning


@dataclass(frozen=True)
class _Staff:
    """Who answers, within which limits, and where their runs are kept between two steps."""

    agents: AgentRegistry
    policies: PolicyBook
    checkpoints: Checkpoints


@dataclass(frozen=True)
class _Work:
    """What carries runs and calls, and what watches them."""

    engine: Engine
    ledger: Ledger
    approving: Approving
    metrics: Metrics


@asynccontextmanager
async def _open_ground(settings: Settings, configuration: Configuration) -> AsyncIterator[_Ground]:
    redactor = Redactor(find_secrets(settings, load_api_keys(settings), configuration.server_secrets))
    patience = timedelta(seconds=settings.approval_seconds)
    async with (
        open_store(settings.database_url, patience, redactor, Seal(settings.data_dir / SEAL_FILE)) as store,
        open_models(settings, configuration.agents, redactor) as models,
        open_credentials(settings, store.tokens) as credentials,
        open_guards(settings, store, redactor) as guards,
    ):
        yield _Ground(settings, configuration, redactor, store, models, credentials, guards)


@asynccontextmanager
async def _open_tooling(ground: _Ground, find_agent: FindAgent, elsewhere: ChangesElsewhere) -> AsyncIterator[_Tooling]:
    settings, store, redactor = ground.settings, ground.store, ground.redactor
    servers, in_file = ground.configuration.servers, ground.configuration.policies
    deadlines = Deadlines.of(settings)
    shelf = ArtifactShelf(store)
    guards = replace(ground.guards, artifacts=shelf, heed=elsewhere.heed)
    patience = settings.approval_seconds
    in_force = await load_policies_in_force(store.policies, in_file)
    async with (
        open_questioning(store, guards.audit, patience) as questioning,
        open_registry(
            servers, in_force.policies, find_agent, deadlines, replace(guards, people=questioning)
        ) as registry,
        open_memory_store(settings.database_url) as memory_store,
    ):
        memories = Memories(memory_store, store.conversations.is_temporary, redact=redactor.text)
        for tool in (build_artifact_tool(shelf), *build_memory_tools(memories)):
            registry.add_local(tool)
        surroundings = Surroundings(shelf, Recollection(memories, registry.foresee))
        yield _Tooling(guards, in_force, registry, memories, surroundings, questioning)


@asynccontextmanager
async def _open_staff(ground: _Ground, tooling: _Tooling) -> AsyncIterator[_Staff]:
    settings, store, models, file = ground.settings, ground.store, ground.models, ground.configuration.agents
    tools = tooling.registry
    async with open_checkpoints(settings.database_url, settings.data_dir) as checkpoints:
        # the book is bound below: it asks the agents whom its rules concern, and they ask it for the limits in force
        budgets = Budgets(models.aliases, file.prices, lambda: policies.present.policies.limits)
        agents = AgentRegistry(
            store.agents, models.aliases, models, tools, checkpoints.saver, tooling.surroundings, budgets
        )
        await agents.seed(file.agents)
        policies = PolicyBook(store.policies, tooling.in_force, tools, agents.all)
        policies.warn(agents.all())
        yield _Staff(agents, policies, checkpoints)


@asynccontextmanager
async def _open_work(ground: _Ground, tooling: _Tooling, staff: _Staff) -> AsyncIterator[_Work]:
    settings, store, models, tools = ground.settings, ground.store, ground.models, tooling.registry
    keep_for = build_keep_for(settings.retention_days, settings.temporary_hours)
    async with (
        open_engine(store, staff.agents, staff.checkpoints, settings.run_concurrency) as engine,
        open_sweeping(store.retention, staff.checkpoints, keep_for),
    ):
        models.start(lambda: _warm_up(staff.agents, models))
        metrics = Metrics({"model": models.health, "mcp_server": tools.health}, lambda: store.feed.readers)
        store.feed.watch(metrics.observe)
        ledger, audit = store.tool_calls, tooling.guards.audit
        async with (
            open_summarizer(store, staff.agents, models, metrics.count_summary),
            open_approving(
                store, engine, tools, ledger, audit, tooling.questioning, settings.approval_seconds
            ) as approving,
        ):
            yield _Work(engine, ledger, approving, metrics)


@asynccontextmanager
async def _open_gateway(ground: _Ground, tooling: _Tooling, work: _Work) -> AsyncIterator[Gateway]:
    patience = ground.settings.approval_seconds
    duties = Duties(work.ledger, tooling.guards.audit, work.approving.question, ground.redactor, patience)
    async with open_gateway(tooling.registry, duties, build_terms(ground.settings), VERSION) as gateway:
        yield gateway


async def _warm_up(agents: AgentRegistry, models: Models) -> None:
    """Has the embedded model read the router's long prompt once, so that no user waits for that."""
    present = (await agents.present()).agents
    model = models.for_agent(present[ROUTER])
    if model.name.startswith("embedded:"):
        messages, schema = build_warm_up(present, model.context_tokens)
        await model.structured(messages, "plan", schema)
