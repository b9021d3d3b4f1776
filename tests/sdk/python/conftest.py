"""Clients of the vendors, pointed at the gateway that run.sh started."""

import base64
import os
import struct
import zlib

import anthropic
import openai
import pydantic
import pytest
from google import genai

URL = os.environ["GATEWAY_URL"]
KEY = os.environ["GATEWAY_KEY"]
# The simulated provider in each format that providers speak.
ALIASES = ["sim-openai", "sim-responses", "sim-anthropic", "sim-gemini", "sim-bedrock"]
RESULTS = ["sunny, 21 degrees", "rainy, 9 degrees"]


def png():
    """A picture of one white pixel."""

    def chunk(kind, data):
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0\xff")) + chunk(b"IEND", b"")


PICTURE_BYTES = png()
PICTURE = base64.b64encode(PICTURE_BYTES).decode()


class Trip(pydantic.BaseModel):
    """A form for answers."""

    class Leg(pydantic.BaseModel):
        city: str
        days: int

    name: str
    abroad: bool
    kind: str | None
    legs: list[Leg]
    first: Leg


@pytest.fixture(params=ALIASES)
def alias(request):
    return request.param


@pytest.fixture
def chat():
    with openai.OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def claude():
    with anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=30) as client:
        yield client


@pytest.fixture
def gemini():
    options = genai.types.HttpOptions(base_url=URL, timeout=30_000)
    with genai.Client(api_key=KEY, vertexai=False, http_options=options) as client:
        yield client


@pytest.fixture
def weather():
    """A tool's parameters, as the vendors take them."""
    return {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    }
