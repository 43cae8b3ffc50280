"""``litellm`` in ``stack.yaml``: LiteLLM's own settings, which are laid over llmrack's.

Names are those of LiteLLM's config.yaml. This module lists the names that a stack cannot have,
because they would undo what llmrack promises, and finds references to secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llmrack.problems import CauseAndWayOut

Sections = dict[str, Any]
# A key path in ``stack.yaml``, as Declaration.lines has it.
Path = tuple[str, ...]

REFERENCE = "os.environ/"
_NAME = re.compile(re.escape(REFERENCE) + r"(.*)", re.DOTALL)
# Sections that are mappings of settings.
MAPPINGS = (
    "litellm_settings",
    "general_settings",
    "router_settings",
    "environment_variables",
    "callback_settings",
    "mcp_servers",
)
# Settings of ``litellm_settings`` that are lists of callbacks.
CALLBACKS = (
    "callbacks",
    "success_callback",
    "failure_callback",
    "service_callback",
    "audit_log_callbacks",
)
# The list of pass-through endpoints.
ENDPOINTS = ("general_settings", "pass_through_endpoints")

_KEYS = "would change who may ask the gateway", "declare clients under 'keys'"
_DATABASE = (
    "would make LiteLLM use a database, for keys and models that are declared nowhere",
    "declare keys and models in this file",
)
_ROUTES = (
    "would change who answers, which llmrack decides",
    "use the keys of providers and models in this file (docs/routing.md)",
)
_HEALTH = (
    "would ask every model by itself, paid ones too; the gateway watches providers already",
    "use health_check of a provider",
)
_STORE = "would read secrets from another store", "keep them as docs/secrets.md says"
_UPSTREAM = (
    "would change what all providers are sent",
    "use the keys of the provider in this file",
)
_PROXY = (
    "would send what goes to our own hosts through a proxy, too",
    "use the settings proxy and no_proxy in group_data",
)
_LOGGED = "would print what clients say", "leave it out"
# Every setting that leads to LiteLLM's get_instance_fn, or to importlib or exec; the probe
# python_modules_come_from_known_settings of tests/contract counts the places.
MODULE = (
    "names a Python module, and a gateway has only its own programs",
    "use one of LiteLLM's own integrations",
)
PROGRAM = "has a program in it, and a gateway has only its own programs", MODULE[1]
_SET = "is set by llmrack itself", "leave it out"


def _same(reason: CauseAndWayOut, names: str) -> dict[str, CauseAndWayOut]:
    return dict.fromkeys(names.split(), reason)


# By section, the settings that a stack cannot have, with the cause and the way out.
REFUSED: Mapping[str, Mapping[str, CauseAndWayOut]] = {
    "litellm_settings": {
        **_same(
            _SET,
            "expose_router_debug_in_errors drop_params json_logs require_auth_for_metrics_endpoint "
            "prometheus_metrics_config prometheus_metrics_max_series_per_metric "
            "use_chat_completions_url_for_anthropic_messages",
        ),
        **_same(
            _ROUTES,
            "fallbacks default_fallbacks context_window_fallbacks content_policy_fallbacks "
            "model_fallbacks longer_context_model_fallback_dict max_fallbacks num_retries "
            "num_retries_per_request retry request_timeout allowed_fails "
            "model_alias_map model_list use_litellm_proxy network_mock disable_aiohttp_transport "
            "use_aiohttp_transport enable_loadbalancing_on_batch_endpoints",
        ),
        **_same(_UPSTREAM, "api_base api_key api_version headers ssl_verify model_group_settings"),
        **_same(_LOGGED, "set_verbose log_raw_request_response log_level"),
        "global_disable_no_log_param": (
            "would log the gateway's own requests as clients'",
            "leave it out",
        ),
        "config_path": ("would read settings from another file", "write them here"),
        **_same(MODULE, "custom_provider_map pre_call_rules post_call_rules"),
        "guardrails": (
            "has an old form, which may name Python modules",
            "use the section guardrails",
        ),
    },
    "general_settings": {
        "master_key": (
            "is set by llmrack itself",
            "run llmrack secrets rotate LITELLM_MASTER_KEY to change it",
        ),
        **_same(
            _KEYS,
            "custom_auth custom_auth_run_common_checks custom_sso custom_ui_sso_sign_in_handler "
            "enable_jwt_auth litellm_jwtauth enable_oauth2_auth enable_oauth2_proxy_auth "
            "oauth2_config_mappings allow_user_auth public_routes allowed_routes "
            "litellm_key_header_name dangerously_permit_weak_or_unset_master_key "
            "allow_requests_on_db_unavailable custom_key_generate custom_key_update "
            "custom_key_policy custom_team_metadata_validate role_permissions",
        ),
        **_same(
            _DATABASE,
            "database_url database_type database_args database_connect_timeout "
            "database_connection_pool_limit database_connection_pool_timeout "
            "database_connection_timeout database_disable_prepared_statements "
            "database_extra_connection_params database_max_idle_connection_lifetime "
            "database_socket_timeout store_model_in_db store_prompts_in_spend_logs "
            "supported_db_objects proxy_config_reload_interval_seconds",
        ),
        **_same(
            _ROUTES,
            "completion_model infer_model_from_keys model_list_healthy_only "
            "enforce_fallback_model_access expose_fallback_errors_to_caller "
            "use_team_public_model_name",
        ),
        **_same(
            _HEALTH,
            "background_health_checks background_health_check_model_groups "
            "enable_health_check_routing health_check_concurrency health_check_details "
            "health_check_ignore_transient_errors health_check_interval "
            "health_check_skip_disabled_background_models health_check_staleness_threshold "
            "use_shared_health_check",
        ),
        **_same(
            _UPSTREAM,
            "allow_client_side_credentials forward_client_headers_to_llm_api "
            "forward_llm_provider_auth_headers forward_openai_org_id",
        ),
        **_same(
            _STORE,
            "key_management_system key_management_settings use_google_kms use_azure_key_vault",
        ),
        "plugins": MODULE,
    },
}
# Router settings that leave it to llmrack who answers; it refuses all others.
ROUTER_SETTINGS = (
    "alerting_config",
    "assistants_config",
    "cache_kwargs",
    "cache_responses",
    "caching_groups",
    "client_ttl",
    "default_priority",
    "guardrail_list",
    "polling_interval",
    "provider_budget_config",
    "redis_db",
    "redis_host",
    "redis_password",
    "redis_port",
    "redis_url",
    "search_tools",
)
NOT_OF_ROUTER = _ROUTES
# Sections that a stack cannot have.
REFUSED_SECTIONS: Mapping[str, CauseAndWayOut] = {
    "model_list": (
        "would serve models that nothing else knows of",
        "declare them under 'providers' and 'models'",
    ),
    "include": ("would read settings from another file", "write them here"),
    "mcp_tools": (
        "names Python modules, and a gateway has only its own programs",
        "run the tools as an MCP server, and declare that under mcp_servers",
    ),
}
# Variables that a stack cannot set; names are compared in capitals.
_VARIABLES: Mapping[str, CauseAndWayOut] = {
    **_same(
        _SET,
        "LITELLM_MASTER_KEY LITELLM_MODE LITELLM_OFFLINE_MODE LITELLM_LOCAL_MODEL_COST_MAP "
        "OLLAMA_API_BASE OLLAMA_API_KEY GRACEFUL_SHUTDOWN_TIMEOUT SSL_CERT_FILE CONFIG_FILE_PATH "
        "REQUESTS_CA_BUNDLE "
        "NUM_WORKERS LITELLM_SALT_KEY CREDENTIALS_DIRECTORY NOTIFY_SOCKET JSON_LOGS "
        "LITELLM_USE_CHAT_COMPLETIONS_URL_FOR_ANTHROPIC_MESSAGES",
    ),
    **_same(
        _DATABASE,
        "DATABASE_URL DIRECT_URL DATABASE_URL_READ_REPLICA STORE_MODEL_IN_DB "
        "STORE_PROMPTS_IN_SPEND_LOGS",
    ),
    **_same(_ROUTES, "USE_LITELLM_PROXY DISABLE_AIOHTTP_TRANSPORT REQUEST_TIMEOUT"),
    # OpenAI's SDK sends its variables to every server that is asked in OpenAI's form.
    **_same(
        _UPSTREAM,
        "SSL_VERIFY SSL_CERTIFICATE SSL_SECURITY_LEVEL OPENAI_CUSTOM_HEADERS OPENAI_ORG_ID "
        "OPENAI_ORGANIZATION OPENAI_PROJECT_ID",
    ),
    **_same(_PROXY, "HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY"),
    **_same(_LOGGED, "LITELLM_LOG LITELLM_DISABLE_REDACT_SECRETS DETAILED_DEBUG"),
    # LiteLLM ignores these in its configuration (_BLOCKED_ENV_KEYS, 1.106.12).
    **_same(
        ("is ignored by LiteLLM", "leave it out"),
        "PATH LD_PRELOAD LD_LIBRARY_PATH DYLD_LIBRARY_PATH DYLD_INSERT_LIBRARIES PYTHONPATH "
        "PYTHONSTARTUP PYTHONHOME HOME USER SHELL LOGNAME LITELLM_ENABLE_MCP_STDIO",
    ),
    "LITELLM_WORKER_STARTUP_HOOKS": MODULE,
}
_PREFIXES: Mapping[str, CauseAndWayOut] = {
    "LLMRACK_": _SET,
    "LISTEN_": _SET,
    "WATCHDOG_": _SET,
    "LITELLM_CONFIG_BUCKET_": ("would read settings from elsewhere", "write them here"),
}


def refused_variable(name: str) -> CauseAndWayOut | None:
    """Why a stack cannot set an environment variable of the gateway; None if it can."""
    name = name.upper()
    prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
    return _VARIABLES.get(name) or _PREFIXES.get(prefix)


def values(sections: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every value that is no mapping and no list, with its path below ``path``."""
    inside: Iterable[tuple[object, object]]
    if isinstance(sections, dict):
        inside = sections.items()
    elif isinstance(sections, list):
        inside = enumerate(sections)
    else:
        yield path, sections
        return
    for key, value in inside:
        yield from values(value, (*path, str(key)))


def named_secret(value: object) -> str | None:
    """The name of the secret that LiteLLM puts in place of a value, or of its end; else None."""
    match = _NAME.search(value) if isinstance(value, str) else None
    return match[1] if match else None


def secrets_of(sections: Sections) -> list[str]:
    """Names of the secrets that ``sections`` refers to, sorted."""
    return sorted({name for _, value in values(sections) if (name := named_secret(value))})
