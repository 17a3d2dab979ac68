"""What a client of completions reads in the place of an answer, where the run waits for a person. Pure.

Arguments are a model's words: they stand in a block of code that they cannot leave, and nothing in them is invisible.
"""

import re
from collections.abc import Sequence
from itertools import chain

from config.plain_sight import LONGEST_SHOWN, make_visible, show_plainly
from server.completions.replies import address_of, name_of
from server.resources.approvals import Approval
from server.resources.forms import read_form


def tell_waiting(approvals: Sequence[Approval]) -> str:
    """Returns what is asked, and how to answer."""
    named = len(approvals) > 1
    asked = [f"{ask(each)}\n\n{_how(each, named=named)}" for each in approvals]
    nothing = ["Nothing is done before."] if any(each.kind == "call" for each in approvals) else []
    return "\n\n".join([*asked, *nothing, f"Elsewhere: {_elsewhere(approvals)}."])


def ask(approval: Approval) -> str:
    """Returns the question, as Markdown."""
    if approval.kind == "question":
        return _ask_for_server(approval)
    shown, most = show_plainly(approval.arguments, indent=2), LONGEST_SHOWN
    cut = f"\n\n**Cut at {most} characters:** read all of it before you approve." if len(shown) > most else ""
    asks = f"**Approval needed:** {approval.agent} wants to call `{approval.tool}` with"
    return f"{asks}\n\n{_fenced(shown[:most])}{cut}\n\nThe rule that asks: `{_plain(approval.rule)}`"


def _ask_for_server(approval: Approval) -> str:
    """A server's words, which the user must not take for the agent's or ours."""
    message = str(approval.arguments.get("message", ""))
    lines = [f"- {field.name} ({field.wanted}) {field.label}".rstrip() for field in read_form(approval.arguments)]
    who = f"which {approval.agent} has called, asks" if approval.agent else "which was called, asks"
    asked = make_visible("\n".join([message, *lines]))[:LONGEST_SHOWN]
    return f"**A question of a tool's server:** `{approval.tool}`, {who}\n\n{_fenced(asked, 'text')}"


def template_of(approval: Approval) -> str:
    """Returns what an answer looks like, as JSON."""
    fields = read_form(approval.arguments)
    return show_plainly({each.name: "…" if each.default is None else each.default for each in fields})


def _how(approval: Approval, *, named: bool) -> str:
    name = f" {name_of(approval.id)}" if named else ""
    if approval.kind == "question":
        return _how_to_answer(approval, name)
    other = f"with `edit{name}: {{…}}` the call is made with other arguments"
    return f"Reply `approve{name}` or `reject{name}: why`; {other}."


def _how_to_answer(approval: Approval, name: str) -> str:
    fields, tells = read_form(approval.arguments), "It is told what you write, so write nothing secret."
    no = f"`reject{name}` tells it nothing"
    match fields:
        case []:
            return f"Reply `approve{name}` for yes; {no}."
        case [_]:
            return f"Reply `edit{name}: …` with the answer; {no}. {tells}"
        case _:
            shape = _fenced(template_of(approval))
            return f"Reply `edit{name}: {{…}}` with an answer of this form; {no}. {tells}\n\n{shape}"


def _elsewhere(approvals: Sequence[Approval]) -> str:
    return "; ".join(map(_way, approvals))


def _way(approval: Approval) -> str:
    form = approval.kind == "question" and read_form(approval.arguments)
    said = '{"decision": "edit", "arguments": {…}}' if form else '{"decision": "approve"}'
    command = f"`open-agent approvals {'answer' if form else 'approve'} {approval.id}`"
    return f"{command}, or {address_of(approval.id)} with `{said}`"


def _fenced(text: str, language: str = "json") -> str:
    """Closed by more backticks than there are in a row inside."""
    longest = max(map(len, chain(re.findall(r"`+", text), [""])))
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _plain(rule: str) -> str:
    return " ".join(rule.replace("`", "'").split())
