//! One connection: requests in, answers out, in order, with as few reads and writes as they allow.
//!
//! Answers collect in a buffer that is written when there is nothing more to answer, so that pipelined requests
//! share one write; an answer that takes its time, or is a long stream, is written as it comes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::answer::Answer;
use super::call::{Dialect, Refusal};
use super::http::{self, Dechunker, Head, Media, RequestBody, ResponseBody, ResponseHead};
use super::plan::{self, Content, Plan, Whole};
use super::script::{Fault, FaultKind, Place};
use super::server::Shared;
use super::stream::{Ending, Grammar, Player, Wire};
use super::{anthropic, bedrock, gemini, openai, responses};

/// Serves a connection until either side has enough of it. An error is the caller's going away: there is
/// nobody left to tell.
pub(super) async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    let _ = socket.set_nodelay(true);
    let wire = Wire { socket, out: Vec::with_capacity(FIRST_BUFFER) };
    let input = Vec::with_capacity(FIRST_BUFFER);
    let _ = Connection { wire, input, at: 0, shared }.run().await;
}

struct Connection {
    wire: Wire,
    input: Vec<u8>,
    /// Bytes of `input` that are answered already.
    at: usize,
    shared: Arc<Shared>,
}

/// Why no request could be read.
enum Broken {
    Left,
    Refused(Refusal),
}

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Broken {
        Broken::Left
    }
}

impl From<Refusal> for Broken {
    fn from(refusal: Refusal) -> Broken {
        Broken::Refused(refusal)
    }
}

/// A request body: its length on the wire, and its bytes if they are not simply those.
struct Received {
    len: usize,
    decoded: Option<Vec<u8>>,
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        loop {
            let (mut head, body) = match self.request().await {
                Ok(request) => request,
                Err(Broken::Left) => return Ok(()),
                Err(Broken::Refused(refusal)) => return self.refuse(&refusal).await,
            };
            let end = self.at + head.len + body.len;
            let in_place = self.input.get(self.at + head.len..end).unwrap_or_default();
            let bytes = body.decoded.as_deref().unwrap_or(in_place);
            if let Some(cache) = self.shared.cache.as_ref().filter(|_| head.route.reads_prompt()) {
                head.script.ttft += cache.wait(bytes, std::time::Instant::now());
            }
            let plan = Plan::of(&mut head, bytes);
            let ending =
                Exchange { wire: &mut self.wire, shared: &self.shared, head: &head }.perform(plan).await?;
            self.at = end;
            match ending {
                Ending::Complete if head.keep_alive => {}
                Ending::Complete => return self.finish().await,
                Ending::HungUp => return self.wire.flush().await,
                Ending::Stalled => {
                    self.wire.flush().await?;
                    return self.until_left().await;
                }
            }
        }
    }

    async fn request(&mut self) -> Result<(Head, Received), Broken> {
        let mut head = loop {
            if let Some(head) = Head::parse(self.unread(), &self.shared)? {
                break head;
            }
            self.fill(0).await?;
        };
        let body = self.body(&mut head).await?;
        Ok((head, body))
    }

    async fn body(&mut self, head: &mut Head) -> Result<Received, Broken> {
        match head.body {
            RequestBody::Length(len) => {
                while self.unread().len() < head.len + len {
                    self.fill_body(head, head.len + len - self.unread().len()).await?;
                }
                Ok(Received { len, decoded: None })
            }
            RequestBody::Chunked => {
                let mut body = Dechunker::default();
                while !body.advance(self.unread().get(head.len..).unwrap_or_default())? {
                    self.fill_body(head, 0).await?;
                }
                Ok(Received { len: body.taken, decoded: Some(body.decoded) })
            }
        }
    }

    async fn fill_body(&mut self, head: &mut Head, missing: usize) -> Result<(), Broken> {
        if std::mem::take(&mut head.expects_continue) {
            self.wire.out.extend_from_slice(http::CONTINUE);
        }
        self.fill(missing).await
    }

    fn unread(&self) -> &[u8] {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// Sends what is answered, then reads once, with room for at least `missing` bytes.
    async fn fill(&mut self, missing: usize) -> Result<(), Broken> {
        self.wire.flush().await?;
        if self.at == self.input.len() {
            self.input.clear();
            self.input.shrink_to(KEPT_BUFFER);
        } else {
            self.input.drain(..self.at);
        }
        self.at = 0;
        if self.input.capacity() - self.input.len() < missing.max(LEAST_READ) {
            self.input.reserve(missing.max(FIRST_BUFFER));
        }
        match self.wire.socket.read_buf(&mut self.input).await? {
            0 => Err(Broken::Left),
            _ => Ok(()),
        }
    }

    /// Answers what could not be read as a request. Where the next one would begin is unknown, so the
    /// connection ends.
    async fn refuse(&mut self, refusal: &Refusal) -> io::Result<()> {
        let mut body = Vec::new();
        openai::write_error(refusal, &mut body);
        let head = ResponseHead {
            status: refusal.status,
            media: Media::Json,
            dialect: Dialect::OpenAi,
            serial: plan::next_serial(),
            body: ResponseBody::Length(body.len()),
            retry_after: None,
            error_type: None,
            close: true,
        };
        head.push(&mut self.wire.out);
        self.wire.out.extend_from_slice(&body);
        self.finish().await
    }

    /// Closes so that the caller still receives the answer when more of its own bytes are under way: closing
    /// a socket with unread input resets the connection.
    async fn finish(&mut self) -> io::Result<()> {
        self.wire.flush().await?;
        self.wire.socket.shutdown().await?;
        timeout(LINGER, self.until_left()).await.unwrap_or(Ok(()))
    }

    async fn until_left(&mut self) -> io::Result<()> {
        let mut ignored = [0u8; 4096];
        while self.wire.socket.read(&mut ignored).await? > 0 {}
        Ok(())
    }
}

/// The answering of one request.
struct Exchange<'a> {
    wire: &'a mut Wire,
    shared: &'a Shared,
    head: &'a Head,
}

impl Exchange<'_> {
    async fn perform(&mut self, plan: Plan<'_>) -> io::Result<Ending> {
        let script = &self.head.script;
        let arrived = script.is_paced().then(Instant::now);
        match script.fault {
            Some(Fault { kind: FaultKind::Stall, place: Place::Head }) => return Ok(Ending::Stalled),
            Some(Fault { kind: FaultKind::Hangup, place: Place::Head }) => return Ok(Ending::HungUp),
            _ => {}
        }
        if let Some(arrived) = arrived
            && !script.ttft.is_zero()
        {
            self.wire.flush_and_sleep_until(arrived + script.ttft).await?;
        }
        match plan.content {
            Content::Whole(whole) => Ok(self.whole(&whole, plan.serial)),
            Content::Answer(answer) if answer.stream => self.stream(&answer, arrived).await,
            Content::Answer(answer) => self.answer(&answer, arrived).await,
        }
    }

    async fn stream(&mut self, answer: &Answer<'_>, arrived: Option<Instant>) -> io::Result<Ending> {
        let chunked = self.head.knows_chunked;
        let body = if chunked { ResponseBody::Chunked } else { ResponseBody::UntilClose };
        let media = match answer.dialect {
            Dialect::Gemini if gemini::is_array(answer) => Media::Json,
            Dialect::Bedrock => Media::Messages,
            _ => Media::Events,
        };
        self.response(200, media, answer.serial, body).push(&mut self.wire.out);
        match answer.dialect {
            Dialect::OpenAi => self.play(openai::Chunks::of(answer), answer, arrived).await,
            Dialect::Anthropic => self.play(anthropic::Events { answer }, answer, arrived).await,
            Dialect::Responses => self.play(responses::Events::of(answer), answer, arrived).await,
            Dialect::Gemini => self.play(gemini::Chunks::of(answer), answer, arrived).await,
            Dialect::Bedrock => self.play(bedrock::Events { answer }, answer, arrived).await,
        }
    }

    async fn play<G: Grammar>(
        &mut self,
        grammar: G,
        answer: &Answer<'_>,
        arrived: Option<Instant>,
    ) -> io::Result<Ending> {
        let (blocks, script, tally) = (answer.blocks.as_slice(), &self.head.script, &self.shared.frames);
        let chunked = self.head.knows_chunked;
        Player { grammar, blocks, script, chunked, arrived, tally }.play(self.wire).await
    }

    /// Writes an answer as one JSON body, when its last token is due.
    async fn answer(&mut self, answer: &Answer<'_>, arrived: Option<Instant>) -> io::Result<Ending> {
        if let Some(arrived) = arrived {
            let due = arrived + self.head.script.due_after(answer.tokens());
            self.wire.flush_and_sleep_until(due).await?;
        }
        let mut body = Vec::with_capacity(FIRST_BUFFER);
        match answer.dialect {
            Dialect::OpenAi => openai::write(answer, &mut body),
            Dialect::Anthropic => anthropic::write(answer, &mut body),
            Dialect::Responses => responses::write(answer, &mut body),
            Dialect::Gemini => gemini::write(answer, &mut body),
            Dialect::Bedrock => bedrock::write(answer, &mut body),
        }
        let whole = Whole { status: 200, media: Media::Json, body, error_type: None };
        Ok(self.whole(&whole, answer.serial))
    }

    /// Writes a finished body, or what the script's fault leaves of it.
    fn whole(&mut self, whole: &Whole, serial: u64) -> Ending {
        let body = whole.body.as_slice();
        let half = body.get(..body.len() / 2).unwrap_or_default();
        let (promised, sent, ending) = match self.head.script.fault.map(|fault| fault.kind) {
            Some(FaultKind::Stall) => (body, half, Ending::Stalled),
            Some(FaultKind::Hangup) => (body, half, Ending::HungUp),
            Some(FaultKind::Malformed) => (half, half, Ending::Complete),
            Some(FaultKind::Error) | None => (body, body, Ending::Complete),
        };
        let length = ResponseBody::Length(promised.len());
        let head = self.response(whole.status, whole.media, serial, length);
        ResponseHead { error_type: whole.error_type, ..head }.push(&mut self.wire.out);
        if !self.head.head_only {
            self.wire.out.extend_from_slice(sent);
        }
        ending
    }

    fn response(&self, status: u16, media: Media, serial: u64, body: ResponseBody) -> ResponseHead {
        ResponseHead {
            status,
            media,
            dialect: self.head.dialect(),
            serial,
            body,
            error_type: None,
            retry_after: self.head.script.retry_after.filter(|_| status >= 400),
            close: !self.head.keep_alive || body == ResponseBody::UntilClose,
        }
    }
}

/// A first read takes this much; most requests of a test are smaller.
const FIRST_BUFFER: usize = 8 * 1024;
/// Less room than this is not worth a read.
const LEAST_READ: usize = 2 * 1024;
/// An idle connection keeps at most this much.
const KEPT_BUFFER: usize = 256 * 1024;
/// How long a closed connection waits for the caller to close its side.
const LINGER: Duration = Duration::from_secs(1);
