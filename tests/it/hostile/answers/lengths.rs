//! Where an answer ends: lengths, codings, and what stands behind the end.

use super::*;

#[tokio::test]
async fn an_answer_whose_length_is_not_one_plain_number_is_given_up() {
    let right = CHAT_ANSWER.len();
    let row = |name, fields: String| Row::bad(name, answer(fields, CHAT_ANSWER));
    check(vec![
        row("two different lengths", length(right) + &length(5)),
        row("two different lengths, the right one last", length(5) + &length(right)),
        row("a list of different lengths", length(format!("{right}, 5"))),
        row("a minus sign", length(format!("-{right}"))),
        row("a plus sign", length(format!("+{right}"))),
        row("hexadecimal", length(format!("0x{right:x}"))),
        row("a fraction", length(format!("{right}.0"))),
        row("an exponent", length(format!("{right}e0"))),
        row("a space between digits", length(format!("{right} 0"))),
        row("letters", length("many")),
        row("nothing", length("")),
        row("a parameter", length(format!("{right};x"))),
        row("quotes", length(format!("\"{right}\""))),
        row("full-width digits", length("４０")),
        row("2^64 and the length, which wraps to it", length(u128::from(u64::MAX) + 1 + right as u128)),
        row("four hundred digits", length("9".repeat(400))),
    ])
    .await;
}

#[tokio::test]
async fn the_same_length_twice_is_one_length_or_none() {
    let right = CHAT_ANSWER.len();
    check(vec![
        Row::either("in two fields", answer(length(right) + &length(right), CHAT_ANSWER)),
        Row::either("in a list", answer(length(format!("{right}, {right}")), CHAT_ANSWER)),
        Row::good("with leading noughts", answer(length(format!("000{right}")), CHAT_ANSWER), After::Kept),
        Row::good(
            "with white space around",
            answer(length(format!("\t {right} \t")), CHAT_ANSWER),
            After::Kept,
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_coding_other_than_chunked_alone_is_given_up() {
    let row = |name, fields: &str| {
        let body = [replies::chunk(CHAT_ANSWER.as_bytes()), replies::LAST_CHUNK.to_vec()].concat();
        Row::new(
            name,
            Script::reading().send(answer(fields, body)).close(),
            &[Comes::BadGateway],
            After::Gone,
        )
    };
    let plain = |name, fields: &str| {
        Row::new(
            name,
            Script::reading().send(answer(fields, CHAT_ANSWER)).close(),
            &[Comes::BadGateway],
            After::Gone,
        )
    };
    check(vec![
        row("gzip before chunked", "transfer-encoding: gzip, chunked\r\n"),
        row("gzip after chunked", "transfer-encoding: chunked, gzip\r\n"),
        row("chunked twice in a list", "transfer-encoding: chunked, chunked\r\n"),
        row("chunked in two fields", "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
        row("a parameter", "transfer-encoding: chunked;q=1\r\n"),
        row("a control byte", "transfer-encoding: \x0bchunked\r\n"),
        row("chunked and a length in front", &format!("{}transfer-encoding: chunked\r\n", length(5))),
        row("chunked and a length behind", &format!("transfer-encoding: chunked\r\n{}", length(5))),
        plain("gzip alone", "transfer-encoding: gzip\r\n"),
        plain("one nobody knows", "transfer-encoding: xchunked\r\n"),
        plain("an empty one", "transfer-encoding:\r\n"),
        plain("gzip and a length", &format!("transfer-encoding: gzip\r\n{}", length(CHAT_ANSWER.len()))),
        plain("chunked without chunks", "transfer-encoding: chunked\r\n"),
    ])
    .await;
}

#[tokio::test]
async fn an_answer_of_http_1_0_is_read_by_its_own_rules() {
    let right = CHAT_ANSWER.len();
    let old =
        |fields: &str, body: &[u8]| [format!("HTTP/1.0 200 OK\r\n{fields}\r\n").as_bytes(), body].concat();
    let body = [replies::chunk(CHAT_ANSWER.as_bytes()), replies::LAST_CHUNK.to_vec()].concat();
    let kept = "connection: keep-alive\r\n";
    let chunked = |fields: &str| {
        let script = Script::reading().send(old(&format!("{fields}transfer-encoding: chunked\r\n"), &body));
        script.close()
    };
    let either = &[Comes::Good, Comes::BadGateway];
    check(vec![
        Row::good("a length", old(&length(right), CHAT_ANSWER.as_bytes()), After::Gone),
        Row::good(
            "a length, to be kept",
            old(&format!("{kept}{}", length(right)), CHAT_ANSWER.as_bytes()),
            After::Either,
        ),
        Row::new("chunks", chunked(""), either, After::Gone),
        Row::new("chunks, to be kept", chunked(kept), either, After::Gone),
    ])
    .await;
}

#[tokio::test]
async fn an_answer_that_has_no_body_has_none_whatever_it_says() {
    let row = |name, status: &str, fields: &str, body: &str| {
        Row::bad(name, format!("HTTP/1.1 {status} Odd\r\n{fields}\r\n{body}"))
    };
    check(vec![
        row("204 with a length and a body", "204", &length(5), "hello"),
        row("204 with chunks", "204", "transfer-encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        row("204 with an answer behind", "204", "", &String::from_utf8(foreign()).expect("UTF-8")),
        row("304 with a length and a body", "304", &length(5), "hello"),
        row("304 with an answer behind", "304", "", &String::from_utf8(foreign()).expect("UTF-8")),
    ])
    .await;
}

#[tokio::test]
async fn what_stands_behind_an_answer_is_no_answer() {
    let right = CHAT_ANSWER.len();
    let with = |more: &[u8]| [behind(""), more.to_vec()].concat();
    let body = [replies::chunk(CHAT_ANSWER.as_bytes()), replies::LAST_CHUNK.to_vec()].concat();
    let chunks = answer("transfer-encoding: chunked\r\n", body);
    let short = [length(right - 1), "x: y\r\n".to_owned()].concat();
    check(vec![
        Row::good("a whole answer", with(&foreign()), After::Gone),
        Row::good("half an answer", with(&foreign()[..40]), After::Gone),
        Row::good("a byte", with(b"x"), After::Gone),
        Row::good("an empty line", with(b"\r\n"), After::Gone),
        Row::good("an interim answer", with(b"HTTP/1.1 100 Continue\r\n\r\n"), After::Gone),
        Row::good("a whole answer behind the last chunk", [chunks.clone(), foreign()].concat(), After::Gone),
        Row::good("a second last chunk", [chunks.as_slice(), replies::LAST_CHUNK].concat(), After::Gone),
        Row::good("an empty line behind the last chunk", [chunks.as_slice(), b"\r\n"].concat(), After::Gone),
        Row::bad("the end of a body that is longer than its length", answer(short, CHAT_ANSWER)),
        Row::bad("a body behind a length of nought", answer(length(0), CHAT_ANSWER)),
    ])
    .await;
}

#[tokio::test]
async fn a_connection_that_is_to_be_closed_is_not_used_again() {
    let right = length(CHAT_ANSWER.len());
    let row =
        |name, field: &str| Row::good(name, answer(format!("{field}\r\n{right}"), CHAT_ANSWER), After::Gone);
    check(vec![
        row("close", "connection: close"),
        row("close in capitals", "Connection: CLOSE"),
        row("close behind another word", "connection: x, close"),
        row("close in a second field", "connection: x\r\nconnection: close"),
        row("close and keep-alive", "connection: keep-alive, close"),
    ])
    .await;
}
