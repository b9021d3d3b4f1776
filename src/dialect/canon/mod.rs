//! The canonical form: what requests, answers and streams mean, in nobody's wire shape.
//!
//! A target that does not speak the caller's dialect is asked through it: the caller's dialect reads, the target's
//! writes, and on the way back the other way round. The form is a superset of what the dialects can say: ordered,
//! typed blocks. Flat dialects derive the edges of blocks when they read ([`blocks`]).
//!
//! Everything borrows from the bytes it was read from. What only one dialect can say is kept as it was written, under
//! its own name, and [`fit`] decides what becomes of it elsewhere.

pub mod blocks;
pub mod event;
pub mod feature;
pub mod fit;
pub mod names;
pub mod request;
pub mod response;

pub use event::{Block, Delta, Event};
pub use feature::{Feature, Support, Verdict};
pub use fit::{Losses, fit};
pub use request::{
    Cache, Content, Effort, Foreign, Format, Function, Media, MediaKind, Member, Part, Reasoning, Request,
    Role, Sampling, Source, Thinking, Thought, Tool, ToolCall, ToolChoice, ToolKind, ToolResult, Turn,
};
pub use response::{Choice, Citation, Finish, Maker, Response, Seal, TokenChance};
