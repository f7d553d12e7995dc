//! Pure. The result of one step of a state machine.

use std::fmt::Debug;

/// What one event makes of a state. Where `persist` is set the shell makes the new state durable
/// before it performs the first effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<S, E: 'static> {
    /// The state from now on.
    pub state: S,
    /// Whether it must be durable before any effect.
    pub persist: bool,
    /// What to do, in order.
    pub effects: &'static [E],
}

impl<S, E> Step<S, E> {
    pub(crate) const fn stay(state: S, effects: &'static [E]) -> Self {
        Self { state, persist: false, effects }
    }

    pub(crate) const fn to(state: S, effects: &'static [E]) -> Self {
        Self { state, persist: true, effects }
    }
}

/// An event that the protocol excludes in this state. Nothing was changed. It means that a peer
/// or a disk went back behind what it had promised; the arcs must not be served until looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} is impossible in {state:?}")]
pub struct Illegal<S: Debug, E: Debug> {
    /// The state, unchanged.
    pub state: S,
    /// What came.
    pub event: E,
}
