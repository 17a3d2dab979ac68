"""What runs may spend beside the limits of their agents: those of everyone, and of the request.

A limit in dollars can only be kept where the price of every model is known; a run that could not keep it is refused.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from config.agents import ROUTER, AgentSpec, Limits, Price
from nodes.budget import Bound
from nodes.models.port import ModelError
from nodes.models.selectors import LOCAL, VISION, Aliases, build_selection
from server.errors import Invalid


@dataclass(frozen=True)
class Budgets:
    aliases: Aliases = field(default_factory=dict)
    """Names of models, and what they stand for."""
    prices: Mapping[str, Price] = field(default_factory=dict)
    limits: Callable[[], Limits] = Limits
    """Returns the limits of everyone, as the policies are now."""

    def bounds(self, request: Limits) -> list[Bound]:
        return [Bound(request, "the request"), Bound(self.limits(), "the tool policies")]

    def check(self, request: Limits, agent_id: str, agents: Mapping[str, AgentSpec]) -> None:
        """Raises `Invalid` when a limit in dollars is set for a run of this agent and a model's price is not known."""
        involved = [spec for spec in agents.values() if agent_id in (ROUTER, spec.id)]
        bounds = [*self.bounds(request), *(Bound(spec.policies.limits, f"the agent {spec.id}") for spec in involved)]
        setters = [bound.setter for bound in bounds if bound.limits.cost_usd is not None]
        if setters and (unpriced := self._unpriced(involved)):
            detail = (
                f"The limit cost_usd, set by {setters[0]}, cannot be kept: there is no price for"
                f" {', '.join(unpriced)}. Add it under `prices:` in agents.yaml, or take the limit away."
            )
            pointer = "/limits/cost_usd" if request.cost_usd is not None else "/agent_id"
            raise Invalid("price_unknown", detail, pointer=pointer)

    def _unpriced(self, agents: Iterable[AgentSpec]) -> list[str]:
        """Returns the models that may be asked and have no price; what runs on our own machines costs nothing."""
        selectors = [selector for agent in agents for selector in agent.selectors]
        if VISION in self.aliases:
            selectors.append(VISION)
        return sorted({name for selector in selectors for name in self._models_of(selector) if self._is_unpriced(name)})

    def _models_of(self, selector: str) -> list[str]:
        try:
            return [str(selected) for selected in build_selection([selector], self.aliases)]
        except ModelError:  # its step will say so
            return []

    def _is_unpriced(self, name: str) -> bool:
        return name not in self.prices and name.partition(":")[0] not in LOCAL
