"""The one place where everything is put together: opened in order, closed in reverse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from config.agents import ROUTER, AgentSpec
from config.known_secrets import find_secrets
from config.redaction import Redactor
from config.settings import Settings
from mcp_config.artifact_tool import build_artifact_tool
from mcp_config.gateway.calling import Duties
from mcp_config.gateway.door import open_gateway
from mcp_config.guards import Guards
from mcp_config.inventory import Deadlines
from mcp_config.memory_tools import build_memory_tools
from mcp_config.quarantine import open_quarantine
from mcp_config.rates import open_rate_limits
from mcp_config.registry import open_registry
from mcp_config.user_sessions import open_user_sessions
from nodes.context import Surroundings
from nodes.models.catalog import Models, open_models
from nodes.routing import build_warm_up
from server.application import Application
from server.budgets import Budgets
from server.completions.terms import Terms
from server.configuration import load_configuration
from server.db.store import Store, open_store
from server.db.user_credentials import UserCredentials
from server.engine.approving import open_approving
from server.engine.artifacts import ArtifactShelf
from server.engine.audit import CallAudit
from server.engine.checkpoints import open_checkpoints
from server.engine.engine import open_engine
from server.engine.ledger import ToolLedger
from server.engine.memories import Memories, Recollection
from server.engine.memory_store import open_memory_store
from server.engine.sole_use import open_sole_use
from server.engine.summarizer import Summarizer
from server.engine.sweeping import build_keep_for, open_sweeping
from server.gateway import build_lock
from server.identity.credentials import open_credentials
from server.identity.sealing import SEAL_FILE, Seal
from server.keys import load_api_keys
from server.metrics import Metrics
from server.policies import PolicyBook, load_policies_in_force
from server.registry import AgentRegistry
from server.version import VERSION


@asynccontextmanager
async def open_application(settings: Settings) -> AsyncIterator[Application]:
    """Yields the application. Tool servers and models start in the background: nothing here waits for them.

    Raises:
        ConfigError: a file says what cannot be.
        Unavailable: the database or the data folder cannot be used.
    """
    configuration = load_configuration(settings)

    def find_agent(agent_id: str) -> AgentSpec | None:
        return agents.find_last(agent_id)  # bound below: agents run on tools, and tools ask who may call them

    patience = timedelta(seconds=settings.approval_seconds)
    async with AsyncExitStack() as stack:
        # before anything is migrated: another process may be at work there
        await stack.enter_async_context(open_sole_use(settings.database_url, settings.data_dir))
        redactor = Redactor(find_secrets(settings, load_api_keys(settings), configuration.server_secrets))
        store = await stack.enter_async_context(open_store(settings.database_url, patience, redactor))
        models = await stack.enter_async_context(open_models(settings, configuration.agents, redactor))
        deadlines = Deadlines(start=settings.server_start_timeout, call=settings.tool_timeout)
        credentials = await stack.enter_async_context(open_credentials(settings, store.tokens))
        shelf = ArtifactShelf(store)
        in_force = await load_policies_in_force(store.policies, configuration.policies)
        guards = await stack.enter_async_context(_open_guards(settings, store, shelf, redactor))
        registry = open_registry(configuration.servers, in_force.policies, find_agent, deadlines, guards)
        tools = await stack.enter_async_context(registry)
        memories = Memories(
            await stack.enter_async_context(open_memory_store(settings.database_url)),
            store.conversations.is_temporary,
            redact=redactor.text,
        )
        for tool in (build_artifact_tool(shelf), *build_memory_tools(memories)):
            tools.add_local(tool)
        surroundings = Surroundings(shelf, Recollection(memories, tools.foresee))
        checkpoints = await stack.enter_async_context(open_checkpoints(settings.database_url, settings.data_dir))
        budgets = Budgets(models.aliases, configuration.agents.prices, lambda: policies.present.policies.limits)
        agents = AgentRegistry(store.agents, models.aliases, models, tools, checkpoints.saver, surroundings, budgets)
        await agents.seed(configuration.agents.agents)
        policies = PolicyBook(store.policies, in_force, tools, agents.all)
        policies.warn(agents.all())
        running = await stack.enter_async_context(open_engine(store, agents, checkpoints, settings.run_concurrency))
        keep_for = build_keep_for(settings.retention_days, settings.temporary_hours)
        await stack.enter_async_context(open_sweeping(store.retention, checkpoints, keep_for))
        models.start(lambda: _warm_up(agents, models))
        terms = Terms(settings.openwebui_jwt_secret, settings.completions_on_disconnect)
        metrics = Metrics({"model": models.health, "mcp_server": tools.health}, lambda: store.feed.readers)
        store.feed.watch(metrics.observe)
        summarizer = Summarizer(store, agents, models, metrics.count_summary)
        stack.push_async_callback(summarizer.close)
        store.feed.watch(summarizer.observe)
        ledger = ToolLedger(store)
        asking = open_approving(store, running, tools, ledger, guards.audit, settings.approval_seconds)
        approving = await stack.enter_async_context(asking)
        door = open_gateway(
            tools, Duties(ledger, guards.audit, approving.question, guards.redactor), build_lock(settings), VERSION
        )
        yield Application(
            credentials=credentials,
            user_credentials=_build_user_credentials(settings, store),
            store=store,
            agents=agents,
            policies=policies,
            models=models,
            tools=tools,
            engine=running,
            memories=memories,
            terms=terms,
            ledger=ledger,
            approving=approving,
            gateway=await stack.enter_async_context(door),
            metrics=metrics,
            redactor=redactor,
            reader_timeout=settings.reader_timeout,
        )


@asynccontextmanager
async def _open_guards(
    settings: Settings, store: Store, shelf: ArtifactShelf, redactor: Redactor
) -> AsyncIterator[Guards]:
    audit = CallAudit(store.audit)
    pins = open_quarantine(settings.tools_lock, settings.data_dir / "tools.lock", audit)
    own = open_user_sessions(_build_user_credentials(settings, store).find, settings.server_start_timeout)
    async with open_rate_limits(settings.redis_url) as rates, pins as quarantine, own as sessions:
        yield Guards(audit, rates, quarantine, shelf, redactor=redactor, sessions=sessions)


def _build_user_credentials(settings: Settings, store: Store) -> UserCredentials:
    return UserCredentials(store.database, Seal(settings.data_dir / SEAL_FILE))


async def _warm_up(agents: AgentRegistry, models: Models) -> None:
    """Has the embedded model read the router's long prompt once, so that no user waits for that."""
    present = (await agents.present()).agents
    model = models.for_agent(present[ROUTER])
    if model.name.startswith("embedded:"):
        messages, schema = build_warm_up(present, model.context_tokens)
        await model.structured(messages, "plan", schema)
