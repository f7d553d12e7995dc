//! Pure. What a broken network does to the bytes between two processes of a cluster.

use std::fmt;
use std::time::Duration;

/// A process of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Party {
    /// The server of that name.
    Server(String),
    /// The router.
    Router,
    /// The coordinator, which is the supervisor.
    Coordinator,
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(name) => f.write_str(name),
            Self::Router => f.write_str("router"),
            Self::Coordinator => f.write_str("coordinator"),
        }
    }
}

/// Whom a rule means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// This one.
    One(Party),
    /// Everybody.
    Anybody,
}

impl Whom {
    fn means(&self, party: &Party) -> bool {
        match self {
            Self::One(one) => one == party,
            Self::Anybody => true,
        }
    }
}

/// What happens to bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// They wait for the end of the rule, and then arrive.
    Hold,
    /// They arrive later.
    Delay(Duration),
    /// So many arrive in a second.
    Throttle(u32),
    /// Connections are broken, and new ones too.
    Reset,
    /// The receiver has lost the connection, and the sender hears nothing of that.
    HalfOpen,
}

/// From whom to whom, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Who sends.
    pub from: Whom,
    /// Who should receive.
    pub to: Whom,
    /// What happens.
    pub effect: Effect,
}

impl Rule {
    /// For bytes from the first to the second.
    #[must_use]
    pub const fn one_way(from: Whom, to: Whom, effect: Effect) -> Self {
        Self { from, to, effect }
    }

    /// For bytes either way.
    #[must_use]
    pub fn both_ways(one: &Whom, other: &Whom, effect: Effect) -> Vec<Self> {
        vec![
            Self::one_way(one.clone(), other.clone(), effect),
            Self::one_way(other.clone(), one.clone(), effect),
        ]
    }
}

/// All rules that hold at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(pub Vec<Rule>);

impl Rules {
    /// What happens to bytes from one to another: the first rule that fits.
    #[must_use]
    pub fn effect(&self, from: &Party, to: &Party) -> Option<Effect> {
        let fits = |rule: &&Rule| rule.from.means(from) && rule.to.means(to);
        self.0.iter().find(fits).map(|rule| rule.effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str) -> Party {
        Party::Server(name.to_owned())
    }

    #[test]
    fn one_way_is_one_way_and_the_first_rule_counts() {
        let lonely = Whom::One(server("kv-1"));
        let rules = Rules(vec![
            Rule::one_way(lonely.clone(), Whom::One(Party::Router), Effect::Reset),
            Rule::one_way(lonely, Whom::Anybody, Effect::Hold),
        ]);
        assert_eq!(rules.effect(&server("kv-1"), &Party::Router), Some(Effect::Reset));
        assert_eq!(rules.effect(&server("kv-1"), &server("kv-0")), Some(Effect::Hold));
        assert_eq!(rules.effect(&Party::Router, &server("kv-1")), None);
        assert_eq!(rules.effect(&server("kv-0"), &Party::Router), None);
    }

    #[test]
    fn both_ways_is_both_ways() {
        let one = Whom::One(Party::Coordinator);
        let rules = Rules(Rule::both_ways(&one, &Whom::Anybody, Effect::Hold));
        assert_eq!(rules.effect(&Party::Coordinator, &server("kv-0")), Some(Effect::Hold));
        assert_eq!(rules.effect(&Party::Router, &Party::Coordinator), Some(Effect::Hold));
        assert_eq!(rules.effect(&Party::Router, &server("kv-0")), None);
    }
}
