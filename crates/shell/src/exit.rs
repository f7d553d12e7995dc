//! Pure. Exit codes of all processes, as in BSD's `sysexits.h` where it has one that fits.

/// All went well.
pub const OK: u8 = 0;
/// Failed for a reason that has no code of its own.
pub const FAILURE: u8 = 1;
/// Wrong arguments or configuration; starting again with the same ones will not help.
pub const USAGE: u8 = 64;
/// Something that is needed is not there: a port is taken, a server does not answer.
pub const UNAVAILABLE: u8 = 69;
/// Storage failed, is damaged, or belongs to another server.
pub const STORAGE: u8 = 74;

/// What an exit code says, in words for a message.
#[must_use]
pub fn meaning(code: i32) -> &'static str {
    match code {
        0 => "it ended by itself",
        64 => "wrong arguments or configuration",
        69 => "something that it needs is not available",
        74 => "its storage failed or was refused",
        101 => "a bug: it panicked",
        _ => "it failed",
    }
}
