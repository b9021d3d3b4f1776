//! Header fields.

use super::*;

/// A sound request with one more field.
fn with(name: &'static str, field: impl AsRef<[u8]>, outcome: Outcome) -> Row {
    let fields = [field.as_ref(), b"\r\ncontent-length: 31\r\n"].concat();
    Row::new(name, post(fields, BODY), outcome)
}

/// A sound request with this in the place of its Host.
fn host(name: &'static str, field: &str, outcome: Outcome) -> Row {
    let request = text(&post("content-length: 31\r\n", BODY));
    Row::new(name, request.replacen("host: a\r\n", field, 1), outcome)
}

#[tokio::test]
async fn a_field_that_is_not_name_colon_value_is_refused() {
    let row = |name, field: &[u8]| with(name, field, refused(&[400]));
    Doors::open(&[])
        .await
        .check(vec![
            row("folded with a space", b"x-a: b\r\n c"),
            row("folded with a tab", b"x-a: b\r\n\tc"),
            row("folded over an empty line", b"x-a: b\r\n \r\n c"),
            row("a bare CR in a value", b"x-a: b\rc"),
            row("a bare CR at the end of a value", b"x-a: b\r"),
            row("a bare LF in front of another field", b"x-a: b\nx-c: d"),
            row("a NUL in a value", b"x-a: b\0c"),
            row("a NUL in a name", b"x-\0a: b"),
            row("a SOH in a value", b"x-a: b\x01c"),
            row("a vertical tab in a value", b"x-a: b\x0bc"),
            row("an escape in a value", b"x-a: \x1b[31m"),
            row("a DEL in a value", b"x-a: b\x7f"),
            row("a control byte in a name", b"x\x01a: b"),
            row("a space before the colon", b"x-a : b"),
            row("a tab before the colon", b"x-a\t: b"),
            row("a space in a name", b"x a: b"),
            row("a space in front of a name", b" x-a: b"),
            row("no name", b": b"),
            row("no colon", b"x-a"),
            row("only a colon", b":"),
            row("a parenthesis in a name", b"x(a): b"),
            row("a quote in a name", b"\"x\": b"),
            row("a slash in a name", b"x/a: b"),
            row("an at sign in a name", b"x@a: b"),
            row("a bracket in a name", b"x[a]: b"),
            row("a comma in a name", b"x,a: b"),
            row("letters beyond ASCII in a name", "na\u{ef}ve: b".as_bytes()),
            row("a byte order mark in front of a name", b"\xef\xbb\xbfx-a: b"),
            row("a request line for a field", b"GET /livez HTTP/1.1"),
        ])
        .await;
}

#[tokio::test]
async fn what_a_field_may_hold_it_may_hold() {
    let row = |name, field: &[u8]| with(name, field, answered(&[200]));
    Doors::open(&[])
        .await
        .check(vec![
            row("bytes beyond ASCII in a value", b"x-a: \xe9\xff\x80"),
            row("a tab in a value", b"x-a: b\tc"),
            row("an empty value", b"x-a:"),
            row("every sign a name may hold", b"!#$%&'*+-.^_`|~09azAZ: b"),
            row("a value of colons", b"x-a: :::"),
            row("a length named as belonging to this hop", b"connection: content-length"),
            row("a Host named as belonging to this hop", b"connection: host"),
        ])
        .await;
}

#[tokio::test]
async fn there_is_one_host_and_it_is_one() {
    let no = || refused(&[400]);
    Doors::open(&[])
        .await
        .check(vec![
            host("none", "", no()),
            host("two different ones", "host: a\r\nhost: b\r\n", no()),
            host("the same one twice", "host: a\r\nhost: a\r\n", no()),
            host("a second one in other letters", "host: a\r\nHOST: b\r\n", no()),
            host("two of which one is empty", "host: a\r\nhost:\r\n", no()),
            host("a space before the colon", "host : a\r\n", no()),
            host("folded", "host:\r\n a\r\n", no()),
            host("a list", "host: a, b\r\n", no()),
            host("a space within", "host: a b\r\n", no()),
            host("a path", "host: a/b\r\n", no()),
            host("a query", "host: a?b\r\n", no()),
            host("a fragment", "host: a#b\r\n", no()),
            host("a user", "host: user@a\r\n", no()),
            host("a backslash", "host: a\\b\r\n", no()),
            host("a port that is no number", "host: a:http\r\n", no()),
            host("a bracket that is not closed", "host: [::1\r\n", no()),
            host("a control byte", "host: a\x01\r\n", no()),
            host("letters beyond ASCII", "host: b\u{fc}cher\r\n", no()),
            host("an empty one", "host:\r\n", answered(&[200])),
            host("a name with a port", "host: gateway.test:8080\r\n", answered(&[200])),
            host("an address in brackets", "host: [::1]:8080\r\n", answered(&[200])),
        ])
        .await;
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_in_fields() {
    let large = || refused(&[431]);
    let numbered = |count: usize| (0..count).map(|n| format!("x-{n}: y")).collect::<Vec<_>>().join("\r\n");
    // Without an upstream, which has bounds of its own. Host is one of the fields.
    let probe = |name, count: usize, outcome| {
        let head = format!("GET /livez HTTP/1.1\r\nhost: a\r\n{}\r\n\r\n", numbered(count - 1));
        Row::new(name, head, outcome)
    };
    Doors::open(&[])
        .await
        .check(vec![
            probe("128 fields", 128, answered(&[200])),
            probe("129 fields", 129, large()),
            with("twenty thousand fields of three bytes", vec!["a:b"; 20_000].join("\r\n"), large()),
            with("a value of 60,000 bytes", format!("x-a: {}", "h".repeat(60_000)), answered(&[200])),
            with("a value of 70,000 bytes", format!("x-a: {}", "h".repeat(70_000)), large()),
            with("a name of 70,000 bytes", format!("{}: y", "h".repeat(70_000)), large()),
            with("a value of two million bytes", format!("x-a: {}", "h".repeat(2_000_000)), large()),
            Row::new("a field that never ends", post(format!("x-a: {}", "h".repeat(70_000)), ""), large())
                .end(End::Silence),
        ])
        .await;
}

#[tokio::test]
async fn fields_that_contradict_themselves_are_read_on_the_safe_side() {
    Doors::open(&[])
        .await
        .check(vec![
            with("close among other wishes", "connection: keep-alive, close", refused(&[200])),
            with("close in a second field", "connection: keep-alive\r\nconnection: close", refused(&[200])),
            with("two credentials", "authorization: Bearer sk-other", answered(&[401])),
            with("an empty second credential", "authorization:", answered(&[401])),
        ])
        .await;
}
