"""The tool policies, for admins: as they are, as they were, and set anew. A change holds for the next call."""

from typing import Final

from fastapi import Response

from server.auth import Admin
from server.resources.pages import Page
from server.resources.policies import PolicySet
from server.routes.bodies import PolicyBody
from server.routes.dependencies import App, SeenVersion, WantedPage, build_router, problems

router: Final = build_router("/v1/policies", "policies")


@router.get("", operation_id="get_policies", responses=problems(403))
async def get_policies(app: App, admin: Admin, response: Response) -> PolicySet:
    """Returns the policies in force, with their version (also as `ETag`); 0 is the file's."""
    await app.policies.renew()
    return _tagged(app.policies.present, response)


@router.put("", operation_id="set_policies", responses=problems(400, 403, 409, 413, 415))
async def set_policies(app: App, admin: Admin, response: Response, new: PolicyBody, seen: SeenVersion) -> PolicySet:
    """Sets the policies, all of them, as the next version. From then on the file is not read.

    Give the version that you looked at, in `version` or as `If-Match`: if another rules by now, nothing is changed.
    """
    based_on = new.version if seen is None else seen
    return _tagged(await app.policies.replace(new.policies, admin, based_on), response)


@router.get("/versions", operation_id="list_policy_versions", responses=problems(403))
async def list_policy_versions(app: App, admin: Admin, page: WantedPage) -> Page[PolicySet]:
    """Lists the versions that were set, who set them, and when. A cursor is a version's number."""
    return await app.policies.page(page)


def _tagged(policies: PolicySet, response: Response) -> PolicySet:
    response.headers["ETag"] = f'"{policies.version}"'
    return policies
