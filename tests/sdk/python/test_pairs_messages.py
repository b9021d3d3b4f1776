"""Anthropic's messages to a provider of each format, through the SDK."""

import anthropic
import conftest
import pytest


def say(text):
    return [{"role": "user", "content": text}]


def tool(name, parameters):
    return {"name": name, "description": f"the {name}", "input_schema": parameters}


def whole(claude, max_tokens=300, **request):
    return claude.messages.create(max_tokens=max_tokens, **request)


def streamed(claude, max_tokens=300, **request):
    with claude.messages.stream(max_tokens=max_tokens, **request) as stream:
        return stream.get_final_message()


WAYS = [whole, streamed]


def text_of(answer):
    return "".join(block.text for block in answer.content if block.type == "text")


def calls_of(answer, count):
    assert answer.stop_reason == "tool_use"
    calls = [block for block in answer.content if block.type == "tool_use"]
    assert len(calls) == len({call.id for call in calls}) == count
    assert all("city" in call.input for call in calls)
    return calls


def with_results(messages, answer, results):
    calls = [block for block in answer.content if block.type == "tool_use"]
    told = [{"type": "tool_result", "tool_use_id": call.id, "content": text} for call, text in zip(calls, results)]
    return [*messages, {"role": "assistant", "content": answer.content}, {"role": "user", "content": told}]


@pytest.mark.parametrize("way", WAYS)
def test_a_question_is_answered(claude, alias, way):
    answer = way(claude, model=alias, system="be short", messages=say("hello"))
    assert answer.model == alias and answer.role == "assistant" and answer.type == "message"
    assert answer.id
    assert text_of(answer)
    assert answer.stop_reason == "end_turn"
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0


def test_a_stream_says_what_a_whole_answer_says(claude, alias):
    plain = whole(claude, model=alias, messages=say("same"))
    with claude.messages.stream(model=alias, max_tokens=300, messages=say("same")) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == text_of(plain) == text_of(final)
    assert final.usage.output_tokens == plain.usage.output_tokens


def test_events_come_in_the_order_of_the_protocol(claude, alias):
    stream = claude.messages.create(model=alias, max_tokens=99, messages=say("hi"), stream=True)
    kinds = [event.type for event in stream if event.type not in ("ping", "content_block_delta")]
    block = ["content_block_start", "content_block_stop"]
    assert kinds == ["message_start", *block, "message_delta", "message_stop"]


def test_a_limit_cuts_the_answer(claude, alias):
    for way in WAYS:
        assert way(claude, model=alias, messages=say("[[sim tokens=50]]"), max_tokens=20).stop_reason == "max_tokens"


@pytest.mark.parametrize("way", WAYS)
def test_a_tool_loop_of_several_turns_ends_with_the_results(claude, alias, way, weather):
    request = {"model": alias, "tools": [tool("forecast", weather)]}
    messages = []
    for question, result in zip(["weather today?", "and tomorrow?"], conftest.RESULTS):
        messages += say(question)
        answer = way(claude, messages=messages, **request)
        assert calls_of(answer, 1)[0].name == "forecast"
        messages = with_results(messages, answer, [result])
        answer = way(claude, messages=messages, **request)
        assert answer.stop_reason == "end_turn"
        assert result in text_of(answer)
        messages.append({"role": "assistant", "content": answer.content})


@pytest.mark.parametrize("way", WAYS)
def test_tools_are_called_in_parallel(claude, alias, way, weather):
    request = {"model": alias, "tools": [tool("forecast", weather), tool("traffic", weather)]}
    messages = say("weather and traffic? [[sim parallel]]")
    answer = way(claude, messages=messages, **request)
    assert {call.name for call in calls_of(answer, 2)} == {"forecast", "traffic"}
    answer = way(claude, messages=with_results(messages, answer, conftest.RESULTS), **request)
    assert all(result in text_of(answer) for result in conftest.RESULTS)


def test_words_before_a_call_are_kept(claude, alias, weather):
    for way in WAYS:
        answer = way(claude, model=alias, messages=say("[[sim preamble]]"), tools=[tool("forecast", weather)])
        assert [block.type for block in answer.content] == ["text", "tool_use"]


def test_the_choice_of_a_tool_is_kept(claude, alias, weather):
    request = {"model": alias, "messages": say("traffic?")}
    request["tools"] = [tool("forecast", weather), tool("traffic", weather)]
    named = {"type": "tool", "name": "traffic"}
    assert calls_of(whole(claude, **request, tool_choice=named), 1)[0].name == "traffic"
    assert calls_of(whole(claude, **request, tool_choice={"type": "any"}), 1)
    assert whole(claude, **request, tool_choice={"type": "none"}).stop_reason == "end_turn"


def test_the_runner_runs_the_tools(claude, alias):
    asked = []

    @anthropic.beta_tool
    def forecast(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return conftest.RESULTS[0]

    runner = claude.beta.messages.tool_runner(
        model=alias, max_tokens=300, messages=say("weather?"), tools=[forecast]
    )
    assert conftest.RESULTS[0] in text_of(runner.until_done())
    assert asked == ["simulated"]


def test_an_answer_is_parsed_into_its_form(claude, alias):
    request = {"model": alias, "max_tokens": 300, "messages": say("a trip"), "output_format": conftest.Trip}
    assert isinstance(claude.messages.parse(**request).parsed_output, conftest.Trip)
    with claude.messages.stream(**request) as stream:
        assert isinstance(stream.get_final_message().parsed_output, conftest.Trip)


@pytest.mark.parametrize("way", WAYS)
def test_thinking_comes_along_in_a_tool_loop(claude, alias, way, weather):
    request = {"model": alias, "tools": [tool("forecast", weather)], "max_tokens": 2000}
    request["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    messages = say("weather?")
    answer = way(claude, messages=messages, **request)
    answer = way(claude, messages=with_results(messages, answer, conftest.RESULTS[:1]), **request)
    assert conftest.RESULTS[0] in text_of(answer)


def test_a_picture_is_accepted(claude, alias):
    source = {"type": "base64", "media_type": "image/png", "data": conftest.PICTURE}
    messages = say([{"type": "image", "source": source}, {"type": "text", "text": "what is it?"}])
    assert text_of(whole(claude, model=alias, messages=messages))


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, anthropic.BadRequestError), (429, anthropic.RateLimitError), (503, anthropic.InternalServerError)],
)
def test_a_refusal_is_the_sdks_exception(claude, alias, status, expected):
    for way in WAYS:
        with pytest.raises(expected) as raised:
            way(claude, model=alias, messages=say(f"[[sim status={status}]]"))
        assert raised.value.body["error"]["message"] and raised.value.request_id


def test_an_error_within_a_stream_is_the_sdks_exception(claude, alias):
    for fault in ["error=3", "hangup=3"]:
        with pytest.raises(anthropic.APIError):
            streamed(claude, model=alias, messages=say(f"[[sim tokens=20 {fault}]]"))


def test_an_unknown_model_is_not_found(claude):
    for way in WAYS:
        with pytest.raises(anthropic.NotFoundError) as raised:
            way(claude, model="no-such-model", messages=say("hi"))
        assert raised.value.body["error"]["type"] == "not_found_error"
