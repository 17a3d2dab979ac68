"""What a client of completions reads in the place of an answer, where the run waits for a person."""

import json
from collections.abc import Sequence

from server.approval_resources import Approval


def tell_waiting(approvals: Sequence[Approval]) -> str:
    """Returns what is asked, and how to answer."""
    questions = "\n\n".join(_question(approval) for approval in approvals)
    return f"{questions}\n\nThe run waits for the answer and goes on by itself; nothing is done before."


def _question(approval: Approval) -> str:
    arguments = json.dumps(approval.arguments, ensure_ascii=False)
    return (
        f"**Approval needed:** {approval.agent} wants to call `{approval.tool}` with `{arguments}` ({approval.rule}).\n"
        f'To approve: `POST /v1/approvals/{approval.id}` with `{{"decision": "approve"}}`, '
        f"or `open-agent approvals approve {approval.id}`; `reject` says no."
    )
