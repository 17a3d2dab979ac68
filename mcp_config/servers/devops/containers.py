"""The tools on Docker containers, offered where there is a `docker` executable."""

from typing import Annotated, Final

from pydantic import Field

from mcp_config.servers.devops.programs import check_name, run_program, show_first, show_last

_PS: Final = "table {{.Names}}\t{{.Image}}\t{{.Status}}\t{{.Ports}}"
_IMAGES: Final = "table {{.Repository}}:{{.Tag}}\t{{.Size}}\t{{.CreatedSince}}"
# chosen fields: the whole would show the container's environment, and with it secrets
_INSPECT: Final = (
    "name: {{.Name}}\nimage: {{.Config.Image}}\nstate: {{.State.Status}} (exit code {{.State.ExitCode}})\n"
    "started: {{.State.StartedAt}}\nrestarts: {{.RestartCount}}\nrestart policy: {{.HostConfig.RestartPolicy.Name}}\n"
    "{{range .Mounts}}mount: {{.Source}} -> {{.Destination}}\n{{end}}"
    "{{range $name, $network := .NetworkSettings.Networks}}network: {{$name}} {{$network.IPAddress}}\n{{end}}"
)
_MAX_LINES: Final = 500


class DockerTools:
    def __init__(self, executable: str) -> None:
        self._docker = executable

    async def docker_ps(
        self, stopped: Annotated[bool, Field(description="Also containers that do not run")] = False
    ) -> str:
        """Lists the Docker containers with image, status and ports."""
        every = ["--all"] if stopped else []
        return show_first(await run_program([self._docker, "ps", *every, "--format", _PS]))

    async def docker_images(self) -> str:
        """Lists the Docker images with size and age."""
        return show_first(await run_program([self._docker, "images", "--format", _IMAGES]))

    async def docker_inspect(self, container: Annotated[str, Field(description="Name or id")]) -> str:
        """Shows one Docker container's state, restarts, mounts and networks."""
        chosen = ["container", "inspect", "--format", _INSPECT, check_name(container)]
        return show_first(await run_program([self._docker, *chosen]))

    async def docker_logs(
        self,
        container: Annotated[str, Field(description="Name or id")],
        lines: Annotated[int, Field(description="How many lines, at most 500")] = 30,
    ) -> str:
        """Shows the last log lines of one Docker container."""
        tail = f"--tail={min(max(lines, 1), _MAX_LINES)}"
        return show_last(await run_program([self._docker, "logs", tail, check_name(container)]))
