//! The front door and the one walk through the house.
//!
//! [`lifecycle`] is the file to read first: the stages of a request as one function. The doors below
//! [`doors`] bring requests to it and know nothing of what happens to them.

mod answer;
mod asker;
mod body;
mod client;
mod course;
pub mod doors;
pub mod downstream;
mod ensemble;
mod exchange;
pub mod explain;
pub mod history;
mod inquiry;
mod lifecycle;
mod models;
mod node;
mod relay;
pub mod routes;
mod semantic;
mod settle;
mod tries;
pub mod vectors;

#[cfg(test)]
mod tests;

pub use exchange::Exchange;
pub use lifecycle::serve;
pub use node::{InFlight, Node, Settings, World};
