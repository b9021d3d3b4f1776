//! What both load generators need: answers taken apart, requests put together, samples summed up.

pub mod quantiles;
pub mod request;
pub mod wire;
