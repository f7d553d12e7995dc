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

/// What has happened between two statuses; `last` is the change of the ring that ended last.
pub(crate) fn between(
    before: Option<&KvClusterStatus>,
    after: &KvClusterStatus,
    last: Option<&Rebalance>,
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
    let moved = before.and_then(|status| status.rebalance.as_ref());
    match (moved, &after.rebalance) {
        (None, Some(open)) => news.push(News::normal(
            "RebalanceStarted",
            scale(open),
            format!("{} to {} servers", open.from, open.to),
        )),
        (Some(open), None) => news.push(News::normal(
            "RebalanceFinished",
            scale(open),
            match last {
                Some(last) => {
                    format!("{} to {} servers; {} keys moved", last.from, last.to, last.keys_moved)
                }
                None => format!("{} to {} servers", open.from, open.to),
            },
        )),
        (Some(old), Some(new)) if (old.from, old.to) != (new.from, new.to) => {
            news.push(News::normal(
                "RebalanceStarted",
                scale(new),
                format!("{} to {} servers, instead of {}", new.from, new.to, old.to),
            ));
        }
        _ => {}
    }
    news
}

/// What is done, as an identifier: like events with one action are told as one.
fn scale(open: &RebalanceStatus) -> String {
    format!("Scale{}To{}", open.from, open.to)
}

#[cfg(test)]
mod tests;
