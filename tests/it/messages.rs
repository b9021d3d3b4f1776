//! Anthropic Messages: the same promises as for chat, in its own dialect.

use crate::support::client::Request;
use crate::support::door::{Door, through_every_door};
use crate::support::fixtures::*;
use crate::support::replies;
use crate::support::upstream::Upstream;

through_every_door! {
    only_the_model_changes_on_the_way_up_and_on_the_way_back,
    a_stream_arrives_event_by_event_with_the_alias_in_message_start,
}

async fn only_the_model_changes_on_the_way_up_and_on_the_way_back(door: Door) {
    let upstream = Upstream::doing(replies::json(200, MESSAGE_ANSWER)).await;
    let gateway = door.setup(&upstream).start().await;
    for target in ["/v1/messages", "/v1/messages?beta=true", "/v1/messages/", "/messages"] {
        let answer = gateway.ask(&Request::post(target, MESSAGE).header("x-api-key", CALLER)).await;
        assert_eq!((answer.status, answer.text()), (200, aliased(MESSAGE_ANSWER)), "{target}");
        let seen = upstream.last();
        assert!(seen.path.starts_with("/v1/messages"), "{target} leads to {}", seen.path);
        assert_eq!(seen.text(), MESSAGE.replacen(r#""model":"claude""#, r#""model":"claude-real""#, 1));
        assert_eq!(seen.header("x-api-key"), Some(ANTHROPIC_SECRET));
        assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"));
        assert_eq!(seen.header("authorization"), None);
    }
}

async fn a_stream_arrives_event_by_event_with_the_alias_in_message_start(door: Door) {
    let upstream = Upstream::doing(replies::stream(MESSAGE_FRAMES)).await;
    let gateway = door.setup(&upstream).start().await;
    let mut caller = gateway.caller().await;
    let head = caller.open(&Request::post("/v1/messages", MESSAGE_STREAM_REQUEST).bearer(CALLER)).await;
    assert_eq!(head.status, 200);
    let expected: Vec<String> = MESSAGE_FRAMES.iter().map(|frame| aliased(frame)).collect();
    assert_eq!(caller.events().await, expected);
    let sent = MESSAGE_STREAM_REQUEST.replacen(r#""model":"claude""#, r#""model":"claude-real""#, 1);
    assert_eq!(upstream.last().text(), sent);
    let line = gateway.log.access(head.headers.first("x-aisix-request-id").expect("a request id")).await;
    assert_eq!((line.number("prompt_tokens"), line.number("completion_tokens")), (Some(25), Some(15)));
    caller.assert_kept().await;
}
