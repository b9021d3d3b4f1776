//! The contract suite: links the library, needs no network, and holds what the whole crate promises.

/// Whole configurations at random, through stores and files, and under random writes.
mod configurations;
/// Bytes a dialect does not own pass untouched, and what it reads on the side is right.
mod dialects;
/// Reference pages are what the tables and definitions in the code say; `UPDATE=1` writes them.
mod generated;
/// Which room may know which, how long a function may be, and what a comment may not hold.
mod house;
/// A kind that a test adds is treated as all others.
mod own_kind;
