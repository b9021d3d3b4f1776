//! Transfer-Encoding.

use super::*;

fn chunked_body() -> String {
    format!("{SIZE}\r\n{BODY}\r\n0\r\n\r\n")
}

#[tokio::test]
async fn a_coding_other_than_chunked_alone_is_refused() {
    let row = |name, value: &str| {
        let fields = format!("transfer-encoding:{value}\r\n");
        Row::new(name, post(fields, chunked_body()), refused(&[400, 501]))
    };
    let raw = |name, fields: &str| Row::new(name, post(fields, chunked_body()), refused(&[400, 501]));
    Doors::open(&[])
        .await
        .check(vec![
            row("nothing", ""),
            row("identity", " identity"),
            row("gzip", " gzip"),
            row("gzip before chunked", " gzip, chunked"),
            row("gzip after chunked", " chunked, gzip"),
            row("identity before chunked", " identity, chunked"),
            row("chunked twice in a list", " chunked, chunked"),
            row("a comma behind", " chunked,"),
            row("a comma in front", " ,chunked"),
            row("a parameter", " chunked;q=1"),
            row("a semicolon", " chunked;"),
            row("quotes", " \"chunked\""),
            row("an x in front", " xchunked"),
            row("a dash behind", " chunked-"),
            row("the beginning of it", " chunk"),
            row("a vertical tab in front", " \x0bchunked"),
            row("a vertical tab behind", " chunked\x0b"),
            row("a NUL behind", " chunked\0"),
            row("a DEL behind", " chunked\x7f"),
            row("a bare CR behind", " chunked\r"),
            row("a no-break space in front", " \u{a0}chunked"),
            row("a Kelvin sign for its k", " chun\u{212a}ed"),
            raw("two lines", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
            raw("two lines, identity first", "transfer-encoding: identity\r\ntransfer-encoding: chunked\r\n"),
            raw("two lines, gzip last", "transfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n"),
            raw("a folded value", "transfer-encoding:\r\n chunked\r\n"),
            raw("folded between two names", "transfer-encoding: chun\r\n ked\r\n"),
            raw("a space before the colon", "transfer-encoding : chunked\r\n"),
            raw("a coding behind a bare LF", "x-before: y\ntransfer-encoding: chunked\r\n"),
            raw("a coding behind a bare CR", "x-before: y\rtransfer-encoding: chunked\r\n"),
            raw("with a length in front", "content-length: 40\r\ntransfer-encoding: chunked\r\n"),
            raw("with a length behind", "transfer-encoding: chunked\r\ncontent-length: 40\r\n"),
            raw("with a length of nought", "transfer-encoding: chunked\r\ncontent-length: 0\r\n"),
            raw("identity with a length", "transfer-encoding: identity\r\ncontent-length: 40\r\n"),
            raw("an unknown one with a length", "transfer-encoding: x\r\ncontent-length: 40\r\n"),
        ])
        .await;
}

#[tokio::test]
async fn a_coding_on_http_1_0_is_refused() {
    let on_1_0 = |fields: &str, body: &str| text(&post(fields, body)).replace("HTTP/1.1", "HTTP/1.0");
    let hidden = format!("0\r\n\r\n{}", smuggled());
    Doors::open(&[])
        .await
        .check(vec![
            Row::new(
                "chunked on HTTP/1.0",
                on_1_0("transfer-encoding: chunked\r\n", &chunked_body()),
                refused(&[400]),
            ),
            Row::new(
                "chunked on HTTP/1.0 that wants to be kept",
                on_1_0("connection: keep-alive\r\ntransfer-encoding: chunked\r\n", &hidden),
                refused(&[400]),
            ),
            Row::new(
                "chunked and a length on HTTP/1.0",
                on_1_0("content-length: 40\r\ntransfer-encoding: chunked\r\n", &chunked_body()),
                refused(&[400]),
            ),
        ])
        .await;
}

#[tokio::test]
async fn chunked_is_chunked_in_any_case_and_with_white_space_around() {
    let row = |name, fields: &str| Row::new(name, post(fields, chunked_body()), answered(&[200]));
    Doors::open(&[])
        .await
        .check(vec![
            row("capital letters", "transfer-encoding: CHUNKED\r\n"),
            row("mixed case in name and value", "tRANSFER-eNCODING: cHuNkEd\r\n"),
            row("white space around", "transfer-encoding:\t chunked \t\r\n"),
            row("none at all", "transfer-encoding:chunked\r\n"),
            row(
                "named as belonging to this hop",
                "connection: transfer-encoding\r\ntransfer-encoding: chunked\r\n",
            ),
            Row::new(
                "an underscore in the name is another field",
                post("transfer_encoding: chunked\r\ncontent-length: 31\r\n", BODY),
                answered(&[200]),
            ),
            Row::new(
                "TE is not Transfer-Encoding",
                post("te: chunked\r\ncontent-length: 31\r\n", BODY),
                answered(&[200]),
            ),
        ])
        .await;
}
