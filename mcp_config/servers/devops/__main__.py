"""Starts the devops server: `python -m mcp_config.servers.devops`."""

import os

from mcp_config.servers.devops.cluster import KubernetesTools
from mcp_config.servers.devops.containers import DockerTools
from mcp_config.servers.devops.host import cpu_usage, disk_usage, list_processes, memory_usage
from mcp_config.servers.devops.logs import LogTools
from mcp_config.servers.devops.options import DevopsOptions, read_options
from mcp_config.servers.rooted_files import RootedFiles
from mcp_config.servers.serving import ToolFunction, serve


def main() -> None:
    serve("devops", _tools(read_options(os.environ)))


def _tools(options: DevopsOptions) -> list[ToolFunction]:
    logs = LogTools(RootedFiles(options.log_folders))
    tools: list[ToolFunction] = [disk_usage, memory_usage, cpu_usage, list_processes, logs.list_logs, logs.tail_log]
    if options.docker is not None:
        docker = DockerTools(options.docker)
        tools += [docker.docker_ps, docker.docker_logs, docker.docker_inspect, docker.docker_images]
    if options.kubectl is not None:
        kubernetes = KubernetesTools(options.kubectl)
        tools += [kubernetes.kubectl_get, kubernetes.kubectl_describe, kubernetes.kubectl_logs]
    return tools


if __name__ == "__main__":
    main()
