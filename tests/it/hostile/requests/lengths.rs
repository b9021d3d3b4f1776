//! Content-Length.

use super::*;

#[tokio::test]
async fn a_length_that_is_not_one_plain_number_is_refused() {
    let row = |name, fields: &str| Row::new(name, post(fields, BODY), refused(&[400]));
    let long = format!("content-length: {}31\r\n", "9".repeat(400));
    Doors::open(&[])
        .await
        .check(vec![
            row("two different lengths", "content-length: 31\r\ncontent-length: 5\r\n"),
            row("two different lengths, the right one last", "content-length: 5\r\ncontent-length: 31\r\n"),
            row("the same length twice", "content-length: 31\r\ncontent-length: 31\r\n"),
            row("a list of the same length", "content-length: 31, 31\r\n"),
            row("a list of different lengths", "content-length: 31, 5\r\n"),
            row("a list with an empty end", "content-length: 31,\r\n"),
            row("a minus sign", "content-length: -31\r\n"),
            row("minus nought", "content-length: -0\r\n"),
            row("a plus sign", "content-length: +31\r\n"),
            row("hexadecimal with its prefix", "content-length: 0x1f\r\n"),
            row("hexadecimal without a prefix", "content-length: 1f\r\n"),
            row("a fraction", "content-length: 31.0\r\n"),
            row("an exponent", "content-length: 31e0\r\n"),
            row("an underscore", "content-length: 3_1\r\n"),
            row("a space between digits", "content-length: 3 1\r\n"),
            row("nothing", "content-length:\r\n"),
            row("only spaces", "content-length:   \r\n"),
            row("a parameter", "content-length: 31;x=1\r\n"),
            row("quotes", "content-length: \"31\"\r\n"),
            row("full-width digits", "content-length: ３１\r\n"),
            row("a NUL behind the digits", "content-length: 31\0\r\n"),
            row("a vertical tab in front", "content-length: \x0b31\r\n"),
            row("a form feed behind", "content-length: 31\x0c\r\n"),
            row("a no-break space in front", "content-length: \u{a0}31\r\n"),
            row("2^64 + 31, which wraps to 31", "content-length: 18446744073709551647\r\n"),
            row("four hundred digits", &long),
            row("a space before the colon", "content-length : 31\r\n"),
            row("a tab before the colon", "content-length\t: 31\r\n"),
            row("a folded line", "content-length:\r\n 31\r\n"),
            row("a length folded into another field", "x-before: y\r\n content-length: 31\r\n"),
            row("a length with a NUL in its name", "content\0-length: 31\r\n"),
        ])
        .await;
}

#[tokio::test]
async fn a_number_that_is_no_hostility_is_read_as_what_it_is() {
    let row = |name, fields: &str, outcome| Row::new(name, post(fields, BODY), outcome);
    let large = |name, fields: &str| row(name, fields, broken(&[400, 413])).end(End::HalfClose);
    Doors::open(&[])
        .await
        .check(vec![
            row("white space around the digits", "content-length:\t 31 \t\r\n", answered(&[200])),
            row("leading noughts", "content-length: 0000000031\r\n", answered(&[200])),
            row("a name in odd case", "cOnTeNt-LeNgTh: 31\r\n", answered(&[200])),
            large("2^63 + 31, which a signed number cannot hold", "content-length: 9223372036854775839\r\n"),
            large("2^64 - 1", "content-length: 18446744073709551615\r\n"),
            large("a byte over the limit", "content-length: 33554433\r\n"),
            // Without a body there is no JSON; the body stands where the next request should.
            row("an underscore in the name", "content_length: 31\r\n", answered(&[400]).then_refused(&[400])),
            row("no length", "", answered(&[400]).then_refused(&[400])),
            row("a length of nought", "content-length: 0\r\n", answered(&[400]).then_refused(&[400])),
            row("a byte too few", "content-length: 30\r\n", answered(&[400]).then_refused(&[400])),
        ])
        .await;
}

#[tokio::test]
async fn a_request_hidden_by_its_length_is_never_served() {
    let hidden = smuggled();
    let length = hidden.len();
    let get =
        |body: &str| format!("GET /livez HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}");
    let behind_chunks = format!("0\r\n\r\n{hidden}");
    let both = |fields: &str| post(fields, &behind_chunks);
    Doors::open(&[])
        .await
        .check(vec![
            Row::new(
                "in a body that only one of two lengths covers",
                post(format!("content-length: 0\r\ncontent-length: {length}\r\n"), &hidden),
                refused(&[400]),
            ),
            Row::new(
                "behind the chunks of a request with a length",
                both(&format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", behind_chunks.len())),
                refused(&[400]),
            ),
            Row::new(
                "behind the chunks of a request with a short length",
                both("transfer-encoding: chunked\r\ncontent-length: 5\r\n"),
                refused(&[400]),
            ),
            Row::new("in the body of a GET", get(&hidden), answered(&[200])),
            Row::new(
                "in the body of a request without a credential",
                format!(
                    "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{hidden}"
                ),
                answered(&[401]),
            ),
            Row::new(
                "in the body of a request to nowhere",
                format!("POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{hidden}"),
                answered(&[404]),
            ),
            Row::new(
                "in the body of a method that is not served",
                format!("DELETE /v1/models HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{hidden}"),
                answered(&[405]),
            ),
            Row::new(
                "in the body of a request with an unknown Expect",
                post(format!("expect: 100-continue\r\ncontent-length: {length}\r\n"), &hidden),
                // The hidden request is the body, and a body that is not JSON.
                answered(&[400]).invited(),
            ),
        ])
        .await;
}
