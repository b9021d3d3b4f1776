"""OpenAI's Responses to a provider of each format, through the SDK."""

import json

import conftest
import openai
import pytest


def function(name, parameters):
    return {"type": "function", "name": name, "description": f"the {name}", "parameters": parameters, "strict": False}


def whole(chat, **request):
    return chat.responses.create(**request)


def streamed(chat, **request):
    with chat.responses.stream(**request) as stream:
        return stream.get_final_response()


WAYS = [whole, streamed]


def calls_of(answer, count):
    calls = [item for item in answer.output if item.type == "function_call"]
    assert len(calls) == len({call.call_id for call in calls}) == count
    assert all("city" in json.loads(call.arguments) for call in calls)
    return calls


def results_of(answer, results):
    calls = [item for item in answer.output if item.type == "function_call"]
    return [
        {"type": "function_call_output", "call_id": call.call_id, "output": text}
        for call, text in zip(calls, results)
    ]


def say(text):
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("way", WAYS)
def test_a_question_is_answered(chat, alias, way):
    answer = way(chat, model=alias, instructions="be short", input="hello")
    assert answer.model == alias and answer.object == "response"
    assert answer.id.startswith("resp_") and answer.created_at > 0
    assert answer.status == "completed"
    assert answer.output_text
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_a_stream_says_what_a_whole_answer_says(chat, alias):
    plain = whole(chat, model=alias, input="same")
    events = list(chat.responses.create(model=alias, input="same", stream=True))
    kinds = [event.type for event in events]
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == plain.output_text == events[-1].response.output_text


def test_a_limit_cuts_the_answer(chat, alias):
    request = {"model": alias, "input": "[[sim tokens=50]]", "max_output_tokens": 20}
    last = list(chat.responses.create(**request, stream=True))[-1]
    assert last.type == "response.incomplete"
    for answer in [last.response, whole(chat, **request)]:
        assert answer.status == "incomplete"
        assert answer.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("way", WAYS)
def test_a_tool_loop_of_several_turns_ends_with_the_results(chat, alias, way, weather):
    request = {"model": alias, "tools": [function("forecast", weather)]}
    items = []
    for question, result in zip(["weather today?", "and tomorrow?"], conftest.RESULTS):
        items += say(question)
        answer = way(chat, input=items, **request)
        assert calls_of(answer, 1)[0].name == "forecast"
        items += [*answer.output, *results_of(answer, [result])]
        answer = way(chat, input=items, **request)
        assert result in answer.output_text
        items += answer.output


@pytest.mark.parametrize("way", WAYS)
def test_tools_are_called_in_parallel(chat, alias, way, weather):
    request = {"model": alias, "tools": [function("forecast", weather), function("traffic", weather)]}
    items = say("weather and traffic? [[sim parallel]]")
    answer = way(chat, input=items, **request)
    assert {call.name for call in calls_of(answer, 2)} == {"forecast", "traffic"}
    items += [*answer.output, *results_of(answer, conftest.RESULTS)]
    answer = way(chat, input=items, **request)
    assert all(result in answer.output_text for result in conftest.RESULTS)


@pytest.mark.parametrize("way", WAYS)
def test_a_response_goes_on_from_a_previous_one(chat, alias, way, weather):
    request = {"model": alias, "tools": [function("forecast", weather)]}
    answer = way(chat, input="weather today?", **request)
    for result in conftest.RESULTS:
        calls_of(answer, 1)
        items = results_of(answer, [result])
        answer = way(chat, input=items, previous_response_id=answer.id, **request)
        assert result in answer.output_text
        answer = way(chat, input="and tomorrow?", previous_response_id=answer.id, **request)
    assert answer.previous_response_id


def test_an_unknown_previous_response_is_not_found(chat, alias):
    for way in WAYS:
        with pytest.raises(openai.BadRequestError) as raised:
            way(chat, model=alias, input="hi", previous_response_id="resp_0000000000000000000000000000000000")
        assert raised.value.code == "previous_response_not_found"
        assert raised.value.param == "previous_response_id"


def test_what_was_not_stored_cannot_be_gone_on_from(chat, alias):
    answer = whole(chat, model=alias, input="hello", store=False)
    with pytest.raises(openai.BadRequestError) as raised:
        whole(chat, model=alias, input="hi", previous_response_id=answer.id)
    assert raised.value.code == "previous_response_not_found"


def test_an_answer_is_parsed_into_its_form(chat, alias):
    answer = chat.responses.parse(model=alias, input="a trip", text_format=conftest.Trip)
    assert isinstance(answer.output_parsed, conftest.Trip)
    with chat.responses.stream(model=alias, input="a trip", text_format=conftest.Trip) as stream:
        assert isinstance(stream.get_final_response().output_parsed, conftest.Trip)


def test_a_picture_is_accepted(chat, alias):
    picture = {"type": "input_image", "detail": "auto", "image_url": f"data:image/png;base64,{conftest.PICTURE}"}
    items = say([{"type": "input_text", "text": "what is it?"}, picture])
    assert whole(chat, model=alias, input=items).output_text


@pytest.mark.parametrize("way", WAYS)
def test_reasoning_comes_along_in_a_tool_loop(chat, alias, way, weather):
    request = {"model": alias, "tools": [function("forecast", weather)], "reasoning": {"effort": "low"}}
    request |= {"store": False, "include": ["reasoning.encrypted_content"]}
    items = say("weather?")
    answer = way(chat, input=items, **request)
    items += [*answer.output, *results_of(answer, conftest.RESULTS[:1])]
    answer = way(chat, input=items, **request)
    assert conftest.RESULTS[0] in answer.output_text


@pytest.mark.parametrize(
    ("status", "expected"),
    [(400, openai.BadRequestError), (429, openai.RateLimitError), (503, openai.InternalServerError)],
)
def test_a_refusal_is_the_sdks_exception(chat, alias, status, expected):
    for way in WAYS:
        with pytest.raises(expected) as raised:
            way(chat, model=alias, input=f"[[sim status={status}]]")
        assert raised.value.message and raised.value.request_id


def test_an_error_within_a_stream_is_no_completed_response(chat, alias):
    # An answer that failed can be an event of its own, and no exception.
    try:
        stream = chat.responses.create(model=alias, input="[[sim tokens=20 error=3]]", stream=True)
        assert [event.type for event in stream][-1] == "response.failed"
    except openai.APIError as error:
        assert error.message


def test_an_unknown_model_is_not_found(chat):
    for way in WAYS:
        with pytest.raises(openai.NotFoundError) as raised:
            way(chat, model="no-such-model", input="hi")
        assert raised.value.type == "model_not_found"
