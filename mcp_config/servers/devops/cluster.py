"""The tools on a Kubernetes cluster, offered where there is a `kubectl` executable."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Final, Literal

from pydantic import Field

from mcp_config.servers.devops.programs import check_name, run_program, show_first, show_last

# neither secrets nor config maps
Kind = Literal[
    "pods",
    "deployments",
    "services",
    "nodes",
    "namespaces",
    "events",
    "jobs",
    "cronjobs",
    "statefulsets",
    "daemonsets",
    "replicasets",
    "ingresses",
    "persistentvolumeclaims",
]
Namespace = Annotated[str, Field(description="Namespace; empty for all of them")]
OneNamespace = Annotated[str, Field(description="Namespace; empty for the default one")]
_PATIENCE: Final = "--request-timeout=8s"
_MAX_LINES: Final = 500


class KubernetesTools:
    def __init__(self, executable: str) -> None:
        self._kubectl = executable

    async def kubectl_get(
        self, kind: Annotated[Kind, Field(description="What to list")] = "pods", namespace: Namespace = ""
    ) -> str:
        """Lists what runs in the Kubernetes cluster, such as pods, with its status."""
        where = _in_namespace(namespace) or ["--all-namespaces"]
        return show_first(await run_program([self._kubectl, "get", kind, *where, _PATIENCE]))

    async def kubectl_describe(
        self,
        kind: Annotated[Kind, Field(description="What it is")],
        name: Annotated[str, Field(description="Its name")],
        namespace: OneNamespace = "",
    ) -> str:
        """Shows the details and events of one thing in the Kubernetes cluster."""
        argv = [self._kubectl, "describe", kind, check_name(name), *_in_namespace(namespace), _PATIENCE]
        return show_first(list(_without_environment(await run_program(argv))))

    async def kubectl_logs(
        self,
        pod: Annotated[str, Field(description="Name of the pod")],
        namespace: OneNamespace = "",
        lines: Annotated[int, Field(description="How many lines, at most 500")] = 30,
    ) -> str:
        """Shows the last log lines of one Kubernetes pod."""
        tail = f"--tail={min(max(lines, 1), _MAX_LINES)}"
        argv = [self._kubectl, "logs", check_name(pod), tail, "--all-containers", *_in_namespace(namespace), _PATIENCE]
        return show_last(await run_program(argv))


def _in_namespace(namespace: str) -> list[str]:
    return [f"--namespace={check_name(namespace)}"] if namespace.strip() else []


def _without_environment(lines: Iterable[str]) -> Iterator[str]:
    """Leaves out the values below `Environment:`, which may be secrets."""
    depth = -1
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if depth >= 0 and indent > depth:
            continue
        depth = indent if line.strip().startswith("Environment") else -1
        yield f"{' ' * indent}Environment: (not shown)" if depth >= 0 else line
