//! RESP2 and RESP3: codec and the table of commands (pure).

pub mod commands;
