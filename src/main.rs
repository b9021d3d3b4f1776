//! Flags, then whatever they ask for. Nothing else.

fn main() {}
