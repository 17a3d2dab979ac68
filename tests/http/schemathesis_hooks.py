"""What schemathesis is told of its own requests before it sends them."""

from schemathesis import Case, HookContext, hook
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import FuzzingPhaseData


@hook
def map_case(context: HookContext, case: Case) -> Case:
    """Has a wrong header sent. Version 4.15 takes it away, and blames us for letting pass a request without one."""
    fault = case.meta.phase.data if case.meta else None
    if isinstance(fault, FuzzingPhaseData) and fault.parameter_location == ParameterLocation.HEADER:
        fault.parameter_location = None
    return case
