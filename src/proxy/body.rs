//! Reading a request body, bounded in size and time.

use bytes::Bytes;
use http::header;

use super::downstream::{Broken, Downstream};
use super::exchange::Exchange;
use super::node::Settings;
use crate::error::{Error, Kind, Result};
use crate::upstream::transport::Collected;

/// Refuses a body that says it is too large, before anything else is looked at.
///
/// # Errors
/// `BodyTooLarge`.
pub fn check_declared<D: Downstream>(settings: &Settings, down: &D) -> Result<()> {
    match (settings.body_limit, declared(down)) {
        (Some(limit), Some(declared)) if declared > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

/// Reads the whole body.
///
/// # Errors
/// `BodyTooLarge` as soon as the limit is passed, `SlowCaller`, `CallerGone`, or `BadRequest` for wrong
/// framing.
pub async fn read<D: Downstream>(settings: &Settings, down: &mut D, x: &mut Exchange) -> Result<Bytes> {
    let reading = async {
        down.invite().await?;
        let mut body = Collected::expecting(declared(down).unwrap_or(0));
        while let Some(piece) = down.read().await? {
            x.request_bytes += piece.len() as u64;
            body.push(piece);
            if let Some(limit) = settings.body_limit.filter(|&limit| body.len() > limit) {
                return Err(too_large(limit));
            }
        }
        Ok(body.into_bytes())
    };
    match settings.body_total {
        Some(total) => {
            pingora_timeout::timeout(total, reading).await.unwrap_or_else(|_| Err(Broken::Slow.into()))
        }
        None => reading.await,
    }
}

fn declared<D: Downstream>(down: &D) -> Option<u64> {
    std::str::from_utf8(down.header(header::CONTENT_LENGTH.as_str())?).ok()?.trim().parse().ok()
}

fn too_large(limit: usize) -> Error {
    Error::new(Kind::BodyTooLarge, format!("request body exceeds {limit}-byte limit"))
}
