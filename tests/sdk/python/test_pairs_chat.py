"""OpenAI's chat completions to a provider of each format, through the SDK."""

import json

import conftest
import openai
import pytest


def say(text):
    return [{"role": "user", "content": text}]


def function(name, parameters):
    return {"type": "function", "function": {"name": name, "description": f"the {name}", "parameters": parameters}}


def whole(chat, **request):
    return chat.chat.completions.create(**request)


def streamed(chat, **request):
    with chat.chat.completions.stream(**request, stream_options={"include_usage": True}) as stream:
        return stream.get_final_completion()


WAYS = [whole, streamed]


def check_usage(usage):
    assert usage.prompt_tokens > 0 and usage.completion_tokens > 0
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def calls_of(answer, count):
    assert answer.choices[0].finish_reason == "tool_calls"
    calls = answer.choices[0].message.tool_calls
    assert len(calls) == len({call.id for call in calls}) == count
    assert all("city" in json.loads(call.function.arguments) for call in calls)
    return calls


def said(answer):
    """The message to send back, without what the SDK has added to it: OpenAI knows no such parameters."""
    added = {"parsed": True, "tool_calls": {"__all__": {"index": True, "function": {"parsed_arguments"}}}}
    return answer.choices[0].message.model_dump(exclude_none=True, exclude=added)


def with_results(messages, answer, results):
    calls = answer.choices[0].message.tool_calls
    told = [{"role": "tool", "tool_call_id": call.id, "content": text} for call, text in zip(calls, results)]
    return [*messages, said(answer), *told]


@pytest.mark.parametrize("way", WAYS)
def test_a_question_is_answered(chat, alias, way):
    answer = way(chat, model=alias, messages=[{"role": "system", "content": "be short"}, *say("hello")])
    assert answer.model == alias and answer.object.startswith("chat.completion")
    assert answer.id and answer.created > 0
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    check_usage(answer.usage)


def test_a_stream_says_what_a_whole_answer_says(chat, alias):
    plain = whole(chat, model=alias, messages=say("same"))
    chunks = list(chat.chat.completions.create(model=alias, messages=say("same"), stream=True))
    assert {(chunk.id, chunk.model) for chunk in chunks} == {(chunks[0].id, alias)}
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == plain.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]


def test_a_limit_cuts_the_answer(chat, alias):
    answer = whole(chat, model=alias, messages=say("[[sim tokens=50]]"), max_completion_tokens=20)
    assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("way", WAYS)
def test_a_tool_loop_of_several_turns_ends_with_the_results(chat, alias, way, weather):
    request = {"model": alias, "tools": [function("forecast", weather)]}
    messages = []
    for question, result in zip(["weather today?", "and tomorrow?"], conftest.RESULTS):
        messages += say(question)
        answer = way(chat, messages=messages, **request)
        assert calls_of(answer, 1)[0].function.name == "forecast"
        messages = with_results(messages, answer, [result])
        answer = way(chat, messages=messages, **request)
        assert answer.choices[0].finish_reason == "stop"
        assert result in answer.choices[0].message.content
        messages.append(said(answer))


@pytest.mark.parametrize("way", WAYS)
def test_tools_are_called_in_parallel(chat, alias, way, weather):
    request = {"model": alias, "tools": [function("forecast", weather), function("traffic", weather)]}
    messages = say("weather and traffic? [[sim parallel]]")
    answer = way(chat, messages=messages, **request)
    assert {call.function.name for call in calls_of(answer, 2)} == {"forecast", "traffic"}
    answer = way(chat, messages=with_results(messages, answer, conftest.RESULTS), **request)
    assert all(result in answer.choices[0].message.content for result in conftest.RESULTS)


def test_words_before_a_call_are_kept(chat, alias, weather):
    for way in WAYS:
        answer = way(chat, model=alias, messages=say("[[sim preamble]]"), tools=[function("forecast", weather)])
        assert answer.choices[0].message.content
        calls_of(answer, 1)


def test_the_choice_of_a_tool_is_kept(chat, alias, weather):
    request = {"model": alias, "messages": say("traffic?")}
    request["tools"] = [function("forecast", weather), function("traffic", weather)]
    named = {"type": "function", "function": {"name": "traffic"}}
    assert calls_of(whole(chat, **request, tool_choice=named), 1)[0].function.name == "traffic"
    assert calls_of(whole(chat, **request, tool_choice="required"), 1)
    assert whole(chat, **request, tool_choice="none").choices[0].finish_reason == "stop"


def test_an_answer_is_parsed_into_its_form(chat, alias):
    answer = chat.chat.completions.parse(model=alias, messages=say("a trip"), response_format=conftest.Trip)
    assert isinstance(answer.choices[0].message.parsed, conftest.Trip)
    with chat.chat.completions.stream(
        model=alias, messages=say("a trip"), response_format=conftest.Trip
    ) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, conftest.Trip)


def test_a_picture_is_accepted(chat, alias):
    picture = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{conftest.PICTURE}"}}
    messages = say([{"type": "text", "text": "what is it?"}, picture])
    assert whole(chat, model=alias, messages=messages).choices[0].message.content


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (503, openai.InternalServerError)],
)
def test_a_refusal_is_the_sdks_exception(chat, alias, status, expected):
    for way in WAYS:
        with pytest.raises(expected) as raised:
            way(chat, model=alias, messages=say(f"[[sim status={status}]]"))
        assert raised.value.message and raised.value.request_id


def test_an_error_within_a_stream_is_the_sdks_exception(chat, alias):
    for fault in ["error=3", "hangup=3"]:
        with pytest.raises(openai.APIError):
            streamed(chat, model=alias, messages=say(f"[[sim tokens=20 {fault}]]"))


def test_an_unknown_model_is_not_found(chat):
    for way in WAYS:
        with pytest.raises(openai.NotFoundError) as raised:
            way(chat, model="no-such-model", messages=say("hi"))
        assert raised.value.type == "model_not_found"
