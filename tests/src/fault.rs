//! Pure. What goes wrong between an operator and the API server, once in a case: which request or
//! which event of a watch, and how.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// What an operator watches, by the names of the API.
pub const WATCHED: [&str; 12] = [
    "deployments",
    "kvclusters",
    "networkpolicies",
    "persistentvolumeclaims",
    "poddisruptionbudgets",
    "pods",
    "rolebindings",
    "roles",
    "secrets",
    "serviceaccounts",
    "services",
    "statefulsets",
];

/// What is done to one request that changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// The operator is killed before the API server has the request.
    CrashBefore,
    /// The operator is killed when the API server has done it, and before it hears of that.
    CrashAfter,
    /// The API server has done it, and the connection breaks instead of an answer.
    AnswerLost,
    /// 409 is answered, and nothing is done.
    Conflict,
    /// 429 is answered, with `Retry-After`, and nothing is done.
    TooMany,
    /// It is done, and 504 is answered.
    TimedOut,
}

/// Every harm.
pub const HARMS: [Harm; 6] = [
    Harm::CrashBefore,
    Harm::CrashAfter,
    Harm::AnswerLost,
    Harm::Conflict,
    Harm::TooMany,
    Harm::TimedOut,
];

impl Harm {
    const fn as_str(self) -> &'static str {
        match self {
            Self::CrashBefore => "crash-before",
            Self::CrashAfter => "crash-after",
            Self::AnswerLost => "answer-lost",
            Self::Conflict => "conflict",
            Self::TooMany => "too-many",
            Self::TimedOut => "timed-out",
        }
    }
}

/// What goes wrong, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The k-th request that changes something is harmed.
    Request(Harm, u32),
    /// The k-th event of that kind, and all that come soon after it, are never seen: the watch
    /// falls silent, and then has to begin anew from a list.
    Unseen(&'static str, u32),
    /// The k-th event of that kind, and all after it, come late.
    Late(&'static str, u32),
    /// The operator is killed before the k-th request that changes something; the next one is
    /// given the list of that kind as it was when the case began, and later events come late.
    Stale(&'static str, u32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(harm, k) => write!(f, "{}.{k}", harm.as_str()),
            Self::Unseen(kind, k) => write!(f, "unseen.{kind}.{k}"),
            Self::Late(kind, k) => write!(f, "late.{kind}.{k}"),
            Self::Stale(kind, k) => write!(f, "stale.{kind}.{k}"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no fault; such as crash-before.3, late.pods.2");
        let words: Vec<&str> = text.split('.').collect();
        let kind = |name: &str| WATCHED.into_iter().find(|kind| *kind == name).ok_or_else(wrong);
        let number = |text: &str| text.parse().ok().filter(|k| *k > 0).ok_or_else(wrong);
        match words.as_slice() {
            [harm, k] => {
                let harm = HARMS.into_iter().find(|one| one.as_str() == *harm);
                Ok(Self::Request(harm.ok_or_else(wrong)?, number(k)?))
            }
            ["unseen", name, k] => Ok(Self::Unseen(kind(name)?, number(k)?)),
            ["late", name, k] => Ok(Self::Late(kind(name)?, number(k)?)),
            ["stale", name, k] => Ok(Self::Stale(kind(name)?, number(k)?)),
            _ => Err(wrong()),
        }
    }
}

/// What becomes of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It goes on.
    Through,
    /// It and what follows are swallowed.
    Never,
    /// It and what follows wait.
    Later,
}

/// What a request asks for, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The kind by the name of the API, with its subresource if any.
    pub kind: String,
    /// Whether it would change something; the lease of the operator aside, which is renewed by
    /// the clock.
    pub is_change: bool,
    /// Whether it is a watch.
    pub is_watch: bool,
    /// Whether it is a list.
    pub is_list: bool,
}

impl Asked {
    /// From the first line of a request.
    #[must_use]
    pub fn of(method: &str, path: &str, query: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let rest = match parts.as_slice() {
            ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
            _ => &[],
        };
        let rest = match rest {
            ["namespaces", _, inside @ ..] if !inside.is_empty() => inside,
            _ => rest,
        };
        let kind = match rest {
            [kind, _, sub, ..] => format!("{kind}/{sub}"),
            [kind, ..] => (*kind).to_owned(),
            [] => String::new(),
        };
        let is_watch = method == "GET" && query.split('&').any(|one| one == "watch=true");
        let is_list = method == "GET" && rest.len() == 1 && !is_watch;
        Self { is_change: method != "GET" && kind != "leases", is_watch, is_list, kind }
    }
}

/// Counts what passes, and says when it is the turn of the fault.
#[derive(Clone, Debug, Default)]
pub struct Injector {
    fault: Option<Fault>,
    /// Requests that change something, since it was armed.
    changes: u32,
    /// Events by kind, since it was armed.
    events: BTreeMap<String, u32>,
    /// What the fault has met.
    met: Option<String>,
}

impl Injector {
    /// Begins to count anew, with another fault or none.
    pub fn arm(&mut self, fault: Option<Fault>) {
        *self = Self { fault, ..Self::default() };
    }

    /// The harm to this request, if it is its turn.
    pub fn request(&mut self, asked: &Asked, line: &str) -> Option<Harm> {
        if !asked.is_change {
            return None;
        }
        self.changes += 1;
        let harm = match self.fault? {
            Fault::Request(harm, k) if k == self.changes => harm,
            Fault::Stale(_, k) if k == self.changes => Harm::CrashBefore,
            _ => return None,
        };
        self.met = Some(line.to_owned());
        Some(harm)
    }

    /// What becomes of the next event of this kind.
    pub fn event(&mut self, kind: &str) -> Passage {
        let count = self.events.entry(kind.to_owned()).or_default();
        *count += 1;
        let passage = match self.fault {
            Some(Fault::Unseen(of, k)) if of == kind && k == *count => Passage::Never,
            Some(Fault::Late(of, k)) if of == kind && k == *count => Passage::Later,
            _ => return Passage::Through,
        };
        self.met = Some(format!("event {count} of {kind}"));
        passage
    }

    /// The kind of which an old list is due, once the operator was killed for it.
    #[must_use]
    pub fn stale_kind(&self) -> Option<&'static str> {
        match self.fault {
            Some(Fault::Stale(kind, _)) if self.met.is_some() => Some(kind),
            _ => None,
        }
    }

    /// What the fault has met, if its turn has come.
    #[must_use]
    pub fn met(&self) -> Option<&str> {
        self.met.as_deref()
    }

    /// Requests that would change something, so far.
    #[must_use]
    pub fn changes(&self) -> u32 {
        self.changes
    }

    /// Events by kind, so far.
    #[must_use]
    pub fn events(&self) -> &BTreeMap<String, u32> {
        &self.events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_and_read() {
        let all = HARMS.map(|harm| Fault::Request(harm, 7)).into_iter().chain([
            Fault::Unseen("pods", 1),
            Fault::Late("kvclusters", 20),
            Fault::Stale("persistentvolumeclaims", 3),
        ]);
        for fault in all {
            assert_eq!(fault.to_string().parse(), Ok(fault));
        }
        for wrong in ["", "crash-before", "crash-before.0", "unseen.nodes.1", "late.pods", "x.1"] {
            assert!(wrong.parse::<Fault>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn requests_are_told_apart() {
        let check = |line: &str, kind: &str, flags: (bool, bool, bool)| {
            let mut words = line.split(' ');
            let (method, path) = (words.next().expect("a method"), words.next().expect("a path"));
            let asked = Asked::of(method, path, words.next().unwrap_or_default());
            assert_eq!(asked.kind, kind, "{line}");
            assert_eq!((asked.is_change, asked.is_watch, asked.is_list), flags, "{line}");
        };
        let (change, watch, list) =
            ((true, false, false), (false, true, false), (false, false, true));
        check("GET /api/v1/namespaces/a/pods watch=true&limit=1", "pods", watch);
        check("GET /api/v1/namespaces/a/pods limit=500", "pods", list);
        check("GET /api/v1/namespaces/a/pods/x", "pods", (false, false, false));
        check("DELETE /api/v1/namespaces/a/pods/x", "pods", change);
        let status = "PATCH /apis/ringkv.dev/v1alpha1/namespaces/a/kvclusters/demo/status";
        check(status, "kvclusters/status", change);
        let lease = "PATCH /apis/coordination.k8s.io/v1/namespaces/a/leases/x";
        check(lease, "leases", (false, false, false));
    }

    #[test]
    fn only_the_request_whose_turn_it_is_is_harmed_and_only_once() {
        let change = Asked::of("DELETE", "/api/v1/namespaces/a/pods/x", "");
        let read = Asked::of("GET", "/api/v1/namespaces/a/pods/x", "");
        let mut injector = Injector::default();
        injector.arm(Some(Fault::Request(Harm::Conflict, 2)));
        let harms = [&change, &read, &change, &change].map(|one| injector.request(one, "line"));
        assert_eq!(harms, [None, None, Some(Harm::Conflict), None]);
        assert_eq!((injector.met(), injector.changes()), (Some("line"), 3));
        injector.arm(None);
        assert_eq!((injector.request(&change, "line"), injector.met()), (None, None));
    }

    #[test]
    fn only_the_event_whose_turn_it_is_is_held_up() {
        let mut injector = Injector::default();
        injector.arm(Some(Fault::Late("pods", 2)));
        let passages = ["pods", "secrets", "pods", "pods"].map(|kind| injector.event(kind));
        assert_eq!(
            passages,
            [Passage::Through, Passage::Through, Passage::Later, Passage::Through]
        );
        injector.arm(Some(Fault::Unseen("pods", 1)));
        assert_eq!(injector.event("pods"), Passage::Never);
    }

    #[test]
    fn a_stale_list_is_due_only_after_the_crash() {
        let change = Asked::of("DELETE", "/api/v1/namespaces/a/pods/x", "");
        let mut injector = Injector::default();
        injector.arm(Some(Fault::Stale("pods", 1)));
        assert_eq!(injector.stale_kind(), None);
        assert_eq!(injector.request(&change, "line"), Some(Harm::CrashBefore));
        assert_eq!(injector.stale_kind(), Some("pods"));
    }
}
