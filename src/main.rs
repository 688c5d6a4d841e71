//! The `alexnet` command.
#![forbid(unsafe_code)]

fn main() {}
