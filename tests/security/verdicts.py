"""The one table of verdicts. Whoever can call a tool is an entry to it, and must come to the same verdict in each case.

The rules speak of everybody, so that an agent, a person and a program are told alike.
"""

from dataclasses import dataclass, field
from typing import Final

from config.policies import Verdict
from tests.http.serving import Json

POLICIES: Final[Json] = {
    "rules": [
        {"match": "house__page", "verdict": "allow"},
        {"match": "house__page", "when": [{"argument": "/text", "matches": "*private*"}], "verdict": "deny"},
        {
            "match": "house__page",
            "when": [{"argument": "/to", "equals": "boss"}],
            "verdict": "ask",
            "reason": "the boss",
        },
        {"match": "house__v*", "users": ["um?"], "verdict": "allow"},
        {"match": "house__va*", "roles": ["admin"], "verdict": "allow"},
        {"match": "house__vault", "users": ["ott*"], "verdict": "deny", "reason": "not for Otto"},
        {"match": "house__send", "when": [{"argument": "/to", "one_of": ["uma", "ann"]}], "verdict": "allow"},
    ],
    "tools": {"house__page": {"timeout": 5}},
}


@dataclass(frozen=True)
class Case:
    words: str
    tool: str
    verdict: Verdict
    rule: str
    arguments: Json = field(default_factory=dict)
    who: str = "uma"


CASES: Final = (
    Case("an allowed tool", "house__page", "allow", "rules[0] (house__page)"),
    Case("deny wins over allow", "house__page", "deny", "rules[1] (house__page)", {"text": "a private page"}),
    Case("ask wins over allow", "house__page", "ask", "rules[2] (house__page)", {"to": "boss"}),
    Case("deny wins over ask", "house__page", "deny", "rules[1] (house__page)", {"to": "boss", "text": "private"}),
    Case("allowed to one user", "house__vault", "allow", "rules[3] (house__v*)"),
    Case("denied to another user", "house__vault", "deny", "rules[5] (house__vault)", who="otto"),
    Case("allowed to a role", "house__vault", "allow", "rules[4] (house__va*)", who="ann"),
    Case("an argument within the condition", "house__send", "allow", "rules[6] (house__send)", {"to": "ann"}),
    Case("an argument outside the condition", "house__send", "deny", "default", {"to": "eve"}),
    Case("no argument for the condition", "house__send", "deny", "default"),
)
