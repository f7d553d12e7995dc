//! Shell. An orderly end: every task holds a token, is told to finish, and is waited for.

use std::time::Duration;

use tokio::sync::watch;

/// The side that says when to finish.
#[derive(Debug)]
pub struct Drain(watch::Sender<bool>);

/// The side of a task. The task counts as finished when its token, and every clone, is dropped.
#[derive(Clone, Debug)]
pub struct DrainToken(watch::Receiver<bool>);

/// A new pair.
#[must_use]
pub fn channel() -> (Drain, DrainToken) {
    let (sender, receiver) = watch::channel(false);
    (Drain(sender), DrainToken(receiver))
}

/// Some tasks did not finish in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// How many tokens were still held.
    pub tokens: usize,
}

impl Drain {
    /// Another token.
    #[must_use]
    pub fn token(&self) -> DrainToken {
        DrainToken(self.0.subscribe())
    }

    /// Tells every task to finish, without waiting.
    pub fn start(&self) {
        self.0.send_replace(true);
    }

    /// Tells every task to finish and waits until all tokens are dropped, for so long at most.
    ///
    /// # Errors
    /// When the grace is over and some tokens are still held.
    pub async fn finish(self, grace: Duration) -> Result<(), Unfinished> {
        self.start();
        tokio::time::timeout(grace, self.0.closed())
            .await
            .map_err(|_| Unfinished { tokens: self.0.receiver_count() })
    }
}

impl DrainToken {
    /// Waits until it is time to finish (also when the [`Drain`] itself is gone).
    pub async fn signaled(&self) {
        let _ = self.0.clone().wait_for(|draining| *draining).await;
    }

    /// Whether it is time to finish.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.0.borrow()
    }
}
