"""The 60 operations of the v4 API as the official Python SDK calls them.

A row: number in the API's own list, the SDK's name, what it is called with, the request that must
arrive (method, path and query), the status of the answer, and the SDK's model of the answer.
"""
import enum
import importlib
import pkgutil
import re
import types
import typing
from dataclasses import dataclass
from datetime import date, datetime

from pydantic import BaseModel

INGEST = (24, 25, 32, 36, 37, 38, 58)
SECRET = "sk-provider-secret-7f3a"
MESSAGES = [{"role": "user", "content": "Où? \"so\" \\ 🙂"}]
CHAT_CONFIG = {"model": "gpt-4", "chat_template": MESSAGES, "temperature": 0.7}
COMPLETION_CONFIG = {"model": "gpt-4", "prompt_template": "Say {{word}}", "max_tokens": -1}
KEYS = {"provider_api_keys": {"openai": SECRET}}
FUNCTION = {"arguments_type": "target_free", "return_type": "boolean", "type": "python",
            "code": "def judge(log):\n    return True"}


@dataclass(frozen=True)
class Operation:
    number: int
    name: str
    arguments: dict
    method: str
    target: str
    status: int
    model: str | None


def rows():
    """All rows but the ingest operations, which the daemon answers itself."""
    chat = {"messages": MESSAGES, "project": "sdk", **KEYS}
    text = {"project": "sdk", "inputs": {"word": "é", "n": 1e-07}, **KEYS}
    named = {"name": "a name", "description": "what for"}
    page = {"page": 2, "size": 5}
    return [Operation(*row) for row in [
        (1, "chat", {**chat, "model_config": CHAT_CONFIG}, "POST", "/chat", 200, "ChatResponse"),
        (2, "chat_deployed", {**chat, "environment": "production"},
         "POST", "/chat-deployed", 200, "ChatResponse"),
        (3, "chat_model_config", {**chat, "model_config_id": "config_1"},
         "POST", "/chat-model-config", 200, "ChatResponse"),
        (4, "complete", {**text, "model_config": COMPLETION_CONFIG},
         "POST", "/completion", 200, "CompletionResponse"),
        (5, "complete_deployed", text, "POST", "/completion-deployed", 200, "CompletionResponse"),
        (6, "complete_model_configuration", {**text, "model_config_id": "config_1"},
         "POST", "/completion-model-config", 200, "CompletionResponse"),
        (7, "datapoints.delete", {}, "DELETE", "/datapoints", 204, None),
        (8, "datapoints.get", {"id": "point_1"}, "GET", "/datapoints/point_1", 200,
         "DatapointResponse"),
        (9, "datapoints.update", {"id": "point_1"}, "PATCH", "/datapoints/point_1", 200, "any"),
        (10, "datasets.create", {**named, "project_id": "pr_1"},
         "POST", "/projects/pr_1/datasets", 201, "DatasetResponse"),
        (11, "datasets.create_datapoint", {"dataset_id": "evts_1", "log_ids": ["data_1", "data_2"]},
         "POST", "/datasets/evts_1/datapoints", 201, "DatasetsCreateDatapointResponse"),
        (12, "datasets.delete", {"id": "evts_1"}, "DELETE", "/datasets/evts_1", 200, "any"),
        (13, "datasets.get", {"id": "evts_1"}, "GET", "/datasets/evts_1", 200, "DatasetResponse"),
        (14, "datasets.list", {}, "GET", "/datasets", 200, "DatasetsListResponse"),
        (15, "datasets.list_all_for_project", {"project_id": "pr_1"},
         "GET", "/projects/pr_1/datasets", 200, "DatasetsListAllForProjectResponse"),
        (16, "datasets.list_datapoints", {"dataset_id": "evts_1", **page},
         "GET", "/datasets/evts_1/datapoints?page=2&size=5", 200, "PaginatedDataDatapointResponse"),
        (17, "datasets.update", {**named, "id": "evts_1"},
         "PATCH", "/datasets/evts_1", 200, "DatasetResponse"),
        (18, "evaluations.add_evaluators", {"id": "ev_1", "evaluator_ids": ["evfn_1"]},
         "PATCH", "/evaluations/ev_1/evaluators", 200, "EvaluationResponse"),
        (19, "evaluations.create",
         {"project_id": "pr_1", "config_id": "config_1", "dataset_id": "evts_1",
          "evaluator_ids": ["evfn_1"], "hl_generated": False, **KEYS},
         "POST", "/projects/pr_1/evaluations", 201, "EvaluationResponse"),
        (20, "evaluations.get", {"id": "ev_1", "evaluator_aggregates": True},
         "GET", "/evaluations/ev_1?evaluator_aggregates=true", 200, "EvaluationResponse"),
        (21, "evaluations.list", {"project_id": "pr_1", **page},
         "GET", "/evaluations?project_id=pr_1&size=5&page=2", 200,
         "PaginatedDataEvaluationResponse"),
        (22, "evaluations.list_all_for_project", {"project_id": "pr_1"},
         "GET", "/projects/pr_1/evaluations", 200, "EvaluationsGetForProjectResponse"),
        (23, "evaluations.list_datapoints", {"id": "ev_1", **page},
         "GET", "/evaluations/ev_1/datapoints?page=2&size=5", 200,
         "PaginatedDataEvaluationDatapointSnapshotResponse"),
        (26, "evaluations.update_status", {"id": "ev_1", "status": "completed"},
         "PATCH", "/evaluations/ev_1/status", 200, "EvaluationResponse"),
        (27, "evaluators.create", {**named, **FUNCTION},
         "POST", "/evaluators", 201, "EvaluatorResponse"),
        (28, "evaluators.delete", {"id": "evfn_1"}, "DELETE", "/evaluators/evfn_1", 204, None),
        (29, "evaluators.get", {"id": "evfn_1"}, "GET", "/evaluators/evfn_1", 200,
         "EvaluatorResponse"),
        (30, "evaluators.list", {}, "GET", "/evaluators", 200, "EvaluatorsListResponse"),
        (31, "evaluators.update", {**named, "id": "evfn_1"},
         "PATCH", "/evaluators/evfn_1", 200, "EvaluatorResponse"),
        (33, "logs.delete", {"id": ["data_1", "data_2"]},
         "DELETE", "/logs?id=data_1&id=data_2", 204, None),
        (34, "logs.get", {"id": "data_1"}, "GET", "/logs/data_1", 200, "LogResponse"),
        (35, "logs.list", {"project_id": "pr_1", "search": "a b/ü", **page},
         "GET", "/logs?project_id=pr_1&search=a%20b/%C3%BC&size=5&page=2", 200,
         "PaginatedDataLogResponse"),
        (39, "model_configs.deserialize", {"config": "---\nmodel: gpt-4\n---\n"},
         "POST", "/model-configs/deserialize", 200, "ModelConfigResponse"),
        (40, "model_configs.export", {"id": "config_1"},
         "POST", "/model-configs/config_1/export", 200, "str"),
        (41, "model_configs.get", {"id": "config_1"},
         "GET", "/model-configs/config_1", 200, "ModelConfigResponse"),
        (42, "model_configs.register", {**COMPLETION_CONFIG, "project": "sdk"},
         "POST", "/model-configs", 200, "ProjectConfigResponse"),
        (43, "model_configs.serialize", {"body": {**CHAT_CONFIG, "endpoint": "chat"}},
         "POST", "/model-configs/serialize", 200, "str"),
        (44, "projects.create", {"name": "sdk"}, "POST", "/projects", 201, "ProjectResponse"),
        (45, "projects.create_feedback_type", {"id": "pr_1", "type": "mood", "_class": "text"},
         "POST", "/projects/pr_1/feedback-types", 201, "FeedbackTypeModel"),
        (46, "projects.deactivate_config", {"id": "pr_1", "environment": "production"},
         "DELETE", "/projects/pr_1/active-config?environment=production", 200, "ProjectResponse"),
        (47, "projects.delete", {"id": "pr_1"}, "DELETE", "/projects/pr_1", 204, None),
        (48, "projects.delete_deployed_config",
         {"project_id": "pr_1", "environment_id": "env_1"},
         "DELETE", "/projects/pr_1/deployed-config/env_1", 200, "any"),
        (49, "projects.deploy_config",
         {"project_id": "pr_1", "config_id": "config_1", "environments": [{"id": "env_1"}]},
         "PATCH", "/projects/pr_1/deploy-config", 200,
         "ProjectsDeployConfigToEnvironmentsResponse"),
        (50, "projects.export", {"id": "pr_1", **page},
         "POST", "/projects/pr_1/export?page=2&size=5", 200, "PaginatedDataLogResponse"),
        (51, "projects.get", {"id": "pr_1"}, "GET", "/projects/pr_1", 200, "ProjectResponse"),
        (52, "projects.get_active_config", {"id": "pr_1", "environment": "production"},
         "GET", "/projects/pr_1/active-config?environment=production", 200,
         "GetModelConfigResponse"),
        (53, "projects.list", {**page, "filter": "sdk"},
         "GET", "/projects?page=2&size=5&filter=sdk", 200, "PaginatedDataProjectResponse"),
        (54, "projects.list_configs", {"id": "pr_1"},
         "GET", "/projects/pr_1/configs", 200, "ProjectsGetConfigsResponse"),
        (55, "projects.list_deployed_configs", {"id": "pr_1"},
         "GET", "/projects/pr_1/deployed-configs", 200, "ProjectsGetDeployedConfigsResponse"),
        (56, "projects.update", {"id": "pr_1", "active_config_id": "config_1"},
         "PATCH", "/projects/pr_1", 200, "ProjectResponse"),
        (57, "projects.update_feedback_types", {"id": "pr_1"},
         "PATCH", "/projects/pr_1/feedback-types", 200, "any"),
        (59, "sessions.get", {"id": "sesh_1"}, "GET", "/sessions/sesh_1", 200, "SessionResponse"),
        (60, "sessions.list", {"project_id": "pr_1", **page},
         "GET", "/sessions?project_id=pr_1&page=2&size=5", 200, "PaginatedDataSessionResponse"),
    ]]


STREAMS = {1: "chat_stream", 2: "chat_deployed_stream", 3: "chat_model_config_stream",
           4: "complete_stream", 5: "complete_deployed_stream", 6: "complete_model_config_stream"}


# Answers

def answer(operation):
    """A documented answer: every required key, of the type that the SDK's own model names."""
    if operation.model is None:
        return None
    if operation.model == "any":
        return {}
    if operation.model == "str":
        return "---\nmodel: gpt-4\n---\nSagt \"é\""
    file = re.sub(r"(?<!^)([A-Z])", r"_\1", operation.model).lower()
    return example(getattr(importlib.import_module(f"humanloop.pydantic.{file}"), operation.model))


def finish_models():
    """Some of the SDK's models refer to others that they never import, so that `validate=True`
    fails whatever was answered. This gives every model all names, and changes nothing else."""
    import humanloop.pydantic as package
    modules = [importlib.import_module(f"humanloop.pydantic.{m.name}")
               for m in pkgutil.iter_modules(package.__path__)]
    names = {n: v for m in modules for n, v in vars(m).items() if not n.startswith("_")}
    for _ in range(3):          # a model can only be finished after those it refers to
        for model in names.values():
            if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__ \
                    .startswith("humanloop."):
                model.model_rebuild(force=True, _types_namespace=names, raise_errors=False)


def example(kind, name="text"):
    """A value of a type of the SDK's models: their required members, one element a list."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return example(next(k for k in inner if k is not type(None)), name)
    if origin is typing.Literal:
        return inner[0]
    if origin is list:
        return [example(inner[0], name)]
    if origin is dict:
        return {"key é": example(inner[1], name)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind)).value
    if hasattr(kind, "model_fields"):
        fields = kind.model_fields
        if "root" in fields:
            return example(fields["root"].annotation, name)
        return {field.alias or n: example(field.annotation, n) for n, field in fields.items()
                if field.is_required() or n == "type"}
    simple = {str: f"{name} \"é\"", int: 3, float: 0.5, bool: True, dict: {}, list: [],
              datetime: "2026-01-02T03:04:05.678000+00:00", date: "2026-01-02"}
    return simple.get(kind, "anything")


def stream_events():
    """Three events of a streamed answer: the pieces of an output."""
    return [{"data": [{"id": "data_1", "index": 0, "output": piece, "model_config_id": "config_1",
                       "finish_reason": None if piece else "stop"}],
             "project_id": "pr_1", "provider_responses": []} for piece in ("Hé", "llo", "")]
