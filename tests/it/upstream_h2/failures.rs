//! Streams and connections that end before their time, and what that says about the request.

use h2::Reason;

use super::*;

through_every_door! { a_reset_in_the_middle_of_a_stream_is_told_in_the_stream }

#[tokio::test]
async fn a_reset_before_the_head_is_a_502_whether_the_connection_is_new_or_not() {
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::ENHANCE_YOUR_CALM] {
        let (mut upstream, gateway) = both(Door::Lean).await;
        for connection in ["new", "pooled"] {
            let asked = asking(&gateway, chat());
            let mut exchange = upstream.next().await;
            exchange.body().await;
            exchange.reset(reason);
            let Err(answer) = again_or_answer(&mut upstream, asked).await else {
                panic!("{reason} on a {connection} connection is tried again, and there are no tries");
            };
            let told = (answer.status, answer.error_type());
            assert_eq!(told, (502, "transport_error".into()), "{reason} on a {connection} connection");
            warmed(&mut upstream, &gateway).await;
        }
        assert_eq!(upstream.connections(), 1, "a reset stream ends nothing but itself");
    }
}

#[tokio::test]
async fn a_reset_before_the_head_is_tried_again_where_there_are_tries() {
    let mut upstream = H2Upstream::start().await;
    let gateway = setup(Door::Lean, &upstream).await.config("upstream.retries", 1).start().await;
    for request in [chat(), stream()] {
        let asked = asking(&gateway, request.clone());
        let mut exchange = upstream.next().await;
        let first = exchange.body().await;
        exchange.reset(Reason::INTERNAL_ERROR);
        let mut exchange = upstream.next().await;
        assert_eq!(exchange.body().await, first, "the whole body once more");
        exchange.answer(200, CHAT_ANSWER).await;
        assert_eq!(joined(asked).await.status, 200);
    }
}

async fn a_reset_in_the_middle_of_a_stream_is_told_in_the_stream(door: Door) {
    for reason in [Reason::INTERNAL_ERROR, Reason::CANCEL, Reason::NO_ERROR] {
        let (mut upstream, gateway) = both(door).await;
        let mut caller = gateway.caller().await;
        let request = stream();
        let (_, exchange) = tokio::join!(caller.open(&request), begun(&mut upstream));
        assert_eq!(caller.event().await, Some(aliased(CHAT_FRAMES[0])));
        exchange.reset(reason);
        let rest = caller.events().await.concat();
        assert!(rest.contains("event: error\n") && !rest.contains("[DONE]"), "{reason}: {rest}");
        assert_eq!(assert_served(&mut upstream, &gateway).await, 0, "{reason} ends nothing but its stream");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    let (mut upstream, gateway) = both(Door::Lean).await;
    for how in ["a reset", "an early end"] {
        let asked = asking(&gateway, chat());
        let mut exchange = upstream.next().await;
        exchange.body().await;
        exchange.open(200, &[("content-type", "application/json"), ("content-length", "600")]);
        assert!(exchange.send(CHAT_ANSWER).await);
        match how {
            "a reset" => exchange.reset(Reason::INTERNAL_ERROR),
            _ => exchange.end(),
        }
        assert_eq!(joined(asked).await.status, 502, "{how}");
    }
}

type LetGo = fn(Exchange);

/// How a connection may let go of a request it did nothing for.
const LET_GO: [(&str, LetGo); 4] = [
    ("REFUSED_STREAM", |exchange| exchange.reset(Reason::REFUSED_STREAM)),
    ("GOAWAY", |exchange| exchange.disown(Reason::NO_ERROR)),
    ("GOAWAY with a complaint", |exchange| exchange.disown(Reason::ENHANCE_YOUR_CALM)),
    ("a close", Exchange::hang_up),
];

/// Sends a request that is let go of. It is answered by another connection, unless the caller gets the blame.
async fn costs_nothing(
    upstream: &mut H2Upstream,
    gateway: &Gateway,
    request: Request,
    let_go: LetGo,
) -> bool {
    let asked = asking(gateway, request);
    let mut exchange = upstream.next().await;
    let (first, body) = (exchange.connection, exchange.body().await);
    let_go(exchange);
    let Ok(mut again) = again_or_answer(upstream, asked).await else { return false };
    assert_ne!(again.connection, first, "another connection");
    assert_eq!(again.body().await, body, "the whole body");
    again.answer(200, CHAT_ANSWER).await;
    true
}

#[tokio::test]
async fn a_pooled_connection_that_lets_go_of_a_request_costs_the_caller_nothing() {
    let mut charged = Vec::new();
    for (how, let_go) in LET_GO {
        let (mut upstream, gateway) = both(Door::Lean).await;
        for request in [chat(), stream()] {
            warmed(&mut upstream, &gateway).await;
            if !costs_nothing(&mut upstream, &gateway, request, let_go).await {
                charged.push(how);
            }
        }
        warmed(&mut upstream, &gateway).await;
    }
    assert!(charged.is_empty(), "{charged:?}");
}

#[tokio::test]
async fn a_reset_during_an_upload_is_told_from_a_refusal() {
    for connection in ["new", "pooled"] {
        for (reason, again) in [(Reason::REFUSED_STREAM, true), (Reason::INTERNAL_ERROR, false)] {
            let (mut upstream, gateway) = both(Door::Lean).await;
            if connection == "pooled" {
                warmed(&mut upstream, &gateway).await;
            }
            let asked = asking(&gateway, upload());
            let mut exchange = upstream.next().await;
            exchange.read(1000).await;
            exchange.reset(reason);
            match again_or_answer(&mut upstream, asked).await {
                Ok(exchange) => {
                    assert!(
                        again,
                        "{reason} on a {connection} connection is tried again, and there are no tries"
                    );
                    exchange.answer(200, CHAT_ANSWER).await;
                }
                Err(answer) => {
                    assert!(!again, "{reason} on a {connection} connection reaches the caller");
                    assert_eq!(answer.status, 502, "{reason} on a {connection} connection");
                }
            }
        }
    }
}

/// RFC 9113, 8.7: what was refused was not processed and is safe to try again.
#[tokio::test]
async fn a_new_connection_that_refuses_a_request_costs_the_caller_nothing() {
    let mut charged = Vec::new();
    for (how, let_go) in &LET_GO[..2] {
        let (mut upstream, gateway) = both(Door::Lean).await;
        if !costs_nothing(&mut upstream, &gateway, chat(), *let_go).await {
            charged.push(how);
        }
    }
    assert!(charged.is_empty(), "{charged:?}");
}

#[tokio::test]
async fn a_connection_that_says_goodbye_finishes_its_streams_and_is_given_no_more() {
    let (mut upstream, gateway) = both(Door::Lean).await;
    let streamed = asking(&gateway, stream());
    let running = begun(&mut upstream).await;
    running.say_goodbye();
    // The word may still be on its way when the first of these is sent; all are served in any case.
    let mut served = Vec::new();
    while served.last().is_none_or(|connection| *connection == running.connection) {
        assert!(served.len() < 50, "the connection is still used");
        served.push(assert_served(&mut upstream, &gateway).await);
    }
    finished(running).await;
    assert_eq!(joined(streamed).await.text(), aliased(&CHAT_FRAMES.concat()));
    assert_ne!(assert_served(&mut upstream, &gateway).await, 0, "nor is it used afterwards");
}

#[tokio::test]
async fn a_connection_that_dies_breaks_off_its_streams_and_nothing_that_follows() {
    for how in ["a close", "a GOAWAY"] {
        let (mut upstream, gateway) = both(Door::Lean).await;
        let mut caller = gateway.caller().await;
        let request = stream();
        let (_, running) = tokio::join!(caller.open(&request), begun(&mut upstream));
        caller.event().await;
        match how {
            "a close" => running.hang_up(),
            _ => running.disown(Reason::ENHANCE_YOUR_CALM),
        }
        let rest = caller.events().await.concat();
        assert!(rest.contains("event: error\n") && !rest.contains("[DONE]"), "{how}: {rest}");
        for _ in 0..3 {
            assert_eq!(assert_served(&mut upstream, &gateway).await, 1, "{how}");
        }
    }
}

#[tokio::test]
async fn a_refusal_during_an_upload_reaches_the_caller_and_ends_only_its_stream() {
    let (mut upstream, gateway) = both(Door::Lean).await;
    let refusal = r#"{"error":{"message":"too large for this model","type":"invalid_request_error"}}"#;
    for read in [0, 1000] {
        let asked = asking(&gateway, upload());
        let mut exchange = upstream.next().await;
        exchange.read(read).await;
        exchange.refuse(413, refusal).await;
        let answer = joined(asked).await;
        assert_eq!((answer.status, answer.text().as_str()), (413, refusal), "after {read} bytes");
        assert_eq!(assert_served(&mut upstream, &gateway).await, 0);
    }
}

/// RFC 9113, 8.1: a client must not discard an answer because RST_STREAM(NO_ERROR) follows it.
#[tokio::test]
async fn a_success_during_an_upload_is_a_success() {
    let (mut upstream, gateway) = both(Door::Lean).await;
    for _ in 0..2 {
        let asked = asking(&gateway, upload());
        upstream.next().await.refuse(200, CHAT_ANSWER).await;
        let answer = joined(asked).await;
        assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER)));
    }
    assert!(upstream.is_quiet(), "nothing is asked twice");
}

/// RFC 9113, 7: HTTP_1_1_REQUIRED.
#[tokio::test]
async fn an_upstream_that_wants_http_1_for_a_request_gets_it_over_http_1() {
    let mut upstream = H2Upstream::of_both_versions().await;
    let gateway = setup(Door::Lean, &upstream).await.start().await;
    for first in [true, false] {
        let asked = asking(&gateway, chat());
        if first {
            upstream.next().await.reset(Reason::HTTP_1_1_REQUIRED);
        }
        match again_or_answer(&mut upstream, asked).await {
            Ok(_) => panic!("HTTP/2 once more; the first request: {first}"),
            Err(answer) => assert_eq!((answer.status, answer.text()), (200, aliased(CHAT_ANSWER))),
        }
    }
}
