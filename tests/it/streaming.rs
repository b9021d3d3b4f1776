//! How a stream is delivered: at once, unbroken by odd framing, kept alive in silence, and honest when cut.

use crate::support::caller::Caller;
use crate::support::client::Request;
use crate::support::door::{Door, through_both_http_1_doors, through_every_door, through_every_door_and_tls};
use crate::support::fixtures::*;
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::upstream::{Gate, Script, Upstream};

through_every_door_and_tls! {
    every_event_arrives_before_the_next_is_released,
    a_frame_of_megabytes_passes,
    the_total_time_ends_a_stream_that_never_ends,
}

through_every_door! {
    two_events_in_one_piece_and_one_event_in_two_both_arrive_at_once,
    any_framing_of_the_upstream_gives_the_same_bytes,
    comments_unknown_events_and_odd_frames_pass_untouched,
    silence_is_filled_with_comments,
    a_comment_is_never_put_inside_an_event,
    a_silent_stream_is_ended_with_an_error_after_its_time,
    a_stream_that_keeps_talking_outlives_the_plain_timeout,
    an_error_inside_a_running_stream_passes_and_is_logged,
    a_stream_cut_at_any_byte_is_reported_as_cut,
    streams_run_side_by_side,
    a_stream_ended_by_the_close_of_the_upstream_is_whole_when_its_terminator_came,
    a_stream_ended_by_the_close_of_the_upstream_is_cut_when_its_terminator_never_came,
}

through_both_http_1_doors! { an_http_1_0_caller_reads_a_stream_to_the_close }

fn chat() -> Request {
    Request::post("/v1/chat/completions", CHAT_STREAM_USAGE_REQUEST).bearer(CALLER)
}

fn message() -> Request {
    Request::post("/v1/messages", MESSAGE_STREAM_REQUEST).bearer(CALLER)
}

async fn every_event_arrives_before_the_next_is_released(door: Door) {
    for (request, frames) in [(chat(), CHAT_FRAMES), (message(), MESSAGE_FRAMES)] {
        let gate = Gate::closed();
        let upstream = Upstream::doing(replies::gated_stream(frames, &gate)).await;
        let gateway = door.setup(&upstream).start().await;
        let mut caller = gateway.caller().await;
        caller.open(&request).await;
        for frame in frames {
            assert_eq!(caller.event().await, Some(aliased(frame)));
            gate.step();
        }
        assert_eq!(caller.event().await, None);
    }
}

async fn two_events_in_one_piece_and_one_event_in_two_both_arrive_at_once(door: Door) {
    let gate = Gate::closed();
    let (first, second) = CHAT_FRAMES[2].split_at(60);
    let script = replies::open_stream()
        .send(replies::chunk(format!("{}{}", CHAT_FRAMES[0], CHAT_FRAMES[1]).as_bytes()))
        .wait(&gate)
        .send(replies::chunk(first.as_bytes()))
        .send(replies::chunk(second.as_bytes()))
        .wait(&gate)
        .send(replies::chunk(CHAT_FRAMES[5].as_bytes()))
        .send(replies::LAST_CHUNK);
    let upstream = Upstream::doing(script).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    caller.open(&chat()).await;
    for frame in &CHAT_FRAMES[..2] {
        assert_eq!(caller.event().await, Some(aliased(frame)));
    }
    gate.step();
    assert_eq!(caller.event().await, Some(aliased(CHAT_FRAMES[2])));
    gate.step();
    assert_eq!(caller.event().await.as_deref(), Some(CHAT_FRAMES[5]));
}

async fn any_framing_of_the_upstream_gives_the_same_bytes(door: Door) {
    let upstream = Upstream::queue([]).await;
    let gateway = door.setup(&upstream).start().await;
    for (request, frames) in [(chat(), CHAT_FRAMES), (message(), MESSAGE_FRAMES)] {
        for ending in ["\n", "\r\n"] {
            let text = frames.concat().replace('\n', ending);
            for size in [1, 3, 64, 100_000] {
                let pieces = text.as_bytes().chunks(size).flat_map(replies::chunk);
                let bytes: Vec<u8> = pieces.chain(replies::LAST_CHUNK.iter().copied()).collect();
                upstream.next(replies::open_stream().send(bytes));
                let answer = gateway.ask(&request).await;
                assert_eq!(answer.text(), aliased(&text), "{ending:?} in chunks of {size}");
            }
        }
    }
}

async fn comments_unknown_events_and_odd_frames_pass_untouched(door: Door) {
    let odd = [
        ": comment\n\n",
        "event: brand_new\ndata: {\"x\":[1.50, \"model\"]}\nid: 7\nretry: 10\n\n",
        "data: not json\n\n",
        "data:{\"choices\":[{\"delta\":{\"content\":\"\\\"model\\\":\\\"gpt-real-2026\\\"\"}}]}\n\n",
        "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n",
    ];
    let frames: Vec<&str> = [CHAT_FRAMES[0]].into_iter().chain(odd).chain([CHAT_FRAMES[5]]).collect();
    let upstream = Upstream::doing(replies::stream(&frames)).await;
    let gateway = door.setup(&upstream).start().await;
    let answer = gateway.ask(&chat()).await;
    let expected: String =
        [aliased(frames[0])].into_iter().chain(frames[1..].iter().map(|f| (*f).into())).collect();
    assert_eq!(answer.text(), expected);
}

async fn silence_is_filled_with_comments(door: Door) {
    for (request, frames) in [(chat(), CHAT_FRAMES), (message(), MESSAGE_FRAMES)] {
        let gate = Gate::closed();
        let upstream = Upstream::doing(replies::gated_stream(frames, &gate)).await;
        let gateway = door.setup(&upstream).config("downstream.sse_keepalive_interval_ms", 50).start().await;
        let mut caller = gateway.caller().await;
        caller.open(&request).await;
        assert_eq!(caller.event().await, Some(aliased(frames[0])));
        for _ in 0..3 {
            assert_eq!(caller.event().await.as_deref(), Some(":\n\n"));
        }
        gate.open();
        let events = caller.events().await;
        let rest: Vec<String> = events.into_iter().filter(|event| event != ":\n\n").collect();
        let expected: Vec<String> = frames[1..].iter().map(|frame| aliased(frame)).collect();
        assert_eq!(rest, expected);
    }
}

async fn a_comment_is_never_put_inside_an_event(door: Door) {
    let gate = Gate::closed();
    let (first, second) = CHAT_FRAMES[1].split_at(50);
    let script = replies::open_stream()
        .send(replies::chunk(CHAT_FRAMES[0].as_bytes()))
        .send(replies::chunk(first.as_bytes()))
        .wait(&gate)
        .send(replies::chunk(second.as_bytes()))
        .send(replies::chunk(CHAT_FRAMES[5].as_bytes()))
        .send(replies::LAST_CHUNK);
    let upstream = Upstream::doing(script).await;
    let gateway = door.setup(&upstream).config("downstream.sse_keepalive_interval_ms", 50).start().await;
    let mut caller = gateway.caller().await;
    caller.open(&chat()).await;
    assert_eq!(caller.event().await, Some(aliased(CHAT_FRAMES[0])));
    assert_eq!(caller.event().await.as_deref(), Some(":\n\n"));
    gate.open();
    let events = caller.events().await;
    let rest: Vec<String> = events.into_iter().filter(|event| event != ":\n\n").collect();
    assert_eq!(rest, [aliased(CHAT_FRAMES[1]), CHAT_FRAMES[5].to_owned()]);
}

async fn a_silent_stream_is_ended_with_an_error_after_its_time(door: Door) {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let gateway = door.setup(&upstream).config("upstream.stream_timeout_ms", 300).start().await;
    let mut caller = gateway.caller().await;
    let head = caller.open(&chat()).await;
    let events = caller.events().await;
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[1].starts_with("event: error\ndata: {\"error\":{"), "{}", events[1]);
    assert!(events[1].contains("\"timeout\""), "{}", events[1]);
    upstream.last().gone().await;
    let line = gateway.log.access(head.headers.first("x-aisix-request-id").expect("an id")).await;
    assert_eq!(line.text("error_kind"), "upstream_timeout");
}

async fn a_stream_that_keeps_talking_outlives_the_plain_timeout(door: Door) {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let setup = door.setup(&upstream).config("upstream.timeout_ms", 300);
    let gateway = setup.config("upstream.stream_timeout_ms", 10_000).start().await;
    let mut caller = gateway.caller().await;
    caller.open(&chat()).await;
    for frame in CHAT_FRAMES {
        assert_eq!(caller.event().await, Some(aliased(frame)));
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        gate.step();
    }
    assert_eq!(caller.event().await, None);
}

async fn an_error_inside_a_running_stream_passes_and_is_logged(door: Door) {
    let error = "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\",\"code\":null}}\n\n";
    let upstream = Upstream::doing(replies::stream(&[CHAT_FRAMES[0], CHAT_FRAMES[1], error])).await;
    let gateway = door.setup(&upstream).start().await;
    let answer = gateway.ask(&chat()).await;
    let text = answer.text();
    assert!(text.contains("overloaded") && !text.contains("[DONE]"), "{text}");
    assert_eq!(text.matches("\"error\"").count(), 1, "one error is told once: {text}");
    let line = gateway.log.access(answer.header("x-aisix-request-id").expect("an id")).await;
    assert!(!line.text("error_kind").is_empty(), "{line:?}");
}

/// What a caller saw of a stream cut by the upstream after `cut` bytes, and what the log says about it.
async fn assert_honest(
    gateway: &Gateway,
    upstream: &Upstream,
    frames: &[&str],
    request: &Request,
    cut: usize,
) {
    let whole = frames.concat();
    let sent = &whole.as_bytes()[..cut];
    upstream.next(
        replies::open_stream().send(if sent.is_empty() { vec![] } else { replies::chunk(sent) }).close(),
    );
    let mut caller = gateway.caller().await;
    let head = caller.open(request).await;
    let id = head.headers.first("x-aisix-request-id").expect("an id").to_owned();
    let complete = cut == whole.len();
    let begun = cut >= frames[0].len();
    assert_eq!(head.status, if begun { 200 } else { 502 }, "cut at {cut}");
    if begun {
        let (body, _) = caller.remains().await;
        assert_ending(&String::from_utf8(body).expect("UTF-8"), complete, cut);
    } else {
        caller.rest(&head).await;
    }
    let line = gateway.log.access(&id).await;
    assert_eq!(line.status(), if complete { 200 } else { 502 }, "cut at {cut}");
    assert_eq!(line.text("error_kind").is_empty(), complete, "cut at {cut}: {line:?}");
    let completion = if begun { tokens_until(frames, cut) } else { None };
    assert_eq!(line.number("completion_tokens"), completion, "cut at {cut}");
}

fn assert_ending(text: &str, complete: bool, cut: usize) {
    let terminated = text.contains("[DONE]\n\n") || text.contains("event: message_stop\ndata");
    assert_eq!(terminated, complete, "cut at {cut}: {text}");
    assert_eq!(text.matches("event: error\n").count(), usize::from(!complete), "cut at {cut}: {text}");
    if !complete {
        let last = text.trim_end().rsplit("\n\n").next().expect("an event");
        assert!(last.starts_with("event: error\ndata: {"), "the error is a frame of its own: {text}");
    }
}

/// The completion tokens which the complete frames within the first `cut` bytes report.
fn tokens_until(frames: &[&str], cut: usize) -> Option<u64> {
    let mut end = 0;
    let mut tokens = None;
    for frame in frames {
        end += frame.len();
        if end <= cut {
            let read = |name: &str| frame.split(name).nth(1)?.split(['}', ',']).next()?.parse().ok();
            tokens = read("\"completion_tokens\":").or(read("\"output_tokens\":")).or(tokens);
        }
    }
    tokens
}

async fn a_stream_cut_at_any_byte_is_reported_as_cut(door: Door) {
    for (frames, request) in [(CHAT_FRAMES, chat()), (MESSAGE_FRAMES, message())] {
        let upstream = Upstream::queue([]).await;
        let gateway = door.setup(&upstream).start().await;
        let whole: usize = frames.iter().map(|frame| frame.len()).sum();
        let mut edges = vec![];
        frames.iter().fold(0, |start, frame| {
            edges.extend([start + 1, start + frame.len() - 1, start + frame.len()]);
            start + frame.len()
        });
        let mut cuts: Vec<usize> = (0..whole).step_by(29).chain(edges).collect();
        cuts.sort_unstable();
        cuts.dedup();
        for cut in &cuts {
            assert_honest(&gateway, &upstream, frames, &request, *cut).await;
        }
        assert_eq!(gateway.log.access_so_far().len(), cuts.len(), "one line per request");
    }
}

async fn streams_run_side_by_side(door: Door) {
    let gate = Gate::closed();
    let upstream = Upstream::doing(replies::gated_stream(CHAT_FRAMES, &gate)).await;
    let gateway = door.setup(&upstream).config("proxy.workers", 3).start().await;
    let mut callers: Vec<Caller> = Vec::new();
    for _ in 0..40 {
        let mut caller = gateway.caller().await;
        caller.open(&chat()).await;
        callers.push(caller);
    }
    gate.open();
    let expected: Vec<String> = CHAT_FRAMES.iter().map(|frame| aliased(frame)).collect();
    for mut caller in callers {
        assert_eq!(caller.events().await, expected);
    }
}

async fn an_http_1_0_caller_reads_a_stream_to_the_close(door: Door) {
    let upstream = Upstream::doing(replies::stream(CHAT_FRAMES)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut client = gateway.client().await;
    let request = String::from_utf8(chat().bytes()).expect("ASCII").replacen("HTTP/1.1", "HTTP/1.0", 1);
    client.write(request.as_bytes()).await;
    let head = client.head().await;
    assert_eq!((head.status, head.headers.first("transfer-encoding")), (200, None));
    let body = String::from_utf8(client.remainder().await).expect("UTF-8");
    assert_eq!(body, aliased(&CHAT_FRAMES.concat()));
}

async fn a_stream_ended_by_the_close_of_the_upstream_is_whole_when_its_terminator_came(door: Door) {
    let script = Script::reading()
        .send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        .send(CHAT_FRAMES.concat())
        .close();
    let upstream = Upstream::doing(script).await;
    let gateway = door.setup(&upstream).start().await;
    let answer = gateway.ask(&chat()).await;
    assert_eq!(answer.text(), aliased(&CHAT_FRAMES.concat()));
}

async fn a_stream_ended_by_the_close_of_the_upstream_is_cut_when_its_terminator_never_came(door: Door) {
    let script = Script::reading()
        .send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        .send(CHAT_FRAMES[..4].concat())
        .close();
    let upstream = Upstream::doing(script).await;
    let gateway = door.setup(&upstream).start().await;
    let text = gateway.ask(&chat()).await.text();
    assert!(text.contains("event: error\n") && !text.contains("[DONE]"), "{text}");
}

async fn a_frame_of_megabytes_passes(door: Door) {
    let large = CHAT_FRAMES[1].replace("Grüße", &"ü".repeat(1 << 20));
    let upstream = Upstream::doing(replies::stream(&[CHAT_FRAMES[0], &large, CHAT_FRAMES[5]])).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    caller.open(&chat()).await;
    let (body, ended) = caller.remains().await;
    assert!(ended);
    let expected = [&aliased(CHAT_FRAMES[0]), &aliased(&large), CHAT_FRAMES[5]].concat();
    assert!(body == expected.as_bytes(), "{} bytes of {}", body.len(), expected.len());
}

async fn the_total_time_ends_a_stream_that_never_ends(door: Door) {
    let upstream = Upstream::doing(replies::open_stream().flood(usize::MAX)).await;
    let gateway = door.setup(&upstream).config("upstream.total_timeout_ms", 500).start().await;
    let mut caller = gateway.caller().await;
    caller.open(&chat()).await;
    let (body, _) = caller.remains().await;
    let tail = String::from_utf8_lossy(&body[body.len().saturating_sub(300)..]).into_owned();
    assert!(tail.contains("event: error\n") && tail.contains("\"timeout\""), "{tail}");
    upstream.last().gone().await;
}
