"""Gemini's generateContent to a provider of each format, through the SDK."""

import conftest
import pytest
from google import genai
from google.genai import errors, types


def whole(chat, message):
    return chat.send_message(message)


def streamed(chat, message):
    """The chunks of a stream, as one answer."""
    chunks = list(chat.send_message_stream(message))
    parts = [part for chunk in chunks for part in parts_of(chunk)]
    last = chunks[-1].model_copy(deep=True)
    last.candidates[0].content = types.Content(role="model", parts=parts)
    return last


WAYS = [whole, streamed]


def parts_of(answer):
    content = answer.candidates[0].content if answer.candidates else None
    return (content.parts if content else None) or []


def functions(*names, parameters):
    declared = [
        types.FunctionDeclaration(name=name, description=f"the {name}", parameters_json_schema=parameters)
        for name in names
    ]
    return types.GenerateContentConfig(tools=[types.Tool(function_declarations=declared)])


def calls_of(answer, count):
    calls = answer.function_calls or []
    assert len(calls) == count
    assert all("city" in call.args for call in calls)
    return calls


def results_of(answer, results):
    return [
        types.Part(
            function_response=types.FunctionResponse(id=call.id, name=call.name, response={"result": result})
        )
        for call, result in zip(answer.function_calls, results)
    ]


def check_usage(usage):
    assert usage.prompt_token_count > 0 and usage.candidates_token_count > 0
    parts = [usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count or 0]
    assert usage.total_token_count == sum(parts)


@pytest.mark.parametrize("way", WAYS)
def test_a_question_is_answered(gemini, alias, way):
    config = types.GenerateContentConfig(system_instruction="be short", temperature=0.5)
    answer = way(gemini.chats.create(model=alias, config=config), "hello")
    assert answer.model_version == alias
    assert answer.text
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert answer.candidates[0].content.role == "model"
    check_usage(answer.usage_metadata)


def test_a_stream_says_what_a_whole_answer_says(gemini, alias):
    plain = gemini.models.generate_content(model=alias, contents="same")
    chunks = list(gemini.models.generate_content_stream(model=alias, contents="same"))
    assert {chunk.model_version for chunk in chunks} == {alias}
    assert "".join(chunk.text or "" for chunk in chunks) == plain.text
    finishes = [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates]
    assert [finish for finish in finishes if finish] == [types.FinishReason.STOP]


def test_a_limit_cuts_the_answer(gemini, alias):
    config = types.GenerateContentConfig(max_output_tokens=20)
    for way in WAYS:
        answer = way(gemini.chats.create(model=alias, config=config), "[[sim tokens=50]]")
        assert answer.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS


@pytest.mark.parametrize("way", WAYS)
def test_a_tool_loop_of_several_turns_ends_with_the_results(gemini, alias, way, weather):
    chat = gemini.chats.create(model=alias, config=functions("forecast", parameters=weather))
    for question, result in zip(["weather today?", "and tomorrow?"], conftest.RESULTS):
        answer = way(chat, question)
        assert calls_of(answer, 1)[0].name == "forecast"
        answer = way(chat, results_of(answer, [result]))
        assert answer.candidates[0].finish_reason == types.FinishReason.STOP
        assert result in answer.text


@pytest.mark.parametrize("way", WAYS)
def test_tools_are_called_in_parallel(gemini, alias, way, weather):
    chat = gemini.chats.create(model=alias, config=functions("forecast", "traffic", parameters=weather))
    answer = way(chat, "weather and traffic? [[sim parallel]]")
    assert {call.name for call in calls_of(answer, 2)} == {"forecast", "traffic"}
    answer = way(chat, results_of(answer, conftest.RESULTS))
    assert all(result in answer.text for result in conftest.RESULTS)


def test_words_before_a_call_are_kept(gemini, alias, weather):
    for way in WAYS:
        chat = gemini.chats.create(model=alias, config=functions("forecast", parameters=weather))
        answer = way(chat, "[[sim preamble]]")
        assert any(part.text for part in parts_of(answer))
        calls_of(answer, 1)


def test_the_choice_of_a_tool_is_kept(gemini, alias, weather):
    def answer(mode, *names):
        config = functions("forecast", "traffic", parameters=weather)
        calling = types.FunctionCallingConfig(mode=mode, allowed_function_names=list(names) or None)
        config.tool_config = types.ToolConfig(function_calling_config=calling)
        return gemini.models.generate_content(model=alias, contents="traffic?", config=config)

    assert calls_of(answer("ANY", "traffic"), 1)[0].name == "traffic"
    calls_of(answer("ANY"), 1)
    assert answer("NONE").text


@pytest.mark.parametrize("way", WAYS)
def test_functions_are_called_automatically(gemini, alias, way):
    asked = []

    def forecast(city: str) -> str:
        """The weather of a city."""
        asked.append(city)
        return conftest.RESULTS[0]

    chat = gemini.chats.create(model=alias, config=types.GenerateContentConfig(tools=[forecast]))
    answer = way(chat, "weather?")
    assert asked == ["simulated"]
    assert conftest.RESULTS[0] in "".join(part.text or "" for part in parts_of(answer))


def test_an_answer_is_parsed_into_its_form(gemini, alias):
    for place in ["response_schema", "response_json_schema"]:
        schema = conftest.Trip if place == "response_schema" else conftest.Trip.model_json_schema()
        config = types.GenerateContentConfig(response_mime_type="application/json", **{place: schema})
        answer = gemini.models.generate_content(model=alias, contents="a trip", config=config)
        assert conftest.Trip.model_validate(answer.parsed)


@pytest.mark.parametrize("way", WAYS)
def test_thoughts_come_along_in_a_tool_loop(gemini, alias, way, weather):
    config = functions("forecast", parameters=weather)
    config.thinking_config = types.ThinkingConfig(include_thoughts=True, thinking_budget=1024)
    chat = gemini.chats.create(model=alias, config=config)
    answer = way(chat, "weather?")
    assert conftest.RESULTS[0] in way(chat, results_of(answer, conftest.RESULTS[:1])).text


def test_a_picture_is_accepted(gemini, alias):
    picture = types.Part(inline_data=types.Blob(data=conftest.PICTURE_BYTES, mime_type="image/png"))
    assert gemini.models.generate_content(model=alias, contents=["what is it?", picture]).text


@pytest.mark.parametrize(
    ("status", "expected"), [(400, errors.ClientError), (429, errors.ClientError), (503, errors.ServerError)]
)
def test_a_refusal_is_the_sdks_exception(gemini, alias, status, expected):
    for way in WAYS:
        with pytest.raises(expected) as raised:
            way(gemini.chats.create(model=alias), f"[[sim status={status}]]")
        assert raised.value.message
        assert raised.value.code == (status if status < 500 else 502)


def test_an_error_within_a_stream_is_the_sdks_exception(gemini, alias):
    with pytest.raises(errors.APIError):
        streamed(gemini.chats.create(model=alias), "[[sim tokens=20 error=3]]")


def test_tokens_are_counted(gemini):
    count = gemini.models.count_tokens(model="sim-gemini", contents="hello there")
    assert count.total_tokens > 0


def test_an_unknown_model_is_not_found(gemini):
    for way in WAYS:
        with pytest.raises(errors.APIError) as raised:
            way(gemini.chats.create(model="no-such-model"), "hi")
        assert raised.value.code == 404
        assert raised.value.status == "NOT_FOUND"


def test_a_wrong_key_is_refused():
    options = types.HttpOptions(base_url=conftest.URL)
    with genai.Client(api_key="sk-wrong", http_options=options) as stranger:
        with pytest.raises(errors.ClientError) as raised:
            stranger.models.generate_content(model="sim-gemini", contents="hi")
    assert raised.value.code == 401
