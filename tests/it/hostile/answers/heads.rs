//! Status lines and fields of answers.

use super::*;

#[tokio::test]
async fn what_does_not_begin_like_an_answer_is_none() {
    let line = |name, line: &str| {
        Row::bad(name, format!("{line}\r\ncontent-length: {}\r\n\r\n{CHAT_ANSWER}", CHAT_ANSWER.len()))
    };
    check(vec![
        Row::bad("an SSH banner", "SSH-2.0-OpenSSH_9.9\r\n\r\n"),
        Row::bad("a mail server", "220 a.test ESMTP\r\n\r\n"),
        Row::bad("a Redis server", "-ERR unknown command\r\n\r\n"),
        Row::bad("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46".repeat(4)),
        Row::bad("an HTTP/2 frame", b"\0\0\0\x04\0\0\0\0\0\r\n\r\n".as_slice()),
        Row::bad("a request", "GET / HTTP/1.1\r\nhost: a\r\n\r\n"),
        Row::bad("JSON without a head", CHAT_ANSWER),
        Row::bad("a good answer behind junk", behind("junk")),
        Row::bad("a good answer behind a space", behind(" ")),
        Row::bad("a good answer behind a NUL", behind("\0")),
        Row::bad("a good answer behind a byte order mark", behind("\u{feff}")),
        Row::bad("noughts", vec![0; 100_000]),
        line("a radio stream", "ICY 200 OK"),
        line("small letters", "http/1.1 200 OK"),
        line("version 2", "HTTP/2 200 OK"),
        line("version 2.0", "HTTP/2.0 200 OK"),
        line("version 0.9", "HTTP/0.9 200 OK"),
        line("version 11", "HTTP/11 200 OK"),
        line("no version", "HTTP 200 OK"),
        line("no space before the status", "HTTP/1.1200 OK"),
        line("a tab before the status", "HTTP/1.1\t200 OK"),
        line("no status", "HTTP/1.1 OK"),
        line("an empty status", "HTTP/1.1  OK"),
        line("a status of two digits", "HTTP/1.1 20 OK"),
        line("a status of four digits", "HTTP/1.1 2000 OK"),
        line("a status of letters", "HTTP/1.1 abc OK"),
        line("a letter in the status", "HTTP/1.1 2O0 OK"),
        line("a sign before the status", "HTTP/1.1 +20 OK"),
        line("a negative status", "HTTP/1.1 -20 OK"),
        line("a fraction behind the status", "HTTP/1.1 200.0 OK"),
        line("a NUL in the reason", "HTTP/1.1 200 O\0K"),
        line("a bare CR in the reason", "HTTP/1.1 200 O\rK"),
        line("status 099", "HTTP/1.1 099 OK"),
        line("status 000", "HTTP/1.1 000 OK"),
        line("an upgrade nobody asked for", "HTTP/1.1 101 Switching Protocols"),
    ])
    .await;
}

#[tokio::test]
async fn a_status_nobody_knows_is_a_failure_of_the_upstream() {
    let row = |name, line: &str| {
        let script = Script::reading().send(format!("HTTP/1.1 {line}\r\ncontent-length: 2\r\n\r\n{{}}"));
        Row::new(name, script, &[Comes::BadGateway], After::Either)
    };
    check(vec![
        row("399", "399 Odd"),
        row("300 without a place", "300 Choices"),
        row("302 to nowhere", "302 Found"),
        row("599", "599 Odd"),
        row("600", "600 Odd"),
        row("999", "999 Odd"),
    ])
    .await;
}

#[tokio::test]
async fn interim_answers_are_skipped_in_bounds() {
    let many = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(8);
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100_000);
    let large = format!("HTTP/1.1 103 Early Hints\r\nx: {}\r\n\r\n", "h".repeat(60_000)).repeat(200);
    check(vec![
        Row::good("one", behind("HTTP/1.1 100 Continue\r\n\r\n"), After::Kept),
        Row::good("eight", behind(many), After::Kept),
        Row::good("one nobody knows", behind("HTTP/1.1 199 Odd\r\nx: y\r\n\r\n"), After::Kept),
        Row::good(
            "one that names a length",
            behind("HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\n"),
            After::Either,
        ),
        Row::bad("one with a body", behind("HTTP/1.1 100 Continue\r\ncontent-length: 5\r\n\r\nhello")),
        Row::bad("a hundred thousand", behind(endless)),
        Row::bad("twelve million bytes of them", behind(large)),
    ])
    .await;
}

#[tokio::test]
async fn a_field_that_could_be_read_in_two_ways_spoils_the_answer() {
    let row = |name, field: &[u8]| {
        Row::bad(name, answer([field, b"\r\n", length(CHAT_ANSWER.len()).as_bytes()].concat(), CHAT_ANSWER))
    };
    check(vec![
        row("a NUL in a value", b"x-a: b\0c"),
        row("a NUL in a name", b"x-\0a: b"),
        row("a control byte in a value", b"x-a: b\x01c"),
        row("a DEL in a value", b"x-a: b\x7f"),
        row("a bare CR in a value", b"x-a: b\rc"),
        row("a field behind a bare CR", b"x-a: b\rcontent-length: 1"),
        row("no name", b": b"),
        row("no colon", b"x-a"),
        row("a space in a name", b"x a: b"),
        row("letters beyond ASCII in a name", "na\u{ef}ve: b".as_bytes()),
        row("a second status line", b"HTTP/1.1 200 OK"),
    ])
    .await;
}

#[tokio::test]
async fn a_field_that_may_be_mended_is_mended_or_spoils_the_answer() {
    let ok = length(CHAT_ANSWER.len());
    let with = |field: &str| answer(format!("{field}\r\n{ok}"), CHAT_ANSWER);
    let lines =
        |ends: &str| [text_of(&answer(&ok, "")).replace("\r\n", ends), CHAT_ANSWER.to_owned()].concat();
    check(vec![
        Row::either("folded with a space", with("x-a: b\r\n c")),
        Row::either("folded with a tab", with("x-a: b\r\n\tc")),
        Row::either("a folded length", answer(ok.replace(": ", ":\r\n "), CHAT_ANSWER)),
        Row::either("a space before the colon", with("x-a : b")),
        Row::either("a space before the colon of the length", answer(ok.replace(':', " :"), CHAT_ANSWER)),
        Row::either("lines that end in LF alone", lines("\n")),
        Row::either("no reason", text_of(&behind("")).replace(" OK\r", "\r")),
        Row::either("an empty line in front", behind("\r\n")),
        Row::either("two spaces before the status", text_of(&behind("")).replace(" 200", "  200")),
        Row::either("version 1.2", text_of(&behind("")).replace("HTTP/1.1", "HTTP/1.2")),
        Row::good(
            "bytes beyond ASCII in a value",
            answer([b"x-a: \xe9\r\n", ok.as_bytes()].concat(), CHAT_ANSWER),
            After::Kept,
        ),
        Row::good("an empty value", with("x-a:"), After::Kept),
    ])
    .await;
}

#[tokio::test]
async fn heads_are_bounded_in_bytes_and_in_fields() {
    let ok = length(CHAT_ANSWER.len());
    let with = |field: String| answer(format!("{field}\r\n{ok}"), CHAT_ANSWER);
    let numbered = |count: usize| (0..count).map(|n| format!("x-{n}: y")).collect::<Vec<_>>().join("\r\n");
    let reason = |length: usize| text_of(&behind("")).replacen("OK", &"R".repeat(length), 1);
    check(vec![
        Row::good("100 fields", with(numbered(98)), After::Kept),
        Row::bad("300 fields", with(numbered(300))),
        Row::bad("a hundred thousand fields", with(numbered(100_000))),
        Row::good("a value of 60,000 bytes", with(format!("x-a: {}", "h".repeat(60_000))), After::Kept),
        Row::bad("a value of 70,000 bytes", with(format!("x-a: {}", "h".repeat(70_000)))),
        Row::bad("a name of 70,000 bytes", with(format!("{}: y", "h".repeat(70_000)))),
        Row::bad("a reason of 70,000 bytes", reason(70_000)),
        Row::bad(
            "a field of ten million bytes that never ends",
            answer(format!("x-a: {}", "h".repeat(10_000_000)), ""),
        ),
    ])
    .await;
}

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}
