//! Pure. RESP2 and RESP3, as ringkv speaks them, and the table of commands.
//!
//! Two resumable decoders take bytes as they arrive and give back whole frames as slices of the
//! read buffer: [`CommandDecoder`] on the side of a server, [`ReplyDecoder`] on the side of a
//! client. Neither looks twice at a byte that it has understood, copies a payload, or reserves
//! memory by what a peer announces: memory grows by received bytes alone, up to [`Limits`].
//!
//! The `Display` of [`ProtocolError`] and [`Refusal`] is the bare text; their `encode` method
//! writes the error reply with its code.

#![warn(clippy::indexing_slicing)]

mod command;
pub mod commands;
mod decode;
pub mod encode;
mod error;
mod inline;
mod limits;
mod number;
mod reply;
mod value;

#[cfg(test)]
mod tests;

pub use command::{Args, Command, is_keyword};
pub use decode::{CommandDecoder, Decoded};
pub use encode::Protocol;
pub use error::{ProtocolError, Refusal};
pub use limits::{Limits, MAX_BULK_BYTES};
pub use reply::ReplyDecoder;
pub use value::Value;
