"""`policies.sql.tables`: an agent's queries name no other table, however they are written, on either engine."""

import pytest

from config.agents import AgentPolicies, AgentSpec
from config.policies import Rule, ToolPolicies
from mcp_config.calls.decision import Decision, decide
from mcp_config.tools import Caller, JsonObject

POLICIES = ToolPolicies(rules=[Rule(match="*", verdict="allow")])


def decided(
    arguments: JsonObject, tool: str = "sql__query", tables: tuple[str, ...] = ("orders", "customers")
) -> Decision:
    policies = AgentPolicies.model_validate({"sql": {"tables": list(tables)}})
    agent = AgentSpec(id="clerk", name="C", description="d", system_prompt="p", allowed_tools=["*"], policies=policies)
    return decide(Caller("alice", "clerk"), tool, arguments, POLICIES, agent)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM orders;",
        "select count(*) from Orders o join customers c on c.id = o.customer_id",
        'SELECT * FROM "orders"',
        "SELECT * FROM public.orders",
        "WITH t AS (SELECT * FROM orders) SELECT * FROM t",
        "SELECT date_trunc('month', d), x::date, d + INTERVAL '1 day' FROM orders WHERE name ILIKE 'a%'",
        "SELECT string_agg(x, ',') FILTER (WHERE x > 1) FROM orders GROUP BY EXTRACT(year FROM d)",
        "SELECT strftime('%Y', d) FROM orders WHERE id IN (SELECT id FROM customers) AND id NOT IN (1, 2)",
        "SELECT 'secrets' FROM orders -- secrets",
        "SELECT a FROM orders /* FROM secrets */ UNION SELECT b FROM customers",
    ],
)
def test_queries_within_the_tables_are_allowed(sql: str) -> None:
    assert decided({"sql": sql}).verdict == "allow"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM secrets",
        "SELECT * FROM orders, secrets",
        "SELECT * FROM (orders JOIN secrets ON true)",
        "SELECT (SELECT x FROM secrets) FROM orders",
        "SELECT * FROM orders UNION SELECT * FROM secrets",
        "SELECT * FROM orders LEFT JOIN LATERAL (SELECT * FROM secrets) s ON true",
        "SELECT x FROM orders AS secrets, secrets AS orders",
        # hidden behind names of WITH
        "WITH orders AS (SELECT * FROM secrets) SELECT * FROM orders",
        "WITH secrets AS (SELECT 1) SELECT * FROM main.secrets",
        "WITH a AS (SELECT * FROM secrets), secrets AS (SELECT 1) SELECT * FROM a",
        # quoted
        'SELECT * FROM "secrets"',
        "SELECT * FROM [secrets]",
        "SELECT * FROM `secrets`",
        'SELECT * FROM U&"secrets"',
        # qualified
        "SELECT * FROM other.orders",
        "SELECT * FROM main.orders",
        "SELECT * FROM pg_catalog.pg_class",
        "SELECT * FROM db.public.orders",
        # SQLite reads tables here
        "SELECT * FROM orders WHERE id IN secrets",
        "SELECT * FROM orders WHERE (1, 2) NOT IN main.secrets",
        # comments and strings that one engine ends elsewhere than the other
        "SELECT * FROM orders/**/,/**/secrets",
        "SELECT 1 /* /* */ FROM orders */ , x FROM secrets",
        "SELECT E'\\' FROM secrets -- '",
        "SELECT $$a$$, x FROM secrets",
        # no plain SELECT, or none that can be read
        "TABLE secrets",
        "SELECT * FROM ONLY secrets",
        "SELECT * FROM pragma_table_info('secrets')",
        "SELECT query_to_xml('select * from secrets', true, true, '')",
        "SELECT * FROM orders; SELECT * FROM secrets",
        "DELETE FROM orders",
        "SELECT FROM WHERE (",
        "SELECT " + "(" * 100 + "1" + ")" * 100,
        "",
    ],
)
def test_any_way_to_another_table_and_what_cannot_be_read_are_denied(sql: str) -> None:
    decision = decided({"sql": sql})
    assert (decision.verdict, decision.rule) == ("deny", "agent clerk (sql.tables)")
    assert "only the tables orders, customers" in decision.reason


def test_a_table_of_another_schema_is_allowed_by_its_full_name() -> None:
    tables = ("sales.orders", "public.Customers")
    assert decided({"sql": "SELECT * FROM sales.orders, customers"}, tables=tables).verdict == "allow"
    assert decided({"sql": "SELECT * FROM orders"}, tables=tables).verdict == "deny"


@pytest.mark.parametrize(
    ("tool", "arguments", "verdict"),
    [
        ("sql__schema", {"table": "Orders"}, "allow"),
        ("sql__schema", {"table": "secrets"}, "deny"),
        ("sql__schema", {}, "deny"),
        ("sql__query", {}, "deny"),
        ("sql__query", {"sql": ["SELECT * FROM orders"]}, "deny"),
        ("sql__explain", {"query": "SELECT * FROM orders"}, "deny"),
        ("hub__execute_sql", {"sql": "SELECT * FROM secrets"}, "deny"),
        ("time__now", {"zone": "UTC"}, "allow"),
    ],
)
def test_what_cannot_be_bounded_to_tables_is_denied(tool: str, arguments: JsonObject, verdict: str) -> None:
    assert decided(arguments, tool).verdict == verdict


def test_no_tables_is_no_query_and_an_agent_without_the_policy_asks_what_it_likes() -> None:
    assert decided({"sql": "SELECT * FROM orders"}, tables=()).verdict == "deny"
    agent = AgentSpec(id="free", name="F", description="d", system_prompt="p", allowed_tools=["*"])
    call = decide(Caller("alice", "free"), "sql__query", {"sql": "SELECT * FROM secrets"}, POLICIES, agent)
    assert call.verdict == "allow"
