//! Pure. The bounds of both decoders.

/// No peer may announce a bulk string above this, whatever the configured limits are: 512 MiB,
/// as in Redis.
pub const MAX_BULK_BYTES: usize = 512 * 1024 * 1024;

/// What a decoder accepts.
///
/// A well-framed command over a limit is skipped and refused, and the connection goes on; an
/// inline line or a reply over its limit ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Arguments of one command, its name included. Default 1,048,576.
    pub max_args: usize,
    /// Bytes of one argument of a command. Default 16 MiB.
    pub max_bulk_bytes: usize,
    /// Bytes of an inline command's line. Default 64 KiB.
    pub max_inline_bytes: usize,
    /// Bytes of a whole command frame, at most 4 GiB - 1. Default 64 MiB.
    pub max_command_bytes: usize,
    /// Arrays, maps, sets, pushes and attributes inside one another in a reply. Default 32.
    pub max_reply_depth: usize,
    /// Bytes of a whole reply frame. Default 512 MiB.
    pub max_reply_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_args: 1024 * 1024,
            max_bulk_bytes: 16 * 1024 * 1024,
            max_inline_bytes: 64 * 1024,
            max_command_bytes: 64 * 1024 * 1024,
            max_reply_depth: 32,
            max_reply_bytes: 512 * 1024 * 1024,
        }
    }
}
