//! Other protocols, junk around requests, and wishes to change the protocol.

use serde_json::json;

use super::*;

const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The beginning of a TLS ClientHello.
const CLIENT_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
const PROXY_V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x7f\x00\x00\x01\x7f\x00\x00\x01\x00\x50\x00\x51";

/// A sound request behind these bytes.
fn behind(junk: &[u8]) -> Vec<u8> {
    [junk, &sound("")].concat()
}

fn sound(fields: &str) -> Vec<u8> {
    post(format!("{fields}content-length: 31\r\n"), BODY)
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let row = |name, bytes: &[u8]| Row::new(name, bytes, refused(&[400, 505]));
    let utf16: Vec<u8> = text(&sound("")).encode_utf16().flat_map(u16::to_be_bytes).collect();
    Doors::open(&[])
        .await
        .check(vec![
            row("a TLS handshake", CLIENT_HELLO),
            row("an SSH banner", b"SSH-2.0-OpenSSH_9.9\r\n"),
            row("a mail client", b"EHLO a.test\r\n"),
            row("a Redis client", b"*1\r\n$4\r\nPING\r\n"),
            row("an answer", b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
            row("JSON", b"{\"model\":\"chat\"}\r\n\r\n"),
            row("noughts", &[0; 100]),
            row("all bytes there are", &(0..=255).collect::<Vec<u8>>()),
            row("a request in UTF-16", &utf16),
            row("a request behind a byte order mark", &behind(b"\xef\xbb\xbf")),
            row("a request behind a space", &behind(b" ")),
            row("a request behind a NUL", &behind(b"\0")),
            row("a request behind a bare CR", &behind(b"\r")),
            row("a request behind a PROXY line", &behind(b"PROXY TCP4 127.0.0.1 127.0.0.1 80 81\r\n")),
            row("a request behind a binary PROXY header", &behind(PROXY_V2)),
        ])
        .await;
}

#[tokio::test]
async fn empty_lines_before_a_request_are_passed_over() {
    Doors::open(&[])
        .await
        .check(vec![
            Row::new("one", behind(b"\r\n"), answered(&[200])),
            Row::new("three", behind(b"\r\n\r\n\r\n"), answered(&[200])),
            Row::new("two between requests", [sound(""), behind(b"\r\n\r\n")].concat(), two_answers()),
        ])
        .await;
}

fn two_answers() -> Outcome {
    Outcome { statuses: vec![&[200], &[200]], after: After::GoesOn, invited: false }
}

#[tokio::test]
async fn junk_behind_a_sound_request_costs_the_connection_and_not_its_answer() {
    let row = |name, junk: &[u8]| {
        Row::new(name, [&sound(""), junk].concat(), answered(&[200]).then_refused(&[400, 505]))
    };
    Doors::open(&[])
        .await
        .check(vec![
            row("a word", b"garbage\r\n\r\n"),
            row("a TLS handshake", CLIENT_HELLO),
            row("an HTTP/2 preface", PREFACE.as_bytes()),
            row("a request with two lengths", &post("content-length: 1\r\ncontent-length: 2\r\n", "xx")),
            row("a space", b" "),
            row("a NUL", b"\0"),
            Row::new(
                "more body than was announced",
                post("content-length: 31\r\n", format!("{BODY}{BODY}")),
                answered(&[200]).then_refused(&[400]),
            ),
            Row::new(
                "a second body in chunks",
                post(
                    "transfer-encoding: chunked\r\n",
                    format!("1f\r\n{BODY}\r\n0\r\n\r\n1f\r\n{BODY}\r\n0\r\n\r\n"),
                ),
                answered(&[200]).then_refused(&[400]),
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_wish_for_another_protocol_is_not_granted() {
    let row = |name, fields: &str| Row::new(name, sound(fields), answered(&[200]));
    let settings = "AAMAAABkAAQCAAAAAAIAAAAA";
    Doors::open(&[])
        .await
        .check(vec![
            row("h2c", &format!("connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: {settings}\r\n")),
            row("h2c unnamed in Connection", &format!("upgrade: h2c\r\nhttp2-settings: {settings}\r\n")),
            row("a WebSocket", "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"),
            row("TLS", "connection: upgrade\r\nupgrade: TLS/1.3\r\n"),
            row("itself", "connection: upgrade\r\nupgrade: HTTP/1.1\r\n"),
            Row::new(
                "h2c with the preface behind",
                [sound("connection: upgrade\r\nupgrade: h2c\r\n").as_slice(), PREFACE.as_bytes()].concat(),
                answered(&[200]).then_refused(&[400, 505]),
            ),
            Row::new(
                "a WebSocket with a request hidden in its frames",
                [
                    b"GET /livez HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x81".as_slice(),
                    smuggled().as_bytes(),
                ]
                .concat(),
                answered(&[200]).then_refused(&[400]),
            ),
        ])
        .await;
}

#[tokio::test]
async fn an_expectation_is_met_or_refused_and_never_loses_the_body() {
    let row = |name, value: &str, outcome: Outcome| {
        Row::new(name, sound(&format!("expect: {value}\r\n")), outcome.invited())
    };
    Doors::open(&[])
        .await
        .check(vec![
            row("100-continue with the body at once", "100-continue", answered(&[200])),
            row("in capitals", "100-CONTINUE", answered(&[200])),
            row("twice", "100-continue, 100-continue", answered(&[200, 417])),
            row("something else", "200-ok", answered(&[200, 417])),
            row("nothing", "", answered(&[200, 417])),
            row("nonsense", "\"100\";q=0", answered(&[200, 417])),
        ])
        .await;
}

#[tokio::test]
async fn an_http_2_preface_is_whole_and_first_or_refused() {
    let row = |name, bytes: String| Row::new(name, bytes, refused(&[400, 505]));
    Doors::open(&[])
        .await
        .check(vec![
            row("with another body", "PRI * HTTP/2.0\r\n\r\nXM\r\n\r\n".to_owned()),
            row("with a field", "PRI * HTTP/2.0\r\nhost: a\r\n\r\nSM\r\n\r\n".to_owned()),
            row("with LF alone", PREFACE.replace("\r\n", "\n")),
            row("in small letters", PREFACE.to_lowercase()),
            row("behind an empty line", format!("X{PREFACE}")),
            row("of another version", PREFACE.replace("2.0", "3.0")),
        ])
        .await;
    Doors::open(&[("proxy.http2", json!(false))])
        .await
        .check(vec![row("where HTTP/2 is off", PREFACE.to_owned())])
        .await;
}
