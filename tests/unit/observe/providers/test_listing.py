"""The list of keys says what uses each one."""

from __future__ import annotations

from llmrack.observe.providers.listing import Key, Listing, text


def test_keys_of_litellms_own_settings_are_apart_from_unused_ones() -> None:
    used = Key("LANGFUSE_SECRET_KEY", "secrets.age", "sk-l...cdef", None)
    unset = Key("REDIS_PASSWORD", None, None, None)
    unused = Key("OLD_KEY", ".env", "********", None)
    login = Key("PROXY_LOGIN", ".env", "********", None)
    assert text(Listing((), (used, unset), (login,), (unused,))) == (
        "used by LiteLLM's own settings\n"
        "  key    LANGFUSE_SECRET_KEY sk-l...cdef from secrets.age\n"
        "  key    REDIS_PASSWORD is not set\n"
        "\n"
        "used by the hosts' proxies\n"
        "  key    PROXY_LOGIN ******** from .env\n"
        "\n"
        "used by no provider\n"
        "  key    OLD_KEY ******** from .env\n"
    )
