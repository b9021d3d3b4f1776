//! Chunks, their extensions and trailers.

use super::*;

fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("transfer-encoding: chunked\r\n", body)
}

/// One chunk with this in the place of its size, and the last one.
fn sized(size: &str) -> Vec<u8> {
    chunked(format!("{size}\r\n{BODY}\r\n0\r\n\r\n"))
}

/// A sound chunk, then this.
fn ending(end: &str) -> Vec<u8> {
    chunked(format!("{SIZE}\r\n{BODY}\r\n{end}"))
}

#[tokio::test]
async fn a_chunk_size_that_is_not_plain_hexadecimal_is_refused() {
    let row = |name, size: &str| Row::new(name, sized(size), refused(&[400, 413]));
    Doors::open(&[])
        .await
        .check(vec![
            row("a minus sign", "-1f"),
            row("a plus sign", "+1f"),
            row("a prefix", "0x1f"),
            row("a capital prefix", "0X1f"),
            row("a space in front", " 1f"),
            row("a tab in front", "\t1f"),
            row("a space behind", "1f "),
            row("a tab behind", "1f\t"),
            row("a space between", "1 f"),
            row("an underscore", "1_f"),
            row("nothing", ""),
            row("only an extension", ";x=1"),
            row("a letter beyond f", "1g"),
            row("a comma", "1f,1f"),
            row("a fraction", "1f.0"),
            row("quotes", "\"1f\""),
            row("a NUL behind", "1f\0"),
            row("a full-width digit", "１f"),
            row("2^64 + 31, which wraps to 31", "1000000000000001f"),
            row("2^64 - 1", "ffffffffffffffff"),
            row("2^63 + 31, which a signed number cannot hold", "800000000000001f"),
            row("a hundred digits", &"f".repeat(100)),
            row("a hundred thousand noughts", &"0".repeat(100_000)),
        ])
        .await;
}

#[tokio::test]
async fn a_chunk_that_does_not_end_where_it_says_is_refused() {
    let row = |name, body: String| Row::new(name, chunked(body), refused(&[400]));
    let hidden = smuggled();
    Doors::open(&[])
        .await
        .check(vec![
            row("LF after the size", format!("{SIZE}\n{BODY}\r\n0\r\n\r\n")),
            row("LF after the data", format!("{SIZE}\r\n{BODY}\n0\r\n\r\n")),
            row("LF everywhere", format!("{SIZE}\n{BODY}\n0\n\n")),
            row("CR after the size", format!("{SIZE}\r{BODY}\r\n0\r\n\r\n")),
            row("CR CR LF after the size", format!("{SIZE}\r\r\n{BODY}\r\n0\r\n\r\n")),
            row("CR after the data", format!("{SIZE}\r\n{BODY}\r0\r\n\r\n")),
            row("nothing after the data", format!("{SIZE}\r\n{BODY}0\r\n\r\n")),
            row("two bytes too many", format!("{SIZE}\r\n{BODY}xx\r\n0\r\n\r\n")),
            row("an empty line before the first size", format!("\r\n{SIZE}\r\n{BODY}\r\n0\r\n\r\n")),
            row("an empty line between chunks", format!("{SIZE}\r\n{BODY}\r\n\r\n0\r\n\r\n")),
            row("a size one too small", format!("1e\r\n{BODY}\r\n0\r\n\r\n")),
            row("a size one too large", format!("20\r\n{BODY}\r\n0\r\n\r\n")),
            row("a size that hides a request in the data", format!("5\r\n{BODY}\r\n0\r\n\r\n{hidden}")),
            row("LF after the last size", format!("{SIZE}\r\n{BODY}\r\n0\n\r\n")),
            row("LF as the last line", format!("{SIZE}\r\n{BODY}\r\n0\r\n\n")),
            row("a bare CR as the last line", format!("{SIZE}\r\n{BODY}\r\n0\r\n\rX")),
        ])
        .await;
}

#[tokio::test]
async fn chunk_extensions_are_passed_over_in_bounds_and_refused_beyond() {
    let row = |name, size: &str, outcome| Row::new(name, sized(size), outcome);
    let small_chunks = |extension: usize| {
        let extension = "e".repeat(extension);
        let chunks: String = BODY.chars().map(|byte| format!("1;{extension}\r\n{byte}\r\n")).collect();
        chunked(format!("{chunks}0\r\n\r\n"))
    };
    Doors::open(&[])
        .await
        .check(vec![
            row("a name", "1f;name", answered(&[200])),
            row("a name and a value", "1f;name=value", answered(&[200])),
            row("several", "1f;a=1;b;c=2", answered(&[200])),
            row("a quoted value", "1f;a=\"b c\"", answered(&[200])),
            Row::new("one on the last chunk", ending("0;last=yes\r\n\r\n"), answered(&[200])),
            row("four thousand bytes", &format!("1f;{}", "e".repeat(4000)), answered(&[200])),
            row("twenty thousand bytes", &format!("1f;{}", "e".repeat(20_000)), refused(&[400, 413, 431])),
            row("two million bytes", &format!("1f;{}", "e".repeat(2_000_000)), refused(&[400, 413, 431])),
            Row::new(
                "four thousand bytes on every byte of the body",
                small_chunks(4000),
                refused(&[400, 413, 431]),
            ),
            row("a bare LF", "1f;a\nb", refused(&[400])),
            row("a bare CR", "1f;a\rb", refused(&[400])),
            row("a NUL", "1f;a\0b", refused(&[400])),
            row("a control byte", "1f;a=\x01", refused(&[400])),
            row("a line end within quotes", "1f;a=\"\r\n\"", refused(&[400])),
            Row::new(
                "one that is never ended by the right line end",
                chunked(format!("2;\n{BODY}")),
                refused(&[400]),
            ),
        ])
        .await;
}

#[tokio::test]
async fn trailers_go_nowhere_and_are_as_sound_as_heads() {
    let row =
        |name, trailers: &str, outcome| Row::new(name, ending(&format!("0\r\n{trailers}\r\n")), outcome);
    let smuggling = format!("x: {}", smuggled());
    Doors::open(&[])
        .await
        .check(vec![
            row("one", "x-sum: 1\r\n", answered(&[200])),
            row("several", "x-sum: 1\r\nx-more: 2\r\n", answered(&[200])),
            row("a length", "content-length: 5\r\n", answered(&[200])),
            row("a coding", "transfer-encoding: gzip\r\n", answered(&[200])),
            row("a credential", "authorization: Bearer sk-other\r\n", answered(&[200])),
            row("a wish to close", "connection: close\r\n", answered(&[200])),
            row(
                "twenty thousand bytes",
                &format!("x: {}\r\n", "t".repeat(20_000)),
                refused(&[400, 413, 431]),
            ),
            row("twenty thousand lines", &"x: y\r\n".repeat(20_000), refused(&[400, 413, 431])),
            row("no colon", "x-sum\r\n", refused(&[400])),
            row("no name", ": 1\r\n", refused(&[400])),
            row("a space before the colon", "x-sum : 1\r\n", refused(&[400])),
            row("a space in front", " x-sum: 1\r\n", refused(&[400])),
            row("a folded line", "x-sum: 1\r\n 2\r\n", refused(&[400])),
            row("a NUL", "x-sum: \0\r\n", refused(&[400])),
            row("a bare CR", "x-sum: a\rb\r\n", refused(&[400])),
            row("a bare LF", "x-sum: a\nx-more: b\r\n", refused(&[400])),
            row(
                "a request that is taken for a trailer",
                &smuggling.replace("\r\n\r\n", "\n\n"),
                refused(&[400]),
            ),
            row("a request line", "GET /livez HTTP/1.1\r\n", refused(&[400])),
        ])
        .await;
}

#[tokio::test]
async fn a_body_nobody_wants_is_framed_as_strictly_as_any() {
    let row = |name, line: &str, status| {
        let head = format!("{line} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
        let hidden = smuggled();
        let sound = format!("{head}{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
        let broken_one = format!("{head}5\r\nhello{hidden}");
        [Row::new(name, sound, answered(status)), Row::new(name, broken_one, broken(status))]
    };
    let rows = [
        row("of a GET", "GET /livez", &[200]),
        row("without a credential", "POST /v1/chat/completions", &[401]),
        row("to nowhere", "POST /nowhere", &[404]),
        row("of a method that is not served", "DELETE /v1/models", &[405]),
    ];
    Doors::open(&[]).await.check(rows.into_iter().flatten().collect()).await;
}
