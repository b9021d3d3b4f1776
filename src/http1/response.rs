//! The head of an answer (<https://www.rfc-editor.org/rfc/rfc9112#section-4>).

use std::mem::MaybeUninit;

use super::{Body, Fields, Flaw, Framing, MAX_FIELDS, bare_line_feed};

/// An answer's head. One value serves all heads of a connection, one after the other.
#[derive(Debug)]
pub struct ResponseHead {
    pub status: u16,
    pub fields: Fields,
    /// How the body ends. Right for every request but `HEAD` and `CONNECT`.
    pub body: Body,
    /// The connection can serve again after this answer.
    pub keep_alive: bool,
}

impl Default for ResponseHead {
    fn default() -> Self {
        ResponseHead { status: 0, fields: Fields::default(), body: Body::Length(0), keep_alive: false }
    }
}

impl ResponseHead {
    /// Reads the head at the start of `bytes`: its length, or None while it is incomplete.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Flaw> {
        let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut slots);
        let len = match parsed {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Flaw::TooManyFields),
            Err(_) => return Err(Flaw::Invalid("the answer's head is not valid HTTP/1.1")),
        };
        let head = bytes.get(..len).unwrap_or(bytes);
        if bare_line_feed(head) {
            return Err(Flaw::Invalid("the lines of the answer's head do not end in CR LF"));
        }
        self.status = response.code.unwrap_or(0);
        if !(100..=999).contains(&self.status) {
            return Err(Flaw::Invalid("the answer's status is not one"));
        }
        self.fields.take(response.headers);
        let mut framing = Framing::default();
        for (name, value) in self.fields.iter() {
            framing.note(name, value)?;
        }
        self.settle(&framing, response.version.unwrap_or(0))?;
        Ok(Some(len))
    }

    /// The rules of <https://www.rfc-editor.org/rfc/rfc9112#section-6.3>.
    fn settle(&mut self, framing: &Framing, minor: u8) -> Result<(), Flaw> {
        framing.agree(minor)?;
        let bodiless = self.status < 200 || matches!(self.status, 204 | 304);
        self.body = match framing.length {
            _ if bodiless => Body::Length(0),
            _ if framing.chunked => Body::chunked(),
            Some(length) => Body::Length(length),
            None => Body::Close,
        };
        let kept = if minor == 0 { framing.keep_alive } else { true };
        self.keep_alive = kept && !framing.close && self.body != Body::Close;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Result<Option<ResponseHead>, Flaw> {
        let mut response = ResponseHead::default();
        Ok(response.read(head.as_bytes())?.map(|_| response))
    }

    #[test]
    fn an_answer_says_how_its_body_ends_and_whether_the_connection_goes_on() {
        let cases = [
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", Body::Length(3), true),
            ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", Body::Length(0), true),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Body::chunked(), true),
            ("HTTP/1.1 200 OK\r\n\r\n", Body::Close, false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: x, close\r\n\r\n", Body::Length(3), false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\n", Body::Length(3), false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\nConnection: keep-alive\r\n\r\n", Body::Length(3), true),
            ("HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", Body::Length(0), true),
            ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", Body::Length(0), true),
        ];
        for (head, body, keep_alive) in cases {
            let response = read(head).expect(head).expect(head);
            assert_eq!((response.body, response.keep_alive), (body, keep_alive), "{head}");
        }
        assert!(read("HTTP/1.1 200 OK\r\nContent-").expect("sound so far").is_none());
    }

    #[test]
    fn ambiguous_answers_are_refused() {
        for head in [
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\nContent-Length: 1\n\n",
            "HTTP/1.1 099 OK\r\n\r\n",
            "HTTP/1.1 20 OK\r\n\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "220 smtp ready\r\n\r\n",
            "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        ] {
            assert!(read(head).is_err(), "{head:?}");
        }
    }
}
