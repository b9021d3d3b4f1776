//! The head of an answer as bytes.

use pingora_core::protocols::http::date;

use crate::proxy::downstream::ResponseHead;
use crate::wire::outbox::push_decimal;

/// Appends the head of an answer. Its framing is said here and nowhere else.
pub fn push(out: &mut Vec<u8>, head: &ResponseHead, close: bool) {
    push_status_line(out, head.status);
    out.extend_from_slice(head.headers.lines());
    field(out, "date", date::get_cached_date().as_bytes());
    match head.length {
        // Such answers have no body, and say nothing about it (RFC 9110, 8.6).
        _ if head.status < 200 || head.status == 204 => {}
        Some(length) => {
            out.extend_from_slice(b"content-length: ");
            push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        None => field(out, "transfer-encoding", b"chunked"),
    }
    if close {
        field(out, "connection", b"close");
    }
    out.extend_from_slice(b"\r\n");
}

fn push_status_line(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(out, status.into());
    let reason = http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    out.push(b' ');
    out.extend_from_slice(reason.unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::transport::Headers;

    fn text(head: &ResponseHead, close: bool) -> String {
        let mut out = Vec::new();
        push(&mut out, head, close);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_head_says_its_framing_once() {
        let mut headers = Headers::default();
        headers.push_static("content-type", "application/json");
        let head = ResponseHead { status: 200, headers, length: Some(12) };
        let whole = text(&head, false);
        assert!(whole.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ndate: "), "{whole}");
        assert!(whole.ends_with(" GMT\r\ncontent-length: 12\r\n\r\n"), "{whole}");
        let stream = text(&ResponseHead { status: 299, ..ResponseHead::default() }, true);
        assert!(stream.starts_with("HTTP/1.1 299 \r\n"), "{stream}");
        assert!(stream.ends_with("transfer-encoding: chunked\r\nconnection: close\r\n\r\n"), "{stream}");
        let nothing = text(&ResponseHead { status: 204, length: Some(0), ..ResponseHead::default() }, false);
        assert!(!nothing.contains("content-length"), "{nothing}");
    }
}
