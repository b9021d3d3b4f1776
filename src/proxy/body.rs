//! Reading a request body, bounded in size and time.

use bytes::Bytes;

use super::downstream::{Broken, Downstream};
use super::exchange::Exchange;
use super::node::Settings;
use crate::error::{Error, Kind, Result};

/// Refuses a body that says it is too large, before anything else is looked at.
///
/// # Errors
/// `BodyTooLarge`.
pub fn check_declared<D: Downstream>(settings: &Settings, down: &D) -> Result<()> {
    match (settings.body_limit, down.announced()) {
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
        let announced = usize::try_from(down.announced().unwrap_or(0)).unwrap_or(usize::MAX);
        let mut body = Vec::with_capacity(announced.min(MAX_RESERVED));
        while down.read_onto(&mut body).await? {
            x.request_bytes = body.len() as u64;
            if let Some(limit) = settings.body_limit.filter(|&limit| body.len() > limit) {
                return Err(too_large(limit));
            }
        }
        Ok(Bytes::from(body))
    };
    match settings.body_total {
        Some(total) => {
            pingora_timeout::timeout(total, reading).await.unwrap_or_else(|_| Err(Broken::Slow.into()))
        }
        None => reading.await,
    }
}

fn too_large(limit: usize) -> Error {
    Error::new(Kind::BodyTooLarge, format!("request body exceeds {limit}-byte limit"))
}

/// Reserved for an announced body before it arrives; beyond that memory follows the bytes.
const MAX_RESERVED: usize = 1024 * 1024;
