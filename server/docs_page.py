"""`/docs`: Swagger UI over our description of the API. Its files ship with us, so that it works without a network."""

from typing import Final

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles

ASSETS: Final = "/docs/assets"


def add_docs_page(app: FastAPI) -> None:
    async def docs_page() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="open-agent API",
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon-32x32.png",
            swagger_ui_parameters={"persistAuthorization": True, "displayRequestDuration": True},
        )

    async def to_docs() -> RedirectResponse:
        return RedirectResponse("/docs")

    app.add_api_route("/docs", docs_page, include_in_schema=False)
    app.add_api_route("/", to_docs, include_in_schema=False)
    app.mount(ASSETS, StaticFiles(packages=[("fastapi_swagger", "resources")]))
