"""Clients of both vendors, pointed at the gateway that run.sh started."""

import os

import anthropic
import openai
import pytest

URL = os.environ["GATEWAY_URL"]
KEY = os.environ["GATEWAY_KEY"]


@pytest.fixture
def chat():
    with openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def claude():
    with anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def weather():
    """A tool's parameters, as both vendors take them."""
    return {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    }
