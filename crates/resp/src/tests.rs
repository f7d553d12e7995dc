//! Tests of the whole crate.

mod command;
mod number;
mod pieces;
mod reply;
mod value;
