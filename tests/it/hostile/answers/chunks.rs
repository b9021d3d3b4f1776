//! Chunks of answers.

use super::*;

fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    answer("transfer-encoding: chunked\r\n", body)
}

/// One chunk with this in the place of its size, and the last one.
fn sized(size: &str) -> Vec<u8> {
    chunked(format!("{size}\r\n{CHAT_ANSWER}\r\n0\r\n\r\n"))
}

fn size() -> String {
    format!("{:x}", CHAT_ANSWER.len())
}

#[tokio::test]
async fn a_chunk_size_that_is_not_plain_hexadecimal_spoils_the_answer() {
    let right = size();
    let row = |name, size: String| Row::bad(name, sized(&size));
    check(vec![
        row("a minus sign", format!("-{right}")),
        row("a plus sign", format!("+{right}")),
        row("a prefix", format!("0x{right}")),
        row("nothing", String::new()),
        row("a letter beyond f", format!("{right}g")),
        row("a space between", format!("{right} 0")),
        row("an underscore", format!("{right}_")),
        row("2^64 and the size, which wraps to it", format!("1{right:0>16}")),
        row("2^64 - 1", "f".repeat(16)),
        row("a hundred digits", "f".repeat(100)),
        row("two million noughts", "0".repeat(2_000_000)),
    ])
    .await;
}

#[tokio::test]
async fn a_chunk_that_does_not_end_where_it_says_spoils_the_answer() {
    let right = size();
    let row = |name, body: String| Row::bad(name, chunked(body));
    let (one_less, one_more) = (CHAT_ANSWER.len() - 1, CHAT_ANSWER.len() + 1);
    check(vec![
        row("LF after the size", format!("{right}\n{CHAT_ANSWER}\r\n0\r\n\r\n")),
        row("LF after the data", format!("{right}\r\n{CHAT_ANSWER}\n0\r\n\r\n")),
        row("CR after the size", format!("{right}\r{CHAT_ANSWER}\r\n0\r\n\r\n")),
        row("nothing after the data", format!("{right}\r\n{CHAT_ANSWER}0\r\n\r\n")),
        row("two bytes too many", format!("{right}\r\n{CHAT_ANSWER}xx\r\n0\r\n\r\n")),
        row("a size one too small", format!("{one_less:x}\r\n{CHAT_ANSWER}\r\n0\r\n\r\n")),
        row("a size one too large", format!("{one_more:x}\r\n{CHAT_ANSWER}\r\n0\r\n\r\n")),
        row("an empty line before the first size", format!("\r\n{right}\r\n{CHAT_ANSWER}\r\n0\r\n\r\n")),
    ])
    .await;
}

#[tokio::test]
async fn extensions_and_trailers_of_answers_go_nowhere_in_bounds() {
    let right = size();
    let ending = |end: &str| chunked(format!("{right}\r\n{CHAT_ANSWER}\r\n{end}"));
    check(vec![
        Row::good("an extension", sized(&format!("{right};a=1;b=\"c\"")), After::Kept),
        Row::good("capital digits", sized(&right.to_uppercase()), After::Kept),
        Row::good("leading noughts", sized(&format!("0000{right}")), After::Kept),
        Row::either("spaces behind the size", sized(&format!("{right}  "))),
        Row::either("an extension of 20,000 bytes", sized(&format!("{right};{}", "e".repeat(20_000)))),
        Row::bad("an extension of two million bytes", sized(&format!("{right};{}", "e".repeat(2_000_000)))),
        Row::bad("an extension with a bare LF", sized(&format!("{right};a\nb"))),
        Row::good("a trailer", ending("0\r\nx-sum: 1\r\n\r\n"), After::Kept),
        Row::good("a length for a trailer", ending("0\r\ncontent-length: 5\r\n\r\n"), After::Kept),
        Row::either("a trailer without a colon", ending("0\r\nx-sum\r\n\r\n")),
        Row::either("a trailer that is an answer", [ending("0\r\n").as_slice(), &foreign()].concat()),
        Row::bad(
            "two million bytes of trailers",
            ending(&format!("0\r\n{}\r\n", "x: y\r\n".repeat(400_000))),
        ),
    ])
    .await;
}
