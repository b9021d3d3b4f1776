//! Reaching a provider: where it is, how to speak to it, one try, and the tries.
//!
//! The exchange engine ([`mod@dispatch`]) is written against two small traits, [`transport::Upstream`] and
//! [`transport::Call`]; which HTTP client stands behind them is wiring.

pub mod attempt;
mod credential;
pub mod dispatch;
pub mod endpoint;
pub mod fleet;
pub mod headers;
mod outgoing;
mod passage;
pub mod probe;
pub mod providers;
pub mod refusal;
pub mod resolve;
mod retry;
pub mod transport;

pub use attempt::{Answer, Ask, Failure, Part, StreamAnswer, WholeAnswer};
pub use credential::Fetches;
pub use dispatch::{Policy, dispatch};
pub use endpoint::{Endpoint, Endpoints};
pub use providers::{Operation, PROVIDERS, Provider};
