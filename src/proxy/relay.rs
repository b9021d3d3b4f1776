//! Frames from upstream to caller, one after the other, until one of the two ends it.
//!
//! What arrived together leaves together, and nothing waits for more. While the caller does not read,
//! nothing is read from the upstream either. When the caller leaves, the upstream is cut at once; when the
//! upstream breaks off, the caller gets an error frame and no success terminator.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::answer::{gone, own_headers};
use super::downstream::{Downstream, ResponseHead};
use super::exchange::Exchange;
use super::node::Node;
use crate::dialect::StreamPass;
use crate::error::{Error, Kind};
use crate::upstream::StreamAnswer;
use crate::upstream::transport::{Call, Fault, Headers};

/// Relays a stream to its end. Failures after this point are told in-band, so this never fails. What is to be kept of a
/// complete answer is returned.
pub async fn stream<D: Downstream, U, C: Call>(
    node: &Node<U>,
    down: &mut D,
    x: &mut Exchange,
    answer: StreamAnswer<C>,
) -> Option<String> {
    let StreamAnswer { status, headers, mut call, mut pass, first, ended, gap, comments, keeps, seat } =
        answer;
    // Until the end of the stream, whatever the end.
    let _seat = seat;
    let heartbeat = node.settings.heartbeat.filter(|_| comments);
    let times = Times { heartbeat, gap, total: node.settings.total };
    x.answered(status);
    let head = ResponseHead { status, headers: stream_headers(x, headers), length: None };
    let relayed = match begin(down, x, head, first).await {
        Ok(()) if !ended => pump(times, down, x, &mut call, pass.as_mut()).await,
        begun => begun,
    };
    let relayed = relayed.and_then(|()| complete(&call, pass.as_ref()));
    x.tries.consumed(pass.usage());
    x.usage.add(pass.usage());
    match relayed {
        Ok(()) => {
            note_in_band_error(x, pass.as_ref());
            let _ = down.send(Bytes::new(), true).await;
            call.release().await;
            let kept = pass.answer().filter(|_| keeps)?;
            std::str::from_utf8(kept).ok().map(str::to_owned)
        }
        Err(error) => {
            // Dropped before anything is written, so that an upstream never works for a caller who left.
            drop(call);
            break_off(down, x, pass.as_mut(), error).await;
            None
        }
    }
}

/// Sends the head with the first frames. Whatever has come of them, it leaves now.
async fn begin<D: Downstream>(
    down: &mut D,
    x: &mut Exchange,
    head: ResponseHead,
    first: Bytes,
) -> Result<(), Error> {
    down.send_head(head).await.map_err(gone)?;
    x.flow.response_bytes += first.len() as u64;
    down.send(first, false).await.map_err(gone)
}

/// The bounds of a stream. None = no bound.
#[derive(Clone, Copy)]
struct Times {
    /// Silence after which the caller gets a sign of life.
    heartbeat: Option<Duration>,
    /// Longest silence of the upstream.
    gap: Option<Duration>,
    /// Longest time since the request began.
    total: Option<Duration>,
}

/// Passes on what comes, with signs of life for the caller while nothing does.
///
/// One function, since it is woken for every frame: each function that waits within another is memory to fetch before
/// the frame can be looked at.
async fn pump<D: Downstream, C: Call>(
    times: Times,
    down: &mut D,
    x: &mut Exchange,
    call: &mut C,
    pass: &mut dyn StreamPass,
) -> Result<(), Error> {
    let mut silence = Silence::new(times);
    loop {
        let began = Instant::now();
        silence.broken(began);
        // An upstream that always has something to say never lets the alarm be looked at.
        if times.total.is_some_and(|total| began - x.began >= total) {
            return Err(out_of_time(times.total));
        }
        let chunk = call.chunk();
        tokio::pin!(chunk);
        let arrived = loop {
            tokio::select! {
                biased;
                chunk = &mut chunk => break Ok(chunk),
                () = down.gone() => break Err(Error::new(Kind::CallerGone, "the caller left in the middle of a stream")),
                () = poll_fn(|cx| silence.poll_alarm(cx)) => {}
            }
            match silence.heard(x) {
                Ok(true) => deliver(down, x, Bytes::from_static(HEARTBEAT)).await?,
                Ok(false) => {}
                Err(error) => break Err(error),
            }
        };
        x.flow.waited += began.elapsed();
        let frames = match arrived? {
            // The stream has said that it is complete; how its connection ends changes nothing.
            Err(_) if pass.complete() => return deliver(down, x, pass.close()).await,
            Err(fault) => return Err(cut(&fault)),
            Ok(Some(chunk)) => pass.push(chunk)?,
            Ok(None) => return deliver(down, x, pass.finish()?).await,
        };
        let length = frames.len() as u64;
        if length > 0
            && let Some(rest) = down.send_now(frames).map_err(gone)?
        {
            down.send(rest, false).await.map_err(gone)?;
        }
        x.flow.response_bytes += length;
    }
}

/// How long the upstream has been silent, and what is due because of it.
///
/// The alarm is not set anew for every chunk: when it rings, it looks how long the silence really is and
/// sleeps for what is left. A busy stream costs one timer in fifteen seconds, not one per frame.
struct Silence {
    times: Times,
    /// When something last came from the upstream.
    since: Instant,
    /// When the caller last got a sign of life.
    beat: Instant,
    alarm: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// When the alarm rings; None if it never does.
    rings: Option<Instant>,
    /// Has the alarm been told whom to wake?
    set: bool,
    /// Has no time passed worth speaking of since `since`?
    just_heard: bool,
}

impl Silence {
    fn new(times: Times) -> Self {
        let now = Instant::now();
        let first = [times.heartbeat, times.gap, times.total].into_iter().flatten().min();
        let rings = first.map(|first| now + first);
        Silence {
            times,
            since: now,
            beat: now,
            alarm: Box::pin(sleep(first)),
            rings,
            set: false,
            just_heard: false,
        }
    }

    /// Resolves when the alarm rings. One that is set and not due is left alone: it is memory that has been out of the
    /// cache since the last frame. Right after a chunk its time tells that it is not due, and later it wakes by itself.
    fn poll_alarm(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let just_heard = std::mem::take(&mut self.just_heard);
        if just_heard && self.set && self.rings.is_none_or(|rings| self.since + EARLY < rings) {
            return Poll::Pending;
        }
        self.set = true;
        self.alarm.as_mut().poll(cx)
    }

    fn broken(&mut self, now: Instant) {
        self.since = now;
        self.beat = now;
        self.just_heard = true;
    }

    /// The alarm rang. True when the caller is due a sign of life; the alarm is set anew.
    fn heard(&mut self, x: &Exchange) -> Result<bool, Error> {
        let now = Instant::now();
        let left =
            |bound: Option<Duration>, since: Instant| bound.map(|bound| bound.saturating_sub(now - since));
        let due = |left: Option<Duration>| left.is_some_and(|left| left.is_zero());
        let gap = left(self.times.gap, self.since);
        let total = left(self.times.total, x.began);
        if due(gap) {
            return Err(out_of_time(self.times.gap));
        }
        if due(total) {
            return Err(out_of_time(self.times.total));
        }
        let beat = due(left(self.times.heartbeat, self.beat));
        if beat {
            self.beat = now;
        }
        let next = [left(self.times.heartbeat, self.beat), gap, total].into_iter().flatten().min();
        self.alarm = Box::pin(sleep(next));
        self.rings = next.map(|next| now + next);
        self.set = false;
        Ok(beat)
    }
}

/// The error of a bound that was reached.
pub fn out_of_time(bound: Option<Duration>) -> Error {
    let millis = bound.unwrap_or_default().as_millis();
    Error::new(Kind::UpstreamTimeout, format!("upstream request timed out after {millis} ms"))
}

/// Sleeps for a while, or for ever.
pub async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => pingora_timeout::sleep(wait).await,
        None => std::future::pending().await,
    }
}

async fn deliver<D: Downstream>(down: &mut D, x: &mut Exchange, frames: Bytes) -> Result<(), Error> {
    if frames.is_empty() {
        return Ok(());
    }
    let length = frames.len() as u64;
    down.send(frames, false).await.map_err(gone)?;
    x.flow.response_bytes += length;
    Ok(())
}

/// A body that only the end of the connection ends must say itself that it is complete.
fn complete<C: Call>(call: &C, pass: &dyn StreamPass) -> Result<(), Error> {
    if call.close_delimited() && !pass.complete() {
        return Err(Error::new(Kind::UpstreamCut, "the upstream ended its stream without completing it"));
    }
    Ok(())
}

/// The upstream reported an error by its own means; the caller has it already, the record needs it too.
fn note_in_band_error(x: &mut Exchange, pass: &dyn StreamPass) {
    if let Some(problem) = pass.problem() {
        let error = Error::new(Kind::UpstreamFailed, "the upstream ended its stream with an error")
            .because(problem.classified(0));
        x.tries.spoil(&error);
        x.fail(error);
    }
}

async fn break_off<D: Downstream>(down: &mut D, x: &mut Exchange, pass: &mut dyn StreamPass, error: Error) {
    if error.kind == Kind::CallerGone {
        x.fail(error);
        return down.abort().await;
    }
    let frame = pass.fail(&error).unwrap_or_else(|| x.envelope.dialect().error_frame(&error, &x.id));
    x.tries.spoil(&error);
    x.fail(error);
    down.close_after();
    let _ = deliver(down, x, frame).await;
    let _ = down.send(Bytes::new(), true).await;
}

fn cut(fault: &Fault) -> Error {
    Error::new(Kind::UpstreamCut, "the upstream broke off in the middle of its stream").because(&fault.cause)
}

fn stream_headers(x: &Exchange, mut headers: Headers) -> Headers {
    headers.push_static("cache-control", "no-cache");
    // Asks reverse proxies in front of the gateway not to collect the stream.
    headers.push_static("x-accel-buffering", "no");
    own_headers(x, &mut headers);
    headers
}

/// More than a timer may be early.
const EARLY: Duration = Duration::from_millis(100);
/// A comment, which clients of event streams pass over
/// (<https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation>).
const HEARTBEAT: &[u8] = b":\n\n";
