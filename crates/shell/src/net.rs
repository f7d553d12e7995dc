//! Shell. The network types to use everywhere. In a simulation they are those of a simulated
//! network, with the same methods.

#[cfg(feature = "simulation")]
mod simulated;
#[cfg(not(feature = "simulation"))]
mod system;

#[cfg(feature = "simulation")]
pub use simulated::{Listening, OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream, listen};
#[cfg(not(feature = "simulation"))]
pub use system::{Listening, OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream, listen};

/// Who may listen at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// One listener.
    Alone,
    /// Any number of the same user's; the system spreads connections over them.
    Shared,
}
