"""`/openapi.json`, and `/docs`: Swagger UI over it. Its files ship with us, so that it works without a network."""

from typing import Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

ASSETS: Final = "/docs/assets"
_DESCRIPTION: Final = "/openapi.json"


def add_docs_page(app: FastAPI) -> None:
    def description() -> JSONResponse:  # in a thread, not on the loop: the first one takes a while to build
        return JSONResponse(app.openapi())

    async def docs_page() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=_DESCRIPTION,
            title="open-agent API",
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
            swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True},
        )

    async def to_docs() -> RedirectResponse:
        return RedirectResponse("/docs")

    app.add_api_route(_DESCRIPTION, description, include_in_schema=False)
    app.add_api_route("/docs", docs_page, include_in_schema=False)
    app.add_api_route("/", to_docs, include_in_schema=False)
    app.mount(ASSETS, StaticFiles(packages=[("fastapi_swagger", "resources")]))
