//! One caller, one connection, one request after another.

use std::net::SocketAddr;
use std::time::Instant;

use load::quantiles::micros;
use load::request::{Numbered, Numbers, post};
use load::wire::{Dechunker, Length, body_length, head_length};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Settings;

/// A caller.
pub struct Caller {
    target: SocketAddr,
    request: Numbered,
    expected: Vec<Numbered>,
    numbers: Numbers,
    connection: Option<TcpStream>,
    input: Vec<u8>,
    /// Microseconds from the first byte written to the last byte read, of each answer.
    pub latencies: Vec<u32>,
}

impl Caller {
    pub fn new(settings: &Settings, body: &[u8], numbers: Numbers) -> Self {
        let numbered = settings.numbers > 0;
        let request = post(settings.target, &settings.path, &settings.key, &settings.header, body);
        let expected = settings.expect.iter().map(|text| Numbered::new(text.clone().into_bytes(), numbered));
        Caller {
            target: settings.target,
            request: Numbered::new(request, numbered),
            expected: expected.collect(),
            numbers,
            connection: None,
            input: Vec::with_capacity(READ),
            latencies: Vec::new(),
        }
    }

    /// Sends the request and reads its answer; false when there is no number left.
    ///
    /// # Errors
    /// What is wrong with the answer.
    pub async fn ask(&mut self) -> Result<bool, String> {
        let Some(number) = self.numbers.next() else { return Ok(false) };
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.target).await.map_err(|error| format!("connecting: {error}"))?,
        };
        let began = Instant::now();
        let request = self.request.with(number);
        connection.write_all(request).await.map_err(|error| format!("writing: {error}"))?;
        let body = answer(&mut connection, &mut self.input).await?;
        self.latencies.push(micros(began.elapsed()));
        for expected in &mut self.expected {
            let expected = expected.with(number);
            if memmem::find(&body, expected).is_none() {
                return Err(format!("no {} in an answer", String::from_utf8_lossy(expected)));
            }
        }
        self.connection = Some(connection);
        Ok(true)
    }
}

async fn connect(target: SocketAddr) -> std::io::Result<TcpStream> {
    let connection = TcpStream::connect(target).await?;
    connection.set_nodelay(true)?;
    Ok(connection)
}

/// The body of the next answer, read into `input` or, where it comes in chunks, out of it.
async fn answer<'a>(
    from: &mut TcpStream,
    input: &'a mut Vec<u8>,
) -> Result<std::borrow::Cow<'a, [u8]>, String> {
    input.clear();
    let head = loop {
        read(from, input).await?;
        if let Some(head) = head_length(input) {
            break head;
        }
    };
    match body_length(input.get(..head).unwrap_or_default())? {
        Length::Known(length) => {
            while input.len() < head + length {
                read(from, input).await?;
            }
            if input.len() > head + length {
                return Err("bytes after the end of an answer".to_owned());
            }
            Ok(input.get(head..).unwrap_or_default().into())
        }
        Length::Chunked => {
            input.drain(..head);
            let (mut dechunker, mut body) = (Dechunker::default(), Vec::new());
            loop {
                let used = dechunker.push(input, &mut body)?;
                input.drain(..used);
                match (dechunker.done(), input.is_empty()) {
                    (true, true) => return Ok(body.into()),
                    (true, false) => return Err("bytes after the end of an answer".to_owned()),
                    (false, _) => read(from, input).await?,
                }
            }
        }
    }
}

async fn read(from: &mut TcpStream, input: &mut Vec<u8>) -> Result<(), String> {
    match from.read_buf(input).await {
        Ok(0) => Err("the connection ended within an answer".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("reading: {error}")),
    }
}

const READ: usize = 16 * 1024;
