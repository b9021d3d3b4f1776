//! Request lines: methods, targets, versions.

use super::*;

/// A sound request under another request line.
fn line(name: &'static str, line: impl AsRef<[u8]>, outcome: Outcome) -> Row {
    let request = post("content-length: 31\r\n", BODY);
    let rest = request.iter().position(|&byte| byte == b'\r').expect("a line end");
    Row::new(name, [line.as_ref(), &request[rest..]].concat(), outcome)
}

#[tokio::test]
async fn a_method_is_a_token_and_known_or_refused() {
    let no = || refused(&[400]);
    let path = "/v1/chat/completions HTTP/1.1";
    Doors::open(&[])
        .await
        .check(vec![
            line("none", format!(" {path}"), no()),
            line("a space within", format!("PO ST {path}"), no()),
            line("a parenthesis", format!("PO(ST {path}"), no()),
            line("a NUL", format!("PO\0ST {path}"), no()),
            line("a colon", format!("POST: {path}"), no()),
            line("letters beyond ASCII", format!("P\u{d6}ST {path}"), no()),
            line("a tab behind it", "POST\t/v1/chat/completions HTTP/1.1", no()),
            line("two spaces behind it", "POST  /v1/chat/completions HTTP/1.1", no()),
            line("small letters", format!("post {path}"), answered(&[405, 501])),
            line("one nobody knows", format!("BREW {path}"), answered(&[405, 501])),
            line("nine thousand letters", format!("{} {path}", "M".repeat(9000)), answered(&[405, 501])),
            line("the method of the HTTP/2 preface", format!("PRI {path}"), answered(&[405, 501])),
            line("TRACE with a body", format!("TRACE {path}"), answered(&[405, 501])),
            line("a tunnel", "CONNECT a.test:443 HTTP/1.1", refused(&[405, 501])),
            line("a tunnel to a path", format!("CONNECT {path}"), refused(&[400, 405, 501])),
        ])
        .await;
}

#[tokio::test]
async fn a_target_is_visible_ascii_in_a_form_that_fits_the_method() {
    let no = || refused(&[400]);
    let to = |target: &str| format!("POST {target} HTTP/1.1");
    Doors::open(&[])
        .await
        .check(vec![
            line("none", "POST HTTP/1.1", no()),
            line("none between two spaces", "POST  HTTP/1.1", no()),
            line("a space within", to("/v1/chat completions"), no()),
            line("a tab within", to("/v1/chat\tcompletions"), no()),
            line("a NUL", to("/v1/chat/completions\0"), no()),
            line("a control byte", to("/v1/chat/completions\x01"), no()),
            line("a DEL", to("/v1/chat/completions\x7f"), no()),
            line("a bare CR", to("/v1/chat/completions\r"), no()),
            line("letters beyond ASCII", to("/v1/chat/compl\u{e9}tions"), no()),
            line("a byte that is no UTF-8", b"POST /v1/chat/completions\xff HTTP/1.1", no()),
            line("a fragment", to("/v1/chat/completions#x"), no()),
            line("no slash in front", to("v1/chat/completions"), no()),
            line("a question mark in front", to("?v1/chat/completions"), no()),
            line("a backslash in front", to("\\v1\\chat\\completions"), no()),
            line("an authority", to("a.test:80"), no()),
            line("an asterisk", to("*"), no()),
            line("an absolute one without a host", to("http:///v1/chat/completions"), no()),
            line("a second request line", to("/livez HTTP/1.1\nGET /livez"), no()),
        ])
        .await;
}

#[tokio::test]
async fn targets_that_are_odd_but_sound_lead_where_they_say() {
    let to = |target: &str| format!("POST {target} HTTP/1.1");
    let long = |length: usize| "t".repeat(length);
    Doors::open(&[])
        .await
        .check(vec![
            line("an absolute one", to("http://a/v1/chat/completions"), answered(&[200])),
            line("an absolute one of another scheme", to("HTTPS://a/v1/chat/completions"), answered(&[200])),
            line(
                "an absolute one that is not the Host",
                to("http://b/v1/chat/completions"),
                refused(&[400, 421]),
            ),
            line("an absolute one with a user", to("http://user@a/v1/chat/completions"), refused(&[400])),
            line("a question mark and nothing", to("/v1/chat/completions?"), answered(&[200])),
            line("dots that are not resolved", to("/v1/../v1/chat/completions"), answered(&[404])),
            line("dots in disguise", to("/v1/%2e%2e/v1/chat/completions"), answered(&[404])),
            line("two slashes in front", to("//v1/chat/completions"), answered(&[404])),
            line("a NUL in disguise", to("/v1/chat/completions%00"), answered(&[404])),
            line("a line end in disguise", to("/v1/chat/completions%0d%0aX:1"), answered(&[404])),
            line("a broken escape", to("/v1/chat/completions%zz"), answered(&[400, 404])),
            line("a path of 60,000 bytes", to(&format!("/{}", long(60_000))), answered(&[404])),
            line(
                "a query of 60,000 bytes",
                to(&format!("/v1/chat/completions?{}", long(60_000))),
                answered(&[200]),
            ),
            line("a path of 70,000 bytes", to(&format!("/{}", long(70_000))), refused(&[414, 431])),
            line("a query of 70,000 bytes", to(&format!("/?{}", long(70_000))), refused(&[414, 431])),
            line("a target that never ends", to(&format!("/{}", long(2_000_000))), refused(&[414, 431])),
            Row::new(
                "OPTIONS for the server as a whole",
                "OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n",
                answered(&[404, 405]),
            ),
        ])
        .await;
}

#[tokio::test]
async fn a_version_is_1_1_or_1_0() {
    let no =
        |name, version: &str| line(name, format!("POST /v1/chat/completions{version}"), refused(&[400, 505]));
    Doors::open(&[])
        .await
        .check(vec![
            no("none", ""),
            no("a space and none", " "),
            no("small letters", " http/1.1"),
            no("1.2", " HTTP/1.2"),
            no("2.0", " HTTP/2.0"),
            no("2", " HTTP/2"),
            no("3.0", " HTTP/3.0"),
            no("0.9", " HTTP/0.9"),
            no("9.9", " HTTP/9.9"),
            no("1", " HTTP/1"),
            no("1.", " HTTP/1."),
            no("1.10", " HTTP/1.10"),
            no("01.1", " HTTP/01.1"),
            no("1.1.1", " HTTP/1.1.1"),
            no("-1.1", " HTTP/-1.1"),
            no("1,1", " HTTP/1,1"),
            no("a space within", " HTTP/ 1.1"),
            no("a space behind", " HTTP/1.1 "),
            no("a tab behind", " HTTP/1.1\t"),
            no("a word behind", " HTTP/1.1 x"),
            no("a NUL behind", " HTTP/1.1\0"),
            no("a bare CR behind", " HTTP/1.1\r"),
            no("two spaces in front", "  HTTP/1.1"),
            no("a tab in front", "\tHTTP/1.1"),
            no("another protocol", " XTTP/1.1"),
            no("a secure one", " HTTPS/1.1"),
            no("one of streaming", " RTSP/1.0"),
            no("a bare LF behind", " HTTP/1.1\nx-a: b"),
        ])
        .await;
}

#[tokio::test]
async fn http_1_0_and_0_9_are_answered_once() {
    let on_1_0 = |fields: &str| text(&post(fields, BODY)).replace("HTTP/1.1", "HTTP/1.0");
    Doors::open(&[])
        .await
        .check(vec![
            Row::new("HTTP/1.0", on_1_0("content-length: 31\r\n"), broken(&[200])),
            Row::new(
                "HTTP/1.0 without a Host",
                on_1_0("content-length: 31\r\n").replacen("host: a\r\n", "", 1),
                broken(&[200]),
            ),
            Row::new("HTTP/1.0 with two Hosts", on_1_0("host: b\r\ncontent-length: 31\r\n"), refused(&[400])),
            // HTTP/1.0 knows no interim answers.
            Row::new(
                "HTTP/1.0 that expects 100",
                on_1_0("expect: 100-continue\r\ncontent-length: 31\r\n"),
                broken(&[200]),
            ),
            Row::new("HTTP/0.9", "GET /livez\r\n", refused(&[400, 505])),
        ])
        .await;
}
