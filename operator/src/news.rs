//! Pure. What a person would ask about: events, from one status to the next.

use crd::{ConditionType, KvClusterStatus, RebalanceStatus, condition_reasons as reason};
use rebalance::Rebalance;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) is_warning: bool,
    pub(crate) reason: &'static str,
    pub(crate) action: String,
    pub(crate) note: String,
    /// The server that it is about, if it is about one.
    pub(crate) server: Option<String>,
}

impl News {
    pub(crate) fn normal(
        reason: &'static str,
        action: impl Into<String>,
        note: impl Into<String>,
    ) -> Self {
        Self { is_warning: false, reason, action: action.into(), note: note.into(), server: None }
    }

    pub(crate) fn warning(
        reason: &'static str,
        action: impl Into<String>,
        note: impl Into<String>,
    ) -> Self {
        Self { is_warning: true, ..Self::normal(reason, action, note) }
    }

    /// The same, about this server. Like events are told as one, but not those of two servers.
    pub(crate) fn of(self, server: &str) -> Self {
        Self { server: Some(server.to_owned()), ..self }
    }
}

/// What has happened between two statuses; `ended` is the change of the ring that has ended in
/// between. A short one stands in neither of them.
pub(crate) fn between(
    before: Option<&KvClusterStatus>,
    after: &KvClusterStatus,
    ended: Option<&Rebalance>,
) -> Vec<News> {
    let mut news = Vec::new();
    let changed = |of| {
        let (old, new) = (before.and_then(|status| status.condition(of)), after.condition(of)?);
        let same = old.is_some_and(|old| old.status == new.status && old.reason == new.reason);
        (!same).then_some((old, new))
    };
    if let Some((old, new)) = changed(ConditionType::Available) {
        let was_available = old.is_some_and(|old| old.status == "True");
        if new.status == "True" {
            news.push(News::normal("Available", "Serve", &new.message));
        } else if was_available {
            news.push(News::warning("Unavailable", "Serve", &new.message));
        }
    }
    if let Some((old, new)) = changed(ConditionType::Degraded) {
        let was_degraded = old.is_some_and(|old| old.status == "True");
        match (new.status.as_str(), &*new.reason) {
            ("True", reason::DATA_LOST) => {
                news.push(News::warning("DataLost", "Serve", &new.message));
            }
            ("True", reason::BLOCKED) => {
                news.push(News::warning("Blocked", "Reconcile", &new.message));
            }
            ("True", reason::INVALID_SPEC) => {
                news.push(News::warning("InvalidSpec", "Reconcile", &new.message));
            }
            ("True", reason::RECONCILE_FAILED) => {
                news.push(News::warning("ReconcileFailed", "Reconcile", &new.message));
            }
            ("False", _) if was_degraded => {
                news.push(News::normal("Recovered", "Reconcile", "nothing is wrong any more"));
            }
            _ => {}
        }
    }
    let moved = before.and_then(|status| status.rebalance.as_ref()).map(Scale::of);
    news.extend(of_ring(moved, after.rebalance.as_ref().map(Scale::of), ended));
    news
}

/// A change of the number of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    from: i64,
    to: i64,
}

impl Scale {
    fn of(open: &RebalanceStatus) -> Self {
        Self { from: open.from.into(), to: open.to.into() }
    }

    fn of_ended(ended: &Rebalance) -> Self {
        let number = |servers| i64::try_from(servers).unwrap_or(i64::MAX);
        Self { from: number(ended.from), to: number(ended.to) }
    }

    fn news(self, reason: &'static str, more: &str) -> News {
        let Self { from, to } = self;
        // Like events with one action are told as one.
        News::normal(reason, format!("Scale{from}To{to}"), format!("{from} to {to} servers{more}"))
    }

    fn started(self) -> News {
        self.news("RebalanceStarted", "")
    }
}

fn of_ring(before: Option<Scale>, after: Option<Scale>, ended: Option<&Rebalance>) -> Vec<News> {
    let mut news = Vec::new();
    let mut open = before;
    if let Some(ended) = ended {
        let scale = Scale::of_ended(ended);
        if open.take().is_none() {
            news.push(scale.started());
        }
        let more = format!("; {} keys moved", ended.keys_moved);
        news.push(scale.news("RebalanceFinished", &more));
    }
    match (open, after) {
        (None, Some(new)) => news.push(new.started()),
        (Some(old), None) => news.push(old.news("RebalanceFinished", "")),
        (Some(old), Some(new)) if old != new => {
            let more = format!(", instead of {}", old.to);
            news.push(new.news("RebalanceStarted", &more));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    news
}

#[cfg(test)]
mod tests;
