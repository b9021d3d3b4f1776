"""The OpenAI SDK, unmodified."""

import asyncio
import json

import conftest
import openai
import pytest

MODEL = "sim-openai"


def say(text):
    return [{"role": "user", "content": text}]


def test_a_plain_answer_has_text_and_usage(chat):
    answer = chat.chat.completions.create(model=MODEL, messages=say("hello"))
    assert answer.model == MODEL
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id


def test_a_stream_gives_the_same_text_as_a_plain_answer(chat):
    plain = chat.chat.completions.create(model=MODEL, messages=say("same"))
    stream = chat.chat.completions.create(model=MODEL, messages=say("same"), stream=True)
    chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == plain.choices[0].message.content
    assert {chunk.model for chunk in chunks} == {MODEL}
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks), "the usage chunk is hidden from who did not ask"


def test_usage_of_a_stream_comes_when_asked_for(chat):
    options = {"include_usage": True}
    stream = chat.chat.completions.create(model=MODEL, messages=say("hi"), stream=True, stream_options=options)
    last = list(stream)[-1]
    assert last.choices == []
    assert last.usage.completion_tokens > 0


def test_a_tool_loop_closes(chat, weather):
    tools = [{"type": "function", "function": {"name": "forecast", "parameters": weather}}]
    messages = say("what is the weather?")
    first = chat.chat.completions.create(model=MODEL, messages=messages, tools=tools)
    assert first.choices[0].finish_reason == "tool_calls"
    call = first.choices[0].message.tool_calls[0]
    assert call.function.name == "forecast"
    assert "city" in json.loads(call.function.arguments)
    messages.append(first.choices[0].message)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny, 21 degrees"})
    second = chat.chat.completions.create(model=MODEL, messages=messages, tools=tools)
    assert second.choices[0].finish_reason == "stop"
    assert "sunny" in second.choices[0].message.content


def test_tool_arguments_arrive_in_pieces_of_one_json(chat, weather):
    tools = [{"type": "function", "function": {"name": "forecast", "parameters": weather}}]
    stream = chat.chat.completions.create(model=MODEL, messages=say("weather?"), tools=tools, stream=True)
    arguments = ""
    names = []
    for chunk in stream:
        for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            names += [call.function.name] if call.function.name else []
            arguments += call.function.arguments or ""
    assert names == ["forecast"]
    assert "city" in json.loads(arguments)


def test_the_models_are_listed(chat):
    assert {"sim-openai", "sim-anthropic"} <= {model.id for model in chat.models.list()}


def test_the_sdk_accumulates_the_stream(chat):
    with chat.chat.completions.stream(model=MODEL, messages=say("hi")) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content
    assert final.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, openai.BadRequestError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (503, openai.InternalServerError),
    ],
)
def test_upstream_errors_are_the_sdks_exceptions(chat, status, expected):
    with pytest.raises(expected) as raised:
        chat.chat.completions.create(model=MODEL, messages=say(f"[[sim status={status}]]"))
    assert raised.value.status_code == (status if status < 500 else 502)
    assert raised.value.request_id


def test_a_stream_that_is_refused_raises_before_the_first_chunk(chat):
    with pytest.raises(openai.RateLimitError):
        chat.chat.completions.create(model=MODEL, messages=say("[[sim status=429]]"), stream=True)


def test_a_stream_that_breaks_raises(chat):
    stream = chat.chat.completions.create(
        model=MODEL, messages=say("[[sim tokens=20 hangup=5]]"), stream=True
    )
    with pytest.raises(openai.APIError):
        list(stream)


def test_the_gateways_own_errors_are_the_sdks_exceptions(chat):
    with pytest.raises(openai.AuthenticationError):
        chat.with_options(api_key="sk-wrong").models.list()
    with pytest.raises(openai.NotFoundError) as raised:
        chat.chat.completions.create(model="no-such-model", messages=say("hi"))
    assert raised.value.type == "model_not_found"
    with pytest.raises(openai.BadRequestError):
        chat.chat.completions.create(model=MODEL, messages=[])


def test_a_stream_left_in_the_middle_does_no_harm(chat):
    stream = chat.chat.completions.create(
        model=MODEL, messages=say("[[sim tokens=200 tps=50]]"), stream=True
    )
    next(iter(stream))
    stream.close()
    assert chat.chat.completions.create(model=MODEL, messages=say("next")).choices


def test_many_calls_at_once_all_succeed():
    async def calls():
        async with openai.AsyncOpenAI(base_url=f"{conftest.URL}/v1", api_key=conftest.KEY, max_retries=0) as client:
            create = client.chat.completions.create
            return await asyncio.gather(*(create(model=MODEL, messages=say(f"call {n}")) for n in range(30)))

    assert all(answer.choices[0].message.content for answer in asyncio.run(calls()))
