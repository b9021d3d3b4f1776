//! Cutting a byte stream into frames, and passing them on. What a frame means is read by the dialects.

pub mod eventstream;
mod framer;
pub mod pass;
mod shape;
pub mod sse;
#[cfg(test)]
mod tests;
pub mod transcode;
