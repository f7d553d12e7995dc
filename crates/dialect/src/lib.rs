//! Pure. How Redis clients are answered by whom they are connected to, be it a node or a router:
//! replies before they are bytes, what a connection says of itself, INFO, CONFIG and COMMAND, and
//! the patterns and numbers in commands.

#![warn(clippy::indexing_slicing)]

mod connection;
mod glob;
mod number;
mod reply;
mod server;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use connection::{NO_PASSWORD, PasswordCheck, Session, limits_before_password};
pub use glob::Glob;
pub use number::parse_integer;
pub use reply::Reply;
pub use server::{Facts, Lines, answer_about_server};

/// A reply, or the text of an error reply, its code first.
pub type Outcome = Result<Reply, Cow<'static, str>>;

/// The error for a word that should be a number.
pub const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
/// The error for words that make no sense together.
pub const SYNTAX_ERROR: &str = "ERR syntax error";

/// The Redis whose commands and replies these are; clients choose features by it.
pub const REDIS_VERSION: &str = "7.0.15";
