//! Pure. Which errors of a load are explained by what the test has done, and which are not.

use ring::{ArcMap, Point};

use crate::client_error::ErrorKind;
use crate::load::{KeyError, Report};

/// What a test has taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Victim {
    /// The server of that name: the keys on its arcs may be refused meanwhile.
    Server(String),
    /// A router: connections through it break.
    Router,
    /// A router whose network was gone at that time, in milliseconds on the clock of the errors:
    /// connections through it break, and any key may be refused that it had been asked for by then,
    /// for it reaches no server; that answer comes when the network is back.
    IsolatedRouter {
        /// When nothing reached it any more.
        isolated_ms: u64,
    },
    /// All of it: any key may be refused meanwhile, and any connection may break.
    Everything,
    /// The room on the disk.
    Disk,
}

/// A time in which something was not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// What.
    pub victim: Victim,
    /// Since when, in milliseconds on the clock of the errors.
    pub from_ms: u64,
    /// When it was seen to serve again.
    pub until_ms: u64,
}

impl Outage {
    /// Whether an error is explained by this: by its kind, the keys that it was about, and the
    /// times of the operation.
    #[must_use]
    pub fn explains(
        &self,
        kind: ErrorKind,
        keys: &[&str],
        (called_ms, answered_ms): (u64, u64),
        rings: &[ArcMap<String>],
    ) -> bool {
        if answered_ms < self.from_ms || called_ms > self.until_ms {
            return false;
        }
        let refused = matches!(kind, ErrorKind::TryAgain | ErrorKind::OutcomeUnknown);
        match &self.victim {
            Victim::Router => kind == ErrorKind::Connection,
            Victim::IsolatedRouter { isolated_ms } => {
                kind == ErrorKind::Connection || refused && called_ms <= *isolated_ms
            }
            Victim::Server(name) => refused && keys.iter().any(|key| had(name, key, rings)),
            Victim::Everything => {
                refused || matches!(kind, ErrorKind::Connection | ErrorKind::Loading)
            }
            Victim::Disk => kind == ErrorKind::DiskFull,
        }
    }
}

/// Whether a server had a key by one of the rings.
fn had(server: &str, key: &str, rings: &[ArcMap<String>]) -> bool {
    let point = Point::of(key.as_bytes());
    rings.iter().any(|ring| ring.get(point).is_some_and(|owner| owner == server))
}

/// The errors that no outage explains: at another time, or on arcs that the server had by none of
/// the rings.
#[must_use]
pub fn unexplained<'a>(
    report: &'a Report,
    outages: &[Outage],
    rings: &[ArcMap<String>],
) -> Vec<&'a KeyError> {
    let explains = |outage: &Outage, error: &KeyError| {
        let keys: Vec<&str> = error.key.as_deref().into_iter().collect();
        outage.explains(error.kind, &keys, (error.called_ms, error.answered_ms), rings)
    };
    let errors = report.error_list.iter();
    errors.filter(|error| !outages.iter().any(|outage| explains(outage, error))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;
    use ring::Arc;

    fn explained(kind: ErrorKind, key: Option<&str>, at: u64) -> bool {
        let mut report = Report::of(&Ledger::new(), 0, 0);
        let key = key.map(ToOwned::to_owned);
        report.error_list.push(KeyError { kind, key, called_ms: at, answered_ms: at + 5 });
        let mut ring = ArcMap::default();
        let point = Point::of(b"mine");
        ring.insert(Arc::new(point, Point(point.0 + 1)).expect("an arc"), "kv-1".to_owned());
        let outages = [
            Outage { victim: Victim::Server("kv-1".to_owned()), from_ms: 100, until_ms: 200 },
            Outage { victim: Victim::Router, from_ms: 300, until_ms: 400 },
            Outage {
                victim: Victim::IsolatedRouter { isolated_ms: 510 },
                from_ms: 500,
                until_ms: 600,
            },
        ];
        unexplained(&report, &outages, &[ring]).is_empty()
    }

    #[test]
    fn errors_need_the_right_time_and_the_right_key() {
        assert!(explained(ErrorKind::TryAgain, Some("mine"), 150));
        assert!(explained(ErrorKind::OutcomeUnknown, Some("mine"), 96));
        assert!(!explained(ErrorKind::TryAgain, Some("other"), 150));
        assert!(!explained(ErrorKind::TryAgain, Some("mine"), 250));
        assert!(!explained(ErrorKind::Answer, Some("mine"), 150));
        assert!(!explained(ErrorKind::Connection, Some("mine"), 150));
        assert!(explained(ErrorKind::Connection, None, 350));
        assert!(!explained(ErrorKind::TryAgain, Some("mine"), 350));
        assert!(explained(ErrorKind::Connection, None, 550));
        assert!(explained(ErrorKind::OutcomeUnknown, Some("other"), 510));
        assert!(!explained(ErrorKind::OutcomeUnknown, Some("other"), 511));
    }
}
