//! Requests that stop half way: the caller leaves, falls silent, or goes on for ever in small bites.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

fn in_chunks() -> Vec<u8> {
    post(
        "transfer-encoding: chunked\r\n",
        format!("1;x=y\r\n{{\r\n1e;z\r\n{}\r\n0\r\nx-sum: 1\r\n\r\n", &BODY[1..]),
    )
}

fn with_a_length() -> Vec<u8> {
    post("content-length: 31\r\n", BODY)
}

/// The statuses that come of every beginning of a request but the empty and the whole one.
async fn of_every_beginning(gateway: &Gateway, request: &[u8], end: End) -> BTreeSet<Option<u16>> {
    let mut all = BTreeSet::new();
    for cuts in (1..request.len()).collect::<Vec<_>>().chunks(AT_A_TIME) {
        let talks = cuts.iter().map(|&cut| talk(gateway, &request[..cut], cut, end));
        for (cut, heard) in cuts.iter().zip(join_all(talks).await) {
            let heard = heard.unwrap_or_else(|_| panic!("cut at {cut}: the connection stayed open"));
            let answers = answers(&heard).unwrap_or_else(|| panic!("cut at {cut}: {}", text(&heard)));
            assert!(answers.len() <= 1, "cut at {cut}: {}", text(&heard));
            assert!(answers.iter().all(Answer::is_our_error), "cut at {cut}: {}", text(&heard));
            all.insert(answers.first().map(|answer| answer.status));
        }
    }
    all
}

#[tokio::test]
async fn a_request_cut_off_anywhere_reaches_nobody() {
    let doors = Doors::open(&[]).await;
    for request in [with_a_length(), in_chunks()] {
        for (door, gateway) in &doors.doors {
            let seen = of_every_beginning(gateway, &request, End::HalfClose).await;
            assert!(seen.is_subset(&[None, Some(400)].into()), "{door}: {seen:?}");
        }
    }
    assert_eq!(doors.upstream.count(), 0);
}

#[tokio::test]
async fn a_request_that_falls_silent_anywhere_is_told_so() {
    let times = [("proxy.header_timeout_ms", json!(500)), ("proxy.body_timeout_ms", json!(500))];
    let doors = Doors::open(&times).await;
    for request in [with_a_length(), in_chunks()] {
        for (door, gateway) in &doors.doors {
            let seen = of_every_beginning(gateway, &request, End::Silence).await;
            assert_eq!(seen, [Some(408)].into(), "{door}");
        }
    }
    assert_eq!(doors.upstream.count(), 0);
}

#[tokio::test]
async fn nobody_holds_a_connection_by_sending_a_little_for_ever() {
    let times = [
        ("proxy.header_timeout_ms", json!(500)),
        ("proxy.body_timeout_ms", json!(5000)),
        ("proxy.body_total_timeout_ms", json!(500)),
    ];
    let row = |name, bytes: Vec<u8>, more: &'static [u8], outcome| {
        Row::new(name, bytes, outcome).end(End::Trickle(more))
    };
    let late = || refused(&[408]);
    let start = |request: Vec<u8>, until: &str| {
        let at = text(&request).find(until).expect("the place") + until.len();
        request[..at].to_vec()
    };
    Doors::open(&times)
        .await
        .check_together(vec![
            row("a method", b"PO".to_vec(), b"S", late()),
            row("a target", b"POST /".to_vec(), b"v", late()),
            row("fields", start(with_a_length(), "host: a\r\n"), b"x: y\r\n", refused(&[408, 431])),
            row("a value", start(with_a_length(), "host: a"), b"a", late()),
            row("a body with a length", post("content-length: 30000000\r\n", "{"), b" ", late()),
            row("a chunk", post("transfer-encoding: chunked\r\n", "ffffff\r\n{"), b" ", late()),
            row("chunks", post("transfer-encoding: chunked\r\n", ""), b"1\r\n \r\n", late()),
            row("a chunk size", post("transfer-encoding: chunked\r\n", "0"), b"0", refused(&[400, 408])),
            row("an extension", post("transfer-encoding: chunked\r\n", "1;"), b"x", refused(&[400, 408])),
            row("trailers", post("transfer-encoding: chunked\r\n", "1\r\n{\r\n0\r\n"), b"x: y\r\n", late()),
            row("a preface", b"PRI * HTTP/2".to_vec(), b".", refused(&[400, 408, 505])),
            row("empty lines", Vec::new(), b"\r\n", unanswered()),
        ])
        .await;
}

#[tokio::test]
async fn a_size_beyond_what_will_ever_come_is_not_waited_for() {
    let times = [("proxy.body_timeout_ms", json!(500)), ("proxy.request_body_limit_bytes", json!(1_000_000))];
    let row = |name, bytes: Vec<u8>| Row::new(name, bytes, broken(&[408, 413])).end(End::Silence);
    Doors::open(&times)
        .await
        .check_together(vec![
            row("a length over the limit", post("content-length: 1000001\r\n", "{")),
            row("a chunk over the limit", post("transfer-encoding: chunked\r\n", "f4241\r\n{")),
            row("a chunk far over the limit", post("transfer-encoding: chunked\r\n", "7ffffffffffffff\r\n{")),
            row("a length that is never sent", post("content-length: 1000000\r\n", "{")),
        ])
        .await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed_without_a_word() {
    let rows = vec![
        Row::new("nothing", "", unanswered()).end(End::Silence),
        Row::new("nothing and the close", "", unanswered()).end(End::HalfClose),
        Row::new("an empty line", "\r\n", unanswered()).end(End::Silence),
        Row::new("half an empty line", "\r", unanswered()).end(End::Silence),
        Row::new("half an empty line and the close", "\r", unanswered()).end(End::HalfClose),
    ];
    Doors::open(&[("proxy.header_timeout_ms", json!(500)), ("downstream.idle_timeout_secs", json!(1))])
        .await
        .check_together(rows)
        .await;
}

/// Connections at a time: each waits for a timer, so they wait together.
const AT_A_TIME: usize = 400;
