"""The addresses of the server."""

from __future__ import annotations

import functools
import typing
from typing import Annotated, Any

import fastapi
from fastapi import exceptions
from fastapi.middleware import cors
from starlette import exceptions as http_exceptions
from starlette import requests
from starlette import responses

import official_yolact
from official_yolact.serve import infer
from official_yolact.serve import metrics as metrics_lib
from official_yolact.serve import middleware
from official_yolact.serve import page
from official_yolact.serve import predict
from official_yolact.serve import protocol
from official_yolact.serve import refusals
from official_yolact.serve import service as service_lib

_BINARY: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_FORM: dict[str, Any] = {
    "schema": {"type": "object", "required": ["image"], "properties": {"image": _BINARY["schema"]}}
}
_TENSORS = {"schema": {"type": "object", "required": ["inputs"]}}
_Masks = typing.Literal["rle", "polygons", "png", "none"]
_ERROR = {
    "description": "refused, with the reason",
    "content": {"application/json": {"schema": {"type": "object", "required": ["error"]}}},
}
_ANSWERS: dict[int | str, dict[str, Any]] = {"4XX": _ERROR, 503: _ERROR}


def make(service: service_lib.Service) -> Any:
    """Make the application of a server.

    Args:
      service: that answers.

    Returns:
      An ASGI application.
    """
    app = fastapi.FastAPI(
        title="official_yolact",
        summary="Finds objects in photos, each with its mask.",
        version=official_yolact.__version__,
        docs_url=None,  # its pages load scripts from another host
        redoc_url=None,
    )
    app.add_exception_handler(refusals.RefusedError, _refuse)
    app.add_exception_handler(exceptions.RequestValidationError, _refuse_parameters)
    app.add_exception_handler(http_exceptions.HTTPException, _refuse_address)
    app.add_exception_handler(requests.ClientDisconnect, middleware.note_gone)
    app.add_exception_handler(Exception, middleware.tell_fault)
    app.include_router(_make_v1(service), responses=_ANSWERS)
    app.include_router(_make_v2(service), responses=_ANSWERS)
    app.include_router(_make_models(service), responses=_ANSWERS)
    files = page.read()
    app.include_router(page.make_router(files))
    wrapped: Any = middleware.Guard(app, service.settings.token, middleware.open_paths(files))
    if service.settings.origins:
        wrapped = cors.CORSMiddleware(
            wrapped,
            allow_origins=service.settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=[protocol.LENGTH_HEADER, "Retry-After", "X-Request-Id"],
        )
    settings = service.settings
    return middleware.Observer(
        wrapped, service.metrics, settings.access_log, lambda: service.is_ending, 4 * settings.max_bytes
    )


def _make_v1(service: service_lib.Service) -> fastapi.APIRouter:
    router = fastapi.APIRouter(tags=["v1"])
    contents = dict.fromkeys(("application/octet-stream", "image/jpeg", "image/png"), _BINARY)
    contents["multipart/form-data"] = _FORM
    drawn = {"content": {predict.JSON: {"schema": {"type": "object"}}, predict.JPEG: _BINARY}}

    @router.post(
        "/v1/predict",
        openapi_extra={"requestBody": {"required": True, "content": contents}},
        responses={200: drawn},
        response_class=responses.Response,
        summary="Find objects in a photo",
    )
    async def _(
        request: requests.Request,
        threshold: Annotated[float, fastapi.Query(ge=0, le=1, allow_inf_nan=False)] = 0.3,
        max_detections: Annotated[int, fastapi.Query(ge=1, le=1000)] = 100,
        masks: _Masks = "rle",
        model: str | None = None,
    ) -> responses.Response:
        is_drawn = predict.wants_jpeg(request.headers.get("Accept", ""))
        options = predict.Options(threshold, max_detections, masks, is_drawn)
        make_work = functools.partial(
            predict.Prediction,
            content_type=request.headers.get("Content-Type", ""),
            options=options,
            max_pixels=service.settings.max_pixels,
        )
        return await service.answer(request, model, make_work)

    @router.get("/v1/models", summary="Describe the models")
    async def _() -> list[dict[str, Any]]:
        return [model.describe() for model in service.store]

    @router.get("/metrics", response_class=responses.Response, summary="Counters for Prometheus")
    async def _() -> responses.Response:
        return responses.Response(service.metrics.write(), media_type=metrics_lib.CONTENT_TYPE)

    return router


def _make_v2(service: service_lib.Service) -> fastapi.APIRouter:
    router = fastapi.APIRouter(tags=["v2"], prefix="/v2")

    @router.get("", summary="Describe the server")
    async def _() -> dict[str, Any]:
        extensions = ["binary_tensor_data", "model_repository"]
        return {
            "name": "official_yolact",
            "version": official_yolact.__version__,
            "extensions": extensions,
        }

    @router.get("/health/live", summary="Tell whether the server answers")
    async def _() -> dict[str, bool]:
        return {"live": True}

    @router.get("/health/ready", summary="Tell whether the server takes requests")
    async def _() -> dict[str, bool]:
        if service.is_ending:
            raise refusals.busy("the server ends", 5)
        return {"ready": True}

    @router.post("/repository/index", summary="List the models as Triton does")
    async def _() -> list[dict[str, str]]:
        return [
            {"name": name, "version": infer.VERSION, "state": "READY", "reason": ""}
            for name in service.store.names
        ]

    @router.post("/repository/models/{name}/load", summary="Load a model again; needs a token")
    async def _(name: str) -> dict[str, str]:
        if not service.settings.token:
            raise refusals.RefusedError(
                403,
                "a server without a token loads no model on request: start it with one, or send it SIGHUP",
            )
        await service.reload(name)
        return {"name": name, "state": "READY"}

    return router


def _make_models(service: service_lib.Service) -> fastapi.APIRouter:
    """Make the addresses of the models, each with and without a version."""
    router = fastapi.APIRouter(tags=["v2"], prefix="/v2/models")
    contents = {predict.JSON: _TENSORS, "application/octet-stream": _BINARY}

    @router.get("", summary="List the models")
    async def _() -> dict[str, list[str]]:
        return {"models": service.store.names}

    @router.get("/{name}", summary="Describe a model")
    @router.get("/{name}/versions/{version}", summary="Describe a model")
    async def _(name: str, version: str = infer.VERSION) -> dict[str, Any]:
        _check_version(version)
        return infer.describe(service.store.get(name))

    @router.get("/{name}/ready", summary="Tell whether a model takes requests")
    @router.get("/{name}/versions/{version}/ready", summary="Tell whether a model takes requests")
    async def _(name: str, version: str = infer.VERSION) -> dict[str, Any]:
        _check_version(version)
        return {"name": service.store.get(name).name, "ready": True}

    async def run(request: requests.Request, name: str, version: str = infer.VERSION) -> responses.Response:
        _check_version(version)
        make_work = functools.partial(
            infer.Inference,
            header_length=request.headers.get(protocol.LENGTH_HEADER),
            name=name,
            max_pixels=service.settings.max_pixels,
        )
        return await service.answer(request, name, make_work)

    for path in ("/{name}/infer", "/{name}/versions/{version}/infer"):
        router.add_api_route(
            path,
            run,
            methods=["POST"],
            openapi_extra={"requestBody": {"required": True, "content": contents}},
            responses={200: {"content": {predict.JSON: {"schema": {"type": "object"}}}}},
            response_class=responses.Response,
            summary="Find objects in pictures",
        )
    return router


def _check_version(version: str) -> None:
    if version != infer.VERSION:
        raise refusals.RefusedError(
            404, f"there is no version {version!r}: each model has {infer.VERSION} alone"
        )


async def _refuse(_: requests.Request, error: Exception) -> responses.Response:
    assert isinstance(error, refusals.RefusedError)
    return responses.JSONResponse({"error": error.message}, error.status, error.headers)


async def _refuse_parameters(_: requests.Request, error: Exception) -> responses.Response:
    assert isinstance(error, exceptions.RequestValidationError)
    wrong = [f"{'.'.join(map(str, one['loc'][1:]))}: {one['msg']}" for one in error.errors()]
    return responses.JSONResponse({"error": "; ".join(wrong)}, 400)


async def _refuse_address(request: requests.Request, error: Exception) -> responses.Response:
    assert isinstance(error, http_exceptions.HTTPException)
    meanings = {404: "there is nothing at this address", 405: f"this address does not take {request.method}"}
    message = meanings.get(error.status_code, error.detail)
    return responses.JSONResponse({"error": message}, error.status_code, error.headers)
