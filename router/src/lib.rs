//! The router: what clients talk to. It speaks RESP and HTTP, sends each command to the server that
//! owns its key, and keeps no state but what it was told.

mod config;
mod output;
mod refusal;
mod table;

pub use config::Config;
