"""What a run asks the person at the terminal: may this call be made? Only a plain yes is one; Ctrl-C leaves it open."""

import asyncio
import json
import readline
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from pydantic import JsonValue
from rich.console import Console
from rich.text import Text

from config.plain_sight import make_visible, show_plainly
from server.cli.remote import explained
from server.cli.run_view import RunView
from server.cli.talk import End, Talk, Waits
from server.client import ClientError
from server.resources.approvals import Approval
from server.resources.forms import Field, describe_question, read_form

_ANSWER_PROMPT: Final = "Answer it? [Y/n] "
_PROMPT: Final = "May it? [y/N/e(dit), or why not] "


def settle(console: Console, runner: asyncio.Runner, talk: Talk, end: End | Waits, view: RunView) -> End | Waits:
    """Has the person answer what the run waits for, until it ends; returns it still waiting when they leave it open."""
    while isinstance(end, Waits):
        for approval in end.approvals:
            if not _Asking(console, runner, talk, approval).ask():
                return end
        end = runner.run(talk.go_on(end.run_id, view))
    return end


class _Asking:
    """One question."""

    def __init__(self, console: Console, runner: asyncio.Runner, talk: Talk, approval: Approval) -> None:
        self._console, self._runner, self._client, self._approval = console, runner, talk.client, approval

    def ask(self) -> bool:
        """Returns false when the question is left open."""
        if self._approval.kind == "question":
            return self._ask_for_server()
        agent, tool = self._approval.agent or "it", self._approval.tool
        self._console.print()
        self._console.print(
            Text.assemble((agent, "cyan"), " wants to call ", (tool, "bold"), f" ({self._approval.rule})")
        )
        self._console.print(show_plainly(self._approval.arguments, indent=2))
        try:
            while not self._take(input(_PROMPT).strip()):
                pass
        except (EOFError, KeyboardInterrupt):
            self._console.print()
            return False
        return True

    def _ask_for_server(self) -> bool:
        """Returns false when the question is left open. An answer that does not fit is asked for again."""
        fields = read_form(self._approval.arguments)
        self._console.print()
        self._console.print(make_visible(describe_question(self._approval)))
        try:
            if input(_ANSWER_PROMPT).strip().lower() not in ("", "y", "yes"):
                self._runner.run(self._client.reject(self._approval.id))
                return True
            while not self._fill(fields):
                pass
        except (EOFError, KeyboardInterrupt):
            self._console.print()
            return False
        return True

    def _fill(self, fields: Sequence[Field]) -> bool:
        """Returns whether that was an answer."""
        typed = {field.name: input(f"{field.name} ({field.wanted}): ") for field in fields}
        given = {field.name: field.read(typed[field.name]) for field in fields if field.required or typed[field.name]}
        try:
            yes = self._client.edit(self._approval.id, given) if fields else self._client.approve(self._approval.id)
            self._runner.run(yes)
        except ClientError as error:
            self._console.print(explained(error), style="red")
            if error.status not in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
                raise
            return error.status == HTTPStatus.CONFLICT
        return True

    def _take(self, said: str) -> bool:
        """Returns whether that was an answer: edited arguments may not be taken."""
        try:
            self._resolve(said)
        except json.JSONDecodeError as error:
            self._console.print(f"That is no JSON object: {error}.", style="red")
            return False
        except ClientError as error:
            self._console.print(explained(error), style="red")
            if error.status not in (HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY):
                raise
            return error.status == HTTPStatus.CONFLICT  # somebody else has answered
        return True

    def _resolve(self, said: str) -> None:
        approval_id = self._approval.id
        match said.lower():
            case "y" | "yes":
                self._runner.run(self._client.approve(approval_id))
            case "e" | "edit":
                self._runner.run(self._client.edit(approval_id, self._edited()))
            case "" | "n" | "no":
                self._runner.run(self._client.reject(approval_id))
            case _:
                self._runner.run(self._client.reject(approval_id, said[:1000]))

    def _edited(self) -> dict[str, JsonValue]:
        """Raises: JSONDecodeError."""
        before = json.dumps(self._approval.arguments)
        readline.set_startup_hook(lambda: readline.insert_text(before))
        try:
            said = input("Call it with: ")
        finally:
            readline.set_startup_hook(None)
        edited = json.loads(said)
        if not isinstance(edited, dict):
            raise json.JSONDecodeError("it is something else", said, 0)
        return edited
