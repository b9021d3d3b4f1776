//! The head of a request (<https://www.rfc-editor.org/rfc/rfc9112#section-3>).

use std::mem::MaybeUninit;

use http::Method;

use super::{Body, Fields, Flaw, Framing, MAX_FIELDS, bare_line_feed, is_host};

/// A request's head. One value serves all heads of a connection, one after the other.
#[derive(Debug)]
pub struct RequestHead {
    pub method: Method,
    /// Minor version of HTTP/1.
    pub minor: u8,
    pub fields: Fields,
    /// How the body ends.
    pub body: Body,
    /// The connection ends with the answer.
    pub close: bool,
    /// The caller wants `100 Continue` before it sends its body.
    pub expects_continue: bool,
    /// The caller offers another protocol.
    pub upgrade: bool,
    /// Path and query.
    target: String,
    query: Option<usize>,
    /// The target's host, if it came with one.
    authority: Option<String>,
}

impl Default for RequestHead {
    fn default() -> Self {
        RequestHead {
            method: Method::GET,
            minor: 1,
            fields: Fields::default(),
            body: Body::Length(0),
            close: false,
            expects_continue: false,
            upgrade: false,
            target: String::new(),
            query: None,
            authority: None,
        }
    }
}

impl RequestHead {
    /// Reads the head at the start of `bytes`: its length, or None while it is incomplete.
    ///
    /// # Errors
    /// What is wrong with it. Method and target are known as far as they could be read.
    pub fn read(&mut self, bytes: &[u8]) -> Result<Option<usize>, Flaw> {
        let mut slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(bytes, &mut slots);
        // The target is wanted for the envelope of an error even if the rest is unreadable.
        let target = request.path.unwrap_or_default();
        self.target.clear();
        self.target.push_str(target);
        self.query = memchr::memchr(b'?', target.as_bytes());
        self.authority = None;
        let len = match parsed {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(error) => {
                return Err(match error {
                    httparse::Error::TooManyHeaders => Flaw::TooManyFields,
                    _ => Flaw::Invalid("the request head is not valid HTTP/1.1"),
                });
            }
        };
        let head = bytes.get(..len).unwrap_or(bytes);
        if bare_line_feed(head) {
            return Err(Flaw::Invalid("the lines of a request head must end in CR LF"));
        }
        self.take_line(&request)?;
        let mut framing = Framing::default();
        self.fields.take(request.headers);
        for (name, value) in self.fields.iter() {
            framing.note(name, value)?;
        }
        self.settle(&framing)?;
        Ok(Some(len))
    }

    fn take_line(&mut self, request: &httparse::Request<'_, '_>) -> Result<(), Flaw> {
        let method = request.method.unwrap_or_default();
        self.method = Method::from_bytes(method.as_bytes())
            .map_err(|_| Flaw::Invalid("the request method is not a token"))?;
        self.minor = request.version.unwrap_or(1);
        if self.method == Method::CONNECT {
            return Err(Flaw::Tunnel);
        }
        let target = request.path.unwrap_or_default();
        // A fragment never travels, and what is not ASCII has to be percent-encoded.
        let visible = !target.bytes().any(|byte| byte == b'#' || !byte.is_ascii_graphic());
        let fits = match target {
            _ if target.starts_with('/') => true,
            "*" => self.method == Method::OPTIONS,
            _ => self.take_absolute(target),
        };
        if visible && fits { Ok(()) } else { Err(Flaw::Invalid("the request target is not valid")) }
    }

    /// A target with scheme and host (<https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2>): what counts is its
    /// path. False if it is none.
    fn take_absolute(&mut self, target: &str) -> bool {
        let scheme = ["http://", "https://"].into_iter().find(|scheme| {
            target.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        let Some(rest) = scheme.and_then(|scheme| target.get(scheme.len()..)) else { return false };
        let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        self.target.clear();
        self.target.push_str(path);
        self.query = memchr::memchr(b'?', path.as_bytes());
        self.authority = Some(host.to_owned());
        !host.is_empty() && is_host(host.as_bytes())
    }

    fn settle(&mut self, framing: &Framing) -> Result<(), Flaw> {
        if framing.hosts > 1 || (framing.hosts == 0 && self.minor == 1) {
            return Err(Flaw::Invalid("the request needs exactly one Host header"));
        }
        // The target's host is the one that counts, and nobody needs two that differ.
        if let (Some(authority), Some(host)) = (&self.authority, self.fields.get("host"))
            && !authority.as_bytes().eq_ignore_ascii_case(host)
        {
            return Err(Flaw::Invalid("the request target and the Host header name different hosts"));
        }
        framing.agree(self.minor)?;
        self.body = if framing.chunked { Body::chunked() } else { Body::Length(framing.length.unwrap_or(0)) };
        self.close = framing.close || (self.minor == 0 && !framing.keep_alive);
        self.expects_continue = framing.expects_continue && self.minor == 1;
        self.upgrade = framing.upgrade;
        Ok(())
    }

    /// Path and query as they were sent.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The target without the query.
    pub fn path(&self) -> &str {
        let target = self.target();
        match self.query.and_then(|end| target.get(..end)).unwrap_or(target) {
            "" if self.authority.is_some() => "/",
            path => path,
        }
    }

    pub fn query(&self) -> Option<&str> {
        self.target().get(self.query? + 1..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &[u8]) -> Result<Option<RequestHead>, Flaw> {
        let mut request = RequestHead::default();
        Ok(request.read(head)?.map(|_| request))
    }

    fn with(extra: &str) -> Result<Option<RequestHead>, Flaw> {
        read(format!("POST /v1/messages?beta=1 HTTP/1.1\r\nHost: a\r\n{extra}\r\n").as_bytes())
    }

    #[test]
    fn ambiguous_heads_are_refused() {
        for extra in [
            "Content-Length: 1\r\nContent-Length: 1\r\n",
            "Content-Length: 1\r\nContent-Length: 2\r\n",
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: +1\r\n",
            "Content-Length: 1, 1\r\n",
            "Content-Length: 0x1\r\n",
            "Content-Length: \r\n",
            "Content-Length: 99999999999999999999\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: xchunked\r\n",
            "Host: b\r\n",
            "X-Folded: a\r\n b\r\n",
            "X-Bare: a\nX-B: c\r\n",
            "Bad Name: a\r\n",
            "X\0: a\r\n",
            "X: a\0\r\n",
            "X : a\r\n",
            ": a\r\n",
        ] {
            let mut request = RequestHead::default();
            let head = format!("POST /v1/messages HTTP/1.1\r\nHost: a\r\n{extra}\r\n");
            let flaw = request.read(head.as_bytes()).expect_err(extra);
            assert!(matches!(flaw, Flaw::Invalid(_)), "{extra}");
            assert_eq!(request.path(), "/v1/messages", "{extra}");
        }
    }

    #[test]
    fn plain_heads_say_how_their_body_ends() {
        let end = |extra| with(extra).expect("sound").expect("complete").body;
        assert_eq!(end(""), Body::Length(0));
        assert_eq!(end("Content-Length: 12\r\n"), Body::Length(12));
        assert!(matches!(end("transfer-encoding: Chunked\r\n"), Body::Chunked(_)));
        assert!(read(b"GET / HTTP/1.1\r\nHost:").expect("sound so far").is_none());
        assert!(read(b"GET / HTTP/1.1\r\n\r\n").is_err(), "HTTP/1.1 needs a Host");
        assert!(read(b"GET / HTTP/1.0\r\n\r\n").expect("sound").expect("complete").close);
    }

    #[test]
    fn a_head_gives_its_parts_and_its_names_have_no_case() {
        let head = with("X-API-Key:  k \r\nConnection: Close\r\nx-api-key: l\r\nExpect: 100-Continue\r\n");
        let head = head.expect("sound").expect("complete");
        assert_eq!((head.path(), head.query()), ("/v1/messages", Some("beta=1")));
        assert_eq!(head.fields.get("x-api-key"), Some(b"k".as_slice()));
        assert_eq!(head.fields.all("x-api-key").count(), 2);
        assert!(head.close && head.expects_continue && !head.upgrade);
        assert_eq!(head.fields.get("missing"), None);
    }

    #[test]
    fn the_next_head_forgets_the_last_one() {
        let mut request = RequestHead::default();
        request.read(b"POST /a?b HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nUpgrade: x\r\n\r\n").expect("sound");
        request.read(b"GET /c HTTP/1.1\r\nHost: a\r\n\r\n").expect("sound");
        assert_eq!((request.path(), request.query(), request.fields.get("x-a")), ("/c", None, None));
        assert!(!request.upgrade);
    }

    #[test]
    fn an_absolute_target_counts_by_its_path() {
        let cases = [
            ("http://a/v1/x?y", "/v1/x", Some("y")),
            ("HTTP://A", "/", None),
            ("https://a?q", "/", Some("q")),
        ];
        assert!(read(b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n").is_err(), "two hosts");
        for (target, path, query) in cases {
            let head = read(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
            let head = head.expect(target).expect(target);
            assert_eq!((head.path(), head.query()), (path, query), "{target}");
        }
    }

    #[test]
    fn a_host_is_one_host() {
        for host in ["", "a", "a.b:", "a:80", "[::1]", "[::1]:80", "1.2.3.4:5", "a%20b"] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for host in ["a b", "a,b", "a/", "a?b", "u@a", "a:http", "[::1", "[]", "[::1]x", "a:1:2", "\u{e4}"] {
            assert!(!is_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn a_target_is_ascii_has_no_fragment_and_fits_its_method() {
        for target in
            ["/a#b", "/\u{e4}", "v1/chat", "*", "a:80", "http://", "http:///x", "http://u@a/", "ftp://a/"]
        {
            assert!(
                read(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes()).is_err(),
                "{target}"
            );
        }
        assert_eq!(read(b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n").expect_err("refused"), Flaw::Tunnel);
    }
}
