"""What a client of completions reads in the place of an answer, where the run waits for a person. Pure.

Arguments are a model's words: they stand in a block of code that they cannot leave, and nothing in them is invisible.
"""

import re
from collections.abc import Sequence
from itertools import chain

from config.plain_sight import LONGEST_SHOWN, show_plainly
from server.completions.replies import address_of, name_of
from server.resources.approvals import Approval


def tell_waiting(approvals: Sequence[Approval]) -> str:
    """Returns what is asked, and how to answer."""
    named = len(approvals) > 1
    asked = [f"{ask(each)}\n\n{_how(each, named=named)}" for each in approvals]
    return "\n\n".join([*asked, "Nothing is done before.", f"Elsewhere: {_elsewhere(approvals)}."])


def ask(approval: Approval) -> str:
    """Returns the question, as Markdown."""
    shown, most = show_plainly(approval.arguments, indent=2), LONGEST_SHOWN
    cut = f"\n\n**Cut at {most} characters:** read all of it before you approve." if len(shown) > most else ""
    asks = f"**Approval needed:** {approval.agent} wants to call `{approval.tool}` with"
    return f"{asks}\n\n{_fenced(shown[:most])}{cut}\n\nThe rule that asks: `{_plain(approval.rule)}`"


def _how(approval: Approval, *, named: bool) -> str:
    name = f" {name_of(approval.id)}" if named else ""
    other = f"with `edit{name}: {{…}}` the call is made with other arguments"
    return f"Reply `approve{name}` or `reject{name}: why`; {other}."


def _elsewhere(approvals: Sequence[Approval]) -> str:
    ways = (f"`open-agent approvals approve {each.id}`, or {address_of(each.id)}" for each in approvals)
    return f'{"; ".join(ways)} with `{{"decision": "approve"}}`'


def _fenced(text: str) -> str:
    """Closed by more backticks than there are in a row inside."""
    longest = max(map(len, chain(re.findall(r"`+", text), [""])))
    fence = "`" * max(3, longest + 1)
    return f"{fence}json\n{text}\n{fence}"


def _plain(rule: str) -> str:
    return " ".join(rule.replace("`", "'").split())
