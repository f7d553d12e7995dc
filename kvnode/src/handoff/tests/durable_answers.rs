//! What a node says of its decisions is on disk when it says it.

use std::fs;
use std::path::Path;

use node_api::{Change, Request};

use super::cluster::Cluster;
use crate::store::Durability;

/// How often a state is asked for while terms are being recorded.
const ROUNDS: u64 = 50;

/// The highest term in the files of decisions, read without their format.
fn term_on_disk(dir: &Path) -> u64 {
    let term = |name: &str| {
        let bytes = fs::read(dir.join(name)).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (_, rest) = text.split_once("\"term\":").unwrap();
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u64>().unwrap()
    };
    term("decisions.a").max(term("decisions.b"))
}

#[test]
fn a_state_shows_no_decision_that_is_not_durable() {
    let cluster = Cluster::of(&["a"], Durability::Always);
    let dir = cluster.ring_path().with_file_name("a");
    for round in 1..=ROUNDS {
        let dir = &dir;
        let asked = cluster.try_ask("a", |client, at| async move {
            let incarnation = client.state(&at).await?.server.incarnation;
            let change = Change::Term;
            let term = async |term| {
                client.change(&at, &Request { term, incarnation, change: change.clone() }).await
            };
            let state = async {
                let state = client.state(&at).await?;
                Ok((state.term, term_on_disk(dir)))
            };
            // While the first is made durable, the second and the question come in together.
            // The lower term is refused where it comes later.
            let (_, _, state) = tokio::join!(term(round * 10), term(round * 10 + 1), state);
            state
        });
        let (said, on_disk) = asked.unwrap();
        assert!(said <= on_disk, "round {round}: said {said}, and {on_disk} is on disk");
    }
}
