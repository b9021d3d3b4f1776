//! Streams that fail on their way between two formats, and callers who leave them.

use crate::support::door::{Door, through_every_door};
use crate::support::formats::Format;
use crate::support::formats::answers::{self, Failure, Frame, TEXT};
use crate::support::formats::told::{self, Told};
use crate::support::formats::{every_target, pairs};
use crate::support::gateway::Gateway;
use crate::support::replies;
use crate::support::upstream::{Gate, Script, Upstream};

through_every_door! {
    an_error_after_content_is_the_last_thing_told,
    a_frame_that_is_none_ends_the_stream_with_an_error,
    a_stream_that_is_cut_anywhere_never_looks_complete,
    a_stream_that_ends_early_in_good_order_never_looks_complete,
    what_arrives_leaves_at_once,
    leaving_a_stream_lets_the_upstream_go,
    leaving_before_the_head_lets_the_upstream_go,
}

async fn started(door: Door) -> (Gateway, Upstream) {
    let upstream = Upstream::queue([]).await;
    let gateway = every_target(door.setup(&upstream), &upstream).start().await;
    (gateway, upstream)
}

/// What the caller reads of a stream, and the access log line's error. `then` is what follows these frames once the
/// answer has begun.
async fn read(
    (gateway, upstream): (&Gateway, &Upstream),
    (caller, target): (Format, Format),
    frames: &[Frame],
    then: impl FnOnce(Script) -> Script,
) -> (Told, String) {
    let gate = Gate::closed();
    upstream.always(then(answers::begun(target, frames).wait(&gate)));
    let mut connection = gateway.caller().await;
    let head = connection.open(&caller.request(target.alias(), true)).await;
    assert_eq!(head.status, 200, "{caller:?} to {target:?}");
    gate.step();
    let (body, _) = connection.remains().await;
    let line = gateway.log.access(head.headers.first("x-aisix-request-id").expect("an id")).await;
    let body = String::from_utf8(body).expect("text");
    (told::streamed(caller, &body), line.text("error_kind").to_owned())
}

fn assert_failed(read: &(Told, String), case: &str) {
    let (told, kind) = read;
    assert_eq!((told.completed, told.errors.len()), (0, 1), "{case}: {told:?}");
    assert!(!told.errors[0].is_empty(), "{case}");
    assert!(kind.starts_with("upstream_"), "{case}: {kind}");
}

async fn an_error_after_content_is_the_last_thing_told(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (caller, target) in pairs() {
        for kind in [Failure::Limited, Failure::Broken] {
            let frames = answers::frames(target);
            let (content, rest) = frames.split_at(answers::frames_to_text(target));
            let then = |script: Script| {
                let script = script.send(replies::chunk(&answers::failure(target, kind)));
                script.send(replies::chunk(&rest.concat())).send(replies::LAST_CHUNK)
            };
            let told = read((&gateway, &upstream), (caller, target), content, then).await;
            let case = format!("{caller:?} to {target:?}, {kind:?}");
            assert_failed(&told, &case);
            assert_eq!(told.0.text, TEXT, "{case}");
            assert_eq!(told.0.errors[0] == kind.message(), kind == Failure::Limited, "{case}: {:?}", told.0);
        }
    }
}

async fn a_frame_that_is_none_ends_the_stream_with_an_error(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (caller, target) in pairs() {
        let frames = answers::frames(target);
        let (content, rest) = frames.split_at(answers::frames_to_text(target));
        let then = |script: Script| {
            let script = script.send(replies::chunk(&answers::malformed(target)));
            script.send(replies::chunk(&rest.concat())).send(replies::LAST_CHUNK)
        };
        let told = read((&gateway, &upstream), (caller, target), content, then).await;
        assert_failed(&told, &format!("{caller:?} to {target:?}"));
        assert_eq!(told.0.text, TEXT, "{caller:?} to {target:?}");
    }
}

async fn a_stream_that_is_cut_anywhere_never_looks_complete(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (caller, target) in pairs() {
        let frames = answers::frames(target);
        for sent in 1..frames.len() {
            let half = replies::chunk(&frames[sent][..frames[sent].len() / 2]);
            for how in ["closed", "closed in a frame", "reset"] {
                let then = |script: Script| match how {
                    "closed" => script.close(),
                    "reset" => script.reset(),
                    _ => script.send(half.clone()).close(),
                };
                let told = read((&gateway, &upstream), (caller, target), &frames[..sent], then).await;
                assert_failed(&told, &format!("{caller:?} to {target:?}, {how} after {sent} frames"));
                assert!(TEXT.starts_with(&told.0.text), "{:?}", told.0);
            }
        }
    }
}

/// The upstream ends its body as HTTP has it, before the answer said why it ended.
async fn a_stream_that_ends_early_in_good_order_never_looks_complete(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (caller, target) in pairs() {
        let frames = answers::frames(target);
        let content = &frames[..answers::frames_to_text(target)];
        let told =
            read((&gateway, &upstream), (caller, target), content, |script| script.send(replies::LAST_CHUNK))
                .await;
        assert_failed(&told, &format!("{caller:?} to {target:?}"));
        assert_eq!(told.0.text, TEXT);
    }
}

async fn what_arrives_leaves_at_once(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (caller, target) in pairs() {
        let gate = Gate::closed();
        let rest = &answers::frames(target)[answers::frames_to_text(target)..];
        let script = rest
            .iter()
            .fold(answers::held(target, &gate), |script, frame| script.send(replies::chunk(frame)));
        upstream.always(script.send(replies::LAST_CHUNK));
        let mut connection = gateway.caller().await;
        connection.open(&caller.request(target.alias(), true)).await;
        let mut seen = String::new();
        while told::streamed(caller, &seen).text != TEXT {
            seen += &connection.event().await.expect("an event while the upstream waits");
        }
        gate.step();
        seen += &connection.events().await.concat();
        assert_eq!(told::streamed(caller, &seen).completed, 1, "{caller:?} to {target:?}: {seen}");
    }
}

async fn leaving_a_stream_lets_the_upstream_go(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (number, (caller, target)) in pairs().enumerate() {
        upstream.always(answers::held(target, &Gate::closed()));
        let id = format!("it-left-{number}");
        let mut connection = gateway.caller().await;
        connection.open(&caller.request(target.alias(), true).header("x-aisix-request-id", &id)).await;
        let first = connection.event().await.expect("an event");
        let seen = upstream.last();
        assert!(!seen.is_gone(), "{caller:?} to {target:?}: {first}");
        drop(connection);
        seen.gone().await;
        let line = gateway.log.access(&id).await;
        assert_eq!(
            (line.status(), line.text("error_kind")),
            (499, "client_disconnected"),
            "{caller:?} to {target:?}"
        );
    }
}

async fn leaving_before_the_head_lets_the_upstream_go(door: Door) {
    let (gateway, upstream) = started(door).await;
    for (number, (caller, target)) in pairs().enumerate() {
        upstream.always(Script::reading().hang());
        let id = format!("it-left-{number}");
        let mut connection = gateway.caller().await;
        connection
            .begin(&caller.request(target.alias(), number % 2 == 0).header("x-aisix-request-id", &id))
            .await;
        let seen = upstream.request(number).await;
        drop(connection);
        seen.gone().await;
        assert_eq!(gateway.log.access(&id).await.status(), 499, "{caller:?} to {target:?}");
    }
}
