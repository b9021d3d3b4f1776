//! HTTP/1.1 messages as bytes: heads and the framing of bodies, without I/O and without leniency
//! (<https://www.rfc-editor.org/rfc/rfc9112>).
//!
//! Two parsers that disagree about the end of a message let one caller write another's request. So what the
//! RFC calls ambiguous is refused here, before anything else looks at it. Both sides of the gateway read with
//! this room, and nothing in it knows which side it is on.

pub mod body;
pub mod fields;
pub mod headers;
pub mod request;
pub mod response;

pub use body::Body;
pub use fields::Fields;
pub use headers::Headers;
pub use request::RequestHead;
pub use response::ResponseHead;

/// Why bytes are no acceptable message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Not a message, or one that could be understood in two ways: what is wrong.
    Invalid(&'static str),
    TooManyFields,
    /// `CONNECT`: sound, and nothing this room frames.
    Tunnel,
}

/// Header fields a message may have.
pub const MAX_FIELDS: usize = 128;

/// Is there a line feed without a carriage return in front of it? Recipients differ about such lines.
fn bare_line_feed(head: &[u8]) -> bool {
    // Looks at every byte, which vector instructions do many at a time.
    let behind = head.get(1..).unwrap_or_default();
    let bare = |(before, byte): (&u8, &u8)| (*byte == b'\n') & (*before != b'\r');
    head.first() == Some(&b'\n') || head.iter().zip(behind).fold(false, |found, pair| found | bare(pair))
}

/// The value of a `Content-Length`. Digits only: no sign, no space, no list, and a number that fits.
///
/// # Errors
/// It is none.
pub fn content_length(value: &[u8]) -> Result<u64, Flaw> {
    let digits =
        !value.is_empty() && value.len() <= MAX_LENGTH_DIGITS && value.iter().all(u8::is_ascii_digit);
    if !digits {
        return Err(Flaw::Invalid("invalid Content-Length header"));
    }
    Ok(value.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

/// A host and perhaps a port (<https://www.rfc-editor.org/rfc/rfc9110#section-7.2>). Empty where the target has
/// none either. A comma is allowed in a name by the letter, but is what two joined fields look like.
fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value.strip_prefix(b"[") {
        Some(bracketed) => {
            let Some(end) = memchr::memchr(b']', bracketed) else { return false };
            let (address, rest) = bracketed.split_at(end);
            if address.is_empty() || !address.iter().all(|b| b.is_ascii_hexdigit() || b":.v".contains(b)) {
                return false;
            }
            (&b""[..], rest.get(1..).unwrap_or_default())
        }
        None => value.split_at(memchr::memchr(b':', value).unwrap_or(value.len())),
    };
    let port_is_one = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    port_is_one && host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(b))
}

/// What the fields of a head say about the framing and the connection.
#[derive(Clone, Copy, Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    hosts: usize,
    /// Tokens of `Connection`.
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    expects_continue: bool,
}

impl Framing {
    /// Takes one field into account. The name is in lower case.
    fn note(&mut self, name: &str, value: &[u8]) -> Result<(), Flaw> {
        // Most fields are none of these; their length tells without a comparison.
        match name.len() {
            4 if name == "host" => {
                self.hosts += 1;
                if !is_host(value) {
                    return Err(Flaw::Invalid("the Host header is not a host"));
                }
            }
            6 if name == "expect" => self.expects_continue = value.eq_ignore_ascii_case(b"100-continue"),
            7 if name == "upgrade" => self.upgrade = true,
            10 if name == "connection" => self.connection(value),
            14 if name == "content-length" => {
                if self.length.is_some() {
                    return Err(Flaw::Invalid("conflicting Content-Length headers"));
                }
                self.length = Some(content_length(value)?);
            }
            17 if name == "transfer-encoding" => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Flaw::Invalid(
                        "the only Transfer-Encoding understood is chunked, on HTTP/1.1",
                    ));
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) {
        for token in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            self.close |= token.eq_ignore_ascii_case(b"close");
            self.keep_alive |= token.eq_ignore_ascii_case(b"keep-alive");
            self.upgrade |= token.eq_ignore_ascii_case(b"upgrade");
        }
    }

    /// Chunked framing came with HTTP/1.1, and a message has one framing.
    fn agree(&self, minor: u8) -> Result<(), Flaw> {
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Flaw::Invalid("both Content-Length and Transfer-Encoding")),
            (true, None) if minor == 0 => {
                Err(Flaw::Invalid("the only Transfer-Encoding understood is chunked, on HTTP/1.1"))
            }
            _ => Ok(()),
        }
    }
}

/// 10^18 - 1 bytes are enough for everyone, and fit.
const MAX_LENGTH_DIGITS: usize = 18;
