"""The Anthropic SDK, unmodified."""

import anthropic
import conftest
import pytest

MODEL = "sim-anthropic"


def say(text):
    return [{"role": "user", "content": text}]


def test_a_plain_answer_has_text_and_usage(claude):
    answer = claude.messages.create(model=MODEL, max_tokens=100, messages=say("hello"))
    assert answer.model == MODEL
    assert answer.content[0].text
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
    assert answer._request_id


def test_a_stream_gives_the_same_text_as_a_plain_answer(claude):
    plain = claude.messages.create(model=MODEL, max_tokens=100, messages=say("same"))
    with claude.messages.stream(model=MODEL, max_tokens=100, messages=say("same")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == plain.content[0].text
    assert final.model == MODEL
    assert final.usage.output_tokens == plain.usage.output_tokens
    assert final.stop_reason == "end_turn"


def test_events_come_in_the_order_of_the_protocol(claude):
    stream = claude.messages.create(model=MODEL, max_tokens=100, messages=say("hi"), stream=True)
    kinds = [event.type for event in stream if event.type != "ping"]
    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert kinds.count("content_block_start") == kinds.count("content_block_stop")


def test_a_tool_loop_closes(claude, weather):
    tools = [{"name": "forecast", "description": "weather", "input_schema": weather}]
    messages = say("what is the weather?")
    first = claude.messages.create(model=MODEL, max_tokens=200, messages=messages, tools=tools)
    assert first.stop_reason == "tool_use"
    call = next(block for block in first.content if block.type == "tool_use")
    assert call.name == "forecast" and "city" in call.input
    messages.append({"role": "assistant", "content": first.content})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny, 21 degrees"}
    messages.append({"role": "user", "content": [result]})
    second = claude.messages.create(model=MODEL, max_tokens=200, messages=messages, tools=tools)
    assert second.stop_reason == "end_turn"
    assert "sunny" in second.content[0].text


def test_tool_input_arrives_in_pieces_of_one_json(claude, weather):
    tools = [{"name": "forecast", "input_schema": weather}]
    with claude.messages.stream(model=MODEL, max_tokens=200, messages=say("weather?"), tools=tools) as stream:
        final = stream.get_final_message()
    call = next(block for block in final.content if block.type == "tool_use")
    assert call.name == "forecast" and "city" in call.input


def test_tokens_are_counted(claude):
    short = claude.messages.count_tokens(model=MODEL, messages=say("hi"))
    long = claude.messages.count_tokens(model=MODEL, messages=say("hi " * 100))
    assert 0 < short.input_tokens < long.input_tokens


def test_the_models_are_listed_page_by_page(claude):
    models = list(claude.models.list(limit=100))
    assert {"sim-openai", "sim-anthropic"} <= {model.id for model in models}
    assert all(model.display_name and model.created_at for model in models)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, anthropic.BadRequestError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (409, anthropic.ConflictError),
        (422, anthropic.UnprocessableEntityError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.InternalServerError),
    ],
)
def test_upstream_errors_are_the_sdks_exceptions(claude, status, expected):
    with pytest.raises(expected) as raised:
        claude.messages.create(model=MODEL, max_tokens=9, messages=say(f"[[sim status={status}]]"))
    assert raised.value.status_code == (status if status < 500 else 502)
    assert raised.value.request_id


def test_a_stream_that_breaks_raises(claude):
    with pytest.raises(anthropic.APIError):
        with claude.messages.stream(
            model=MODEL, max_tokens=99, messages=say("[[sim tokens=20 hangup=5]]")
        ) as stream:
            stream.get_final_message()


def test_the_gateways_own_errors_are_the_sdks_exceptions(claude):
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="sk-wrong").models.list()
    with pytest.raises(anthropic.NotFoundError) as raised:
        claude.messages.create(model="no-such-model", max_tokens=9, messages=say("hi"))
    assert raised.value.body["error"]["type"] == "not_found_error"
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(model=MODEL, max_tokens=9, messages=[])


def test_the_bearer_of_an_auth_token_is_accepted():
    with anthropic.Anthropic(base_url=conftest.URL, api_key=None, auth_token=conftest.KEY, max_retries=0) as client:
        assert client.messages.create(model=MODEL, max_tokens=9, messages=say("hi")).content


def test_a_stream_left_in_the_middle_does_no_harm(claude):
    stream = claude.messages.create(
        model=MODEL, max_tokens=400, messages=say("[[sim tokens=200 tps=50]]"), stream=True
    )
    next(iter(stream))
    stream.close()
    assert claude.messages.create(model=MODEL, max_tokens=9, messages=say("next")).content
