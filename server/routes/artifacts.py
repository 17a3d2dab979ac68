"""Artifacts: what was too big for a prompt, or no text, for its owner to read and to download."""

from typing import Final
from urllib.parse import quote

from fastapi import Response

from server.auth import Caller
from server.resources.artifacts import Artifact
from server.resources.pages import Page
from server.routes.dependencies import App, ArtifactId, RunId, WantedPage, build_router, problems

of_run: Final = build_router("/v1/runs/{run_id}/artifacts", "artifacts")
router: Final = build_router("/v1/artifacts", "artifacts")


@of_run.get("", operation_id="list_artifacts", responses=problems(404))
async def list_artifacts(app: App, caller: Caller, run_id: RunId, page: WantedPage) -> Page[Artifact]:
    """Lists what the run's tool calls and attachments left, the newest first."""
    return await app.store.artifacts.page(caller.name, run_id, page)


@router.get("/{artifact_id}", operation_id="get_artifact", responses=problems(404))
async def get_artifact(app: App, caller: Caller, artifact_id: ArtifactId) -> Artifact:
    return await app.store.artifacts.get(caller.name, artifact_id)


@router.get(
    "/{artifact_id}/content",
    operation_id="download_artifact",
    response_class=Response,
    responses={
        200: {
            "description": "The bytes as they were kept, under their media type, always as a download.",
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        },
        **problems(404),
    },
)
async def download_artifact(app: App, caller: Caller, artifact_id: ArtifactId) -> Response:
    """Downloads the artifact. What tools return is not trusted: browsers are told to save it, never to show it."""
    artifact, content = await app.store.artifacts.content(caller.name, artifact_id)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(artifact.name, safe='')}",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Type": artifact.media_type,
    }
    return Response(content, headers=headers)
