//! Where a body ends, and what of the bytes on the wire is its data
//! (<https://www.rfc-editor.org/rfc/rfc9112#section-6>).

/// How a body ends, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Chunks),
    /// The end of the connection ends it. Answers only.
    Close,
}

impl Body {
    /// A chunked body from its beginning.
    pub fn chunked() -> Self {
        Body::Chunked(Chunks::default())
    }

    /// How many of `bytes` belong to this message. Less than all means that the message ended there.
    ///
    /// # Errors
    /// What is wrong with the framing.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, &'static str> {
        self.walk(bytes, |_| {})
    }

    /// As [`Body::take`], and appends the data among these bytes to `data`.
    ///
    /// # Errors
    /// What is wrong with the framing.
    pub fn read(&mut self, bytes: &[u8], data: &mut Vec<u8>) -> Result<usize, &'static str> {
        self.walk(bytes, |piece| data.extend_from_slice(piece))
    }

    fn walk(&mut self, bytes: &[u8], data: impl FnMut(&[u8])) -> Result<usize, &'static str> {
        let mut data = data;
        match self {
            Body::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= taken as u64;
                data(bytes.get(..taken).unwrap_or(bytes));
                Ok(taken)
            }
            Body::Chunked(chunks) => chunks.walk(bytes, data),
            Body::Close => {
                data(bytes);
                Ok(bytes.len())
            }
        }
    }

    /// Has the message ended? One that ends with its connection never says so itself.
    pub fn done(&self) -> bool {
        match self {
            Body::Length(left) => *left == 0,
            Body::Chunked(chunks) => chunks.state == State::Done,
            Body::Close => false,
        }
    }
}

/// Follows a chunked body to its end (<https://www.rfc-editor.org/rfc/rfc9112#section-7.1>).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    state: State,
    /// Size being read, or bytes left of the chunk's data.
    left: u64,
    /// Hexadecimal digits of the size so far.
    digits: u8,
    /// Bytes of extensions that no data has made up for yet, or of all trailers.
    extra: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    Trailer,
    TrailerLf,
    EndLf,
    Done,
}

impl Chunks {
    fn walk(&mut self, bytes: &[u8], mut data: impl FnMut(&[u8])) -> Result<usize, &'static str> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::Done => break,
                State::Data => {
                    let piece = (bytes.len() - at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                    data(bytes.get(at..at + piece).unwrap_or_default());
                    self.left -= piece as u64;
                    self.extra = self.extra.saturating_sub(piece);
                    at += piece;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                }
                _ => {
                    self.step(byte)?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<(), &'static str> {
        use State::*;
        self.state = match (self.state, byte) {
            (Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => return self.digit(byte),
            (Size, b'\r') if self.digits > 0 => SizeLf,
            (Size, b';') if self.digits > 0 => self.next_line_byte(byte, Extension)?,
            (Size, _) => return Err("invalid chunk size"),
            (Extension, b'\r') => SizeLf,
            (Extension, b'\n') => return Err("a chunk size line must end in CR LF"),
            (Extension, _) => self.next_line_byte(byte, Extension)?,
            (SizeLf, b'\n') => self.sized(),
            (DataCr, b'\r') => DataLf,
            (DataLf, b'\n') => Size,
            (TrailerStart, b'\r') => EndLf,
            (Trailer, b'\n') => return Err("a trailer line must end in CR LF"),
            (Trailer, b'\r') => TrailerLf,
            (Trailer, _) => self.next_line_byte(byte, Trailer)?,
            (TrailerName, b':') => self.next_line_byte(byte, Trailer)?,
            (TrailerStart | TrailerName, _) if is_token(byte) => self.next_line_byte(byte, TrailerName)?,
            (TrailerStart | TrailerName, _) => return Err("a trailer line is no field"),
            (TrailerLf, b'\n') => TrailerStart,
            (EndLf, b'\n') => Done,
            _ => return Err("a chunk is not followed by CR LF"),
        };
        Ok(())
    }

    fn digit(&mut self, byte: u8) -> Result<(), &'static str> {
        self.digits += 1;
        if self.digits > MAX_SIZE_DIGITS {
            return Err("a chunk is too large");
        }
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => byte - b'A' + 10,
        };
        self.left = self.left << 4 | u64::from(value);
        Ok(())
    }

    fn sized(&mut self) -> State {
        self.digits = 0;
        if self.left == 0 {
            self.extra = 0;
        }
        if self.left == 0 { State::TrailerStart } else { State::Data }
    }

    fn next_line_byte(&mut self, byte: u8, state: State) -> Result<State, &'static str> {
        if byte.is_ascii_control() && byte != b'\t' {
            return Err("a chunk extension or trailer has a control character in it");
        }
        self.extra += 1;
        if self.extra > MAX_EXTRA_BYTES {
            Err("chunk extensions or trailers are too long")
        } else {
            Ok(state)
        }
    }
}

/// May the byte stand in the name of a field (<https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2>)?
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// 2^60 bytes and more are nobody's chunk.
const MAX_SIZE_DIGITS: u8 = 15;
/// Bytes of extensions beyond those of data, so that a message cannot be made of nothing else; or of all
/// trailers.
const MAX_EXTRA_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunked_body_ends_at_the_same_byte_and_has_the_same_data_however_it_is_cut() {
        let body = b"4;ext=1\r\nWiki\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX-T: 1\r\n\r\n";
        let with_more = [body.as_slice(), b"GET / HTTP/1.1\r\n"].concat();
        for cut in 0..=with_more.len() {
            let (mut scan, mut data) = (Body::chunked(), Vec::new());
            let (first, second) = with_more.split_at(cut);
            let mut taken = scan.read(first, &mut data).expect("sound");
            if taken == first.len() {
                taken += scan.read(second, &mut data).expect("sound");
            }
            assert_eq!((taken, scan.done()), (body.len(), true), "cut at {cut}");
            assert_eq!(data, b"Wikiabcdefghijklmnopqrstuvwxyz", "cut at {cut}");
        }
    }

    #[test]
    fn a_body_of_known_length_takes_no_more_than_that() {
        let (mut body, mut data) = (Body::Length(3), Vec::new());
        assert_eq!(body.read(b"ab", &mut data), Ok(2));
        assert_eq!(body.read(b"cd", &mut data), Ok(1));
        assert_eq!((data.as_slice(), body.done()), (b"abc".as_slice(), true));
    }

    #[test]
    fn a_message_is_not_made_of_extensions() {
        let frugal = format!("400;a={}\r\n{}\r\n", "b".repeat(1000), "x".repeat(1024)).repeat(40);
        assert_eq!(Body::chunked().take(frugal.as_bytes()), Ok(frugal.len()));
        let wordy = format!("1;a={}\r\nx\r\n", "b".repeat(4000)).repeat(3);
        assert!(Body::chunked().take(wordy.as_bytes()).is_err());
    }

    #[test]
    fn broken_chunks_are_refused() {
        for body in [
            "\r\n",
            "g\r\n",
            "1\nx",
            "1\r\nxy",
            "1\r\nx\n",
            "-1\r\n",
            " 1\r\n",
            "1 \r\n",
            "FFFFFFFFFFFFFFFFFF\r\n",
            "0\r\nX: 1\n",
            "1;a\nx",
            "1;a\0b\r\n",
            "0\r\nX: \x01\r\n\r\n",
            "0\r\nX\r\n\r\n",
            "0\r\n: x\r\n\r\n",
            "0\r\nX : x\r\n\r\n",
            "0\r\nX: x\r\n y\r\n\r\n",
        ] {
            assert!(Body::chunked().take(body.as_bytes()).is_err(), "{body:?}");
        }
    }
}
