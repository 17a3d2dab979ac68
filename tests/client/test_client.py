"""The typed client against the real application."""

import asyncio
from contextlib import aclosing

import pytest

from config.agents import Limits
from graph.events import ModelDelta, RunCompleted, RunEvent, RunFailed
from server.client import Client, ClientError, open_client
from server.resources.agents import Agent
from tests.client.cutting_proxy import open_cutting_proxy
from tests.http.serving import ADMIN_KEY, USER_KEY, Served
from tests.support.scripted_model import Replies, ScriptedModel, says
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

WORDS = [f"word{number} " for number in range(60)]


async def events_of(client: Client, run_id: str, after: int = 0) -> list[RunEvent]:
    async with asyncio.timeout(PATIENCE), aclosing(client.events(run_id, after)) as events:
        return [event async for event in events]


def answers(events: list[RunEvent]) -> list[ModelDelta]:
    return [event for event in events if isinstance(event, ModelDelta) and event.channel == "answer"]


async def asked(client: Client, question: str) -> str:
    conversation = await client.create_conversation()
    await client.add_message(conversation.id, question)
    return (await client.create_run(conversation.id, "general")).id


@pytest.mark.slow
async def test_question_is_answered_with_typed_events(client: Client, model: ScriptedModel) -> None:
    model.when(says("hello"), Replies.text("Hi ", "there"))
    async with aclosing(client.ask("hello", agent_id="general")) as asking:
        events = [event async for event in asking]
    assert "".join(event.delta for event in answers(events)) == "Hi there"
    assert isinstance(events[-1], RunCompleted)
    run = await client.get_run(events[-1].run_id)
    assert [message.content for message in (await client.messages(run.conversation_id)).data] == ["Hi there", "hello"]
    assert [step.output for step in await client.steps(run.id)] == ["Hi there"]
    assert [found.id for found in (await client.runs(run.conversation_id)).data] == [run.id]


@pytest.mark.slow
async def test_limits_go_along_with_the_question_and_with_a_fork(client: Client, model: ScriptedModel) -> None:
    model.always(says("how much"), Replies.text("A lot.").costing(50, 50))
    async with aclosing(client.ask("how much", agent_id="general", limits=Limits(tokens=60))) as asking:
        end = [event async for event in asking][-1]
    assert isinstance(end, RunFailed)
    assert (end.error.code, "tokens = 60, set by the request" in end.error.detail) == ("budget_exceeded", True)
    again = await client.fork(end.run_id)
    assert isinstance((await events_of(client, again.id))[-1], RunFailed), "its limits are those of the other one"
    freer = await client.fork(end.run_id, limits=Limits(tokens=200))
    assert isinstance((await events_of(client, freer.id))[-1], RunCompleted)


@pytest.mark.slow
async def test_stream_that_is_cut_again_and_again_brings_every_event_once(
    client: Client, served: Served, model: ScriptedModel
) -> None:
    model.when(says("count"), Replies.text(*WORDS))
    run_id = await asked(client, "count")
    whole = await events_of(client, run_id)
    async with open_cutting_proxy(served.url, after=400) as proxy, open_client(proxy.url, ADMIN_KEY) as cut_off:
        assert await events_of(cut_off, run_id) == whole
        assert proxy.cuts >= 2
    assert [event.seq for event in whole] == list(range(1, len(whole) + 1))


@pytest.mark.slow
async def test_live_stream_that_is_cut_goes_on_where_it_broke(
    client: Client, served: Served, model: ScriptedModel
) -> None:
    gate = asyncio.Event()
    model.when(says("count"), Replies.text(*WORDS).held(gate, after=30))
    run_id = await asked(client, "count")
    async with open_cutting_proxy(served.url, after=400) as proxy, open_client(proxy.url, ADMIN_KEY) as cut_off:
        following = asyncio.create_task(events_of(cut_off, run_id))

        async def cut() -> bool:
            return proxy.cuts > 0

        await until(cut)
        gate.set()
        followed = await following
    assert followed == await events_of(client, run_id)


@pytest.mark.slow
async def test_stream_goes_on_when_the_server_was_away_or_broke_its_reading(
    client: Client, served: Served, model: ScriptedModel
) -> None:
    model.when(says("hello"), Replies.text("Hi"))
    run_id = await asked(client, "hello")
    whole = await events_of(client, run_id)
    async with open_cutting_proxy(served.url, after=100_000) as proxy, open_client(proxy.url, ADMIN_KEY) as away:
        broken = b'event: error\ndata: {"code":"stream_broken","detail":"Read on."}\n\n'
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
        proxy.answers = [b"HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n", head % len(broken) + broken]
        assert await events_of(away, run_id) == whole
        assert proxy.cursors == ["", "", ""]


async def test_reader_who_has_all_gets_nothing_more(client: Client, model: ScriptedModel) -> None:
    model.when(says("hello"), Replies.text("Hi"))
    run_id = await asked(client, "hello")
    whole = await events_of(client, run_id)
    assert await events_of(client, run_id, after=whole[-1].seq) == []
    assert await events_of(client, run_id, after=2) == whole[2:]


async def test_running_run_is_cancelled(client: Client, model: ScriptedModel) -> None:
    model.when(says("long"), Replies.text("a", "b").held(asyncio.Event(), after=1))
    run_id = await asked(client, "long")
    await model.requested(says("long"))
    await client.cancel(run_id)
    assert (await events_of(client, run_id))[-1].type == "run.cancelled"


async def test_agents_are_made_changed_and_listed(client: Client) -> None:
    poet = Agent(id="poet", name="Poet", description="Writes poems.", system_prompt="Write a poem.")
    assert await client.create_agent(poet) == poet
    changed = await client.update_agent("poet", enabled=False)
    assert (changed.enabled, changed.version) == (False, 2)
    assert await client.get_agent("poet") == changed
    assert changed in await client.agents()


async def test_tools_are_listed_and_called(client: Client) -> None:
    async def up() -> bool:
        return {"time", "calculator"} <= {tool.server for tool in await client.tools()}

    await until(up)
    assert (await client.get_tool("calculator__calculate")).server == "calculator"
    call = await client.invoke("calculator__calculate", {"expression": "6 * 7"})
    assert (call.status, call.result) == ("ok", "42")


async def test_refusals_carry_status_code_and_detail(client: Client, served: Served) -> None:
    with pytest.raises(ClientError, match="no agent nobody") as refused:
        await client.get_agent("nobody")
    assert (refused.value.status, refused.value.code) == (404, "agent_not_found")
    async with open_client(served.url, "wrong") as stranger:
        with pytest.raises(ClientError) as unknown:
            await stranger.agents()
    assert (unknown.value.status, unknown.value.code) == (401, "wrong_api_key")
    async with open_client(served.url, USER_KEY) as user:
        with pytest.raises(ClientError) as forbidden:
            await user.invoke("calculator__calculate", {"expression": "1"})
        with pytest.raises(ClientError) as unseen:
            await events_of(user, "run_01997f3e-8f4a-7cc1-a6c5-3f2f6f3d9b11")
    assert (forbidden.value.status, unseen.value.status) == (403, 404)


async def test_server_that_is_not_there_is_named(unused_tcp_port: int) -> None:
    async with open_client(f"http://127.0.0.1:{unused_tcp_port}", "key") as client:
        with pytest.raises(ClientError, match="make run") as nobody:
            await client.agents()
    assert (nobody.value.status, nobody.value.code) == (0, "unreachable")


async def test_answers_of_another_program_are_not_taken_for_ours(model: ScriptedModel) -> None:
    async with open_client(model.url, "key") as client:
        with pytest.raises(ClientError) as foreign:
            await client.get_agent("general")
    assert foreign.value.code == "unexpected_answer"


async def test_address_that_cannot_be_is_refused() -> None:
    with pytest.raises(ClientError) as wrong:
        async with open_client("http://127.0.0.1:eight", "key"):
            raise AssertionError("opened")
    assert wrong.value.code == "invalid_address"
