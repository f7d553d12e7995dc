//! Pure. The scenarios that are searched: each small enough to be exhausted, all together with
//! every fault in them.

use ring::{ArcSet, Point};

use crate::scenario::{Limits, Operation, Planning, Scenario, Wish, arcs};

const FIRST: Point = Point(3);
const SECOND: Point = Point(6);

/// Those of every run.
#[must_use]
pub fn small() -> Vec<Scenario> {
    vec![
        stream(),
        overtaken(),
        breaks(),
        freeze(),
        there_and_back(),
        anywhere(),
        histories(),
        growth(),
        loss(),
        late_receive(),
    ]
}

/// Those of a campaign besides: the same with more of everything.
#[must_use]
pub fn large() -> Vec<Scenario> {
    let more = |name, scenario: Scenario, limits| Scenario { name, limits, ..scenario };
    vec![
        more("stream-large", stream(), Limits { kills: 1, breaks: 1, ..stream().limits }),
        more("freeze-large", freeze(), Limits { clients: 2, kills: 1, ..freeze().limits }),
        more(
            "there-and-back-large",
            Scenario { stale: 1, ..there_and_back() },
            Limits { operations: 2, breaks: 1, ..there_and_back().limits },
        ),
        more(
            "anywhere-large",
            anywhere(),
            Limits { handoffs: 3, cancels: 1, kills: 1, ..anywhere().limits },
        ),
        more("histories-large", histories(), Limits { operations: 2, ..histories().limits }),
        leaving(),
        more("growth-large", growth(), Limits { rounds: 6, ..growth().limits }),
        change_after_loss(),
        more("leaving-large", leaving(), Limits { rounds: 6, ..leaving().limits }),
    ]
}

/// One arc of two keys at the first of two nodes, and a handoff of it.
fn pair(name: &'static str, about: &'static str) -> Scenario {
    Scenario {
        n_nodes: 2,
        members: vec![0, 1],
        owned: vec![(arcs(0, 9), 0)],
        keys: vec![FIRST, SECOND],
        present: vec![FIRST, SECOND],
        script: vec![(0, 1, arcs(0, 9))],
        ..Scenario::empty(name, about)
    }
}

fn stream() -> Scenario {
    Scenario {
        chunk: 1,
        limits: Limits {
            clients: 2,
            operations: 1,
            handoffs: 1,
            power_losses: 1,
            ..Limits::default()
        },
        ..pair("stream", "a handoff record by record under writes, with a loss of power")
    }
}

fn overtaken() -> Scenario {
    Scenario {
        keys: vec![FIRST],
        present: vec![FIRST],
        reads_ahead: true,
        limits: Limits { clients: 1, operations: 2, handoffs: 1, breaks: 1, ..Limits::default() },
        ..pair("overtaken", "captured writes overtake what the scan has read before")
    }
}

fn breaks() -> Scenario {
    Scenario {
        chunk: 1,
        stale: 1,
        limits: Limits {
            clients: 1,
            operations: 1,
            handoffs: 1,
            breaks: 1,
            kills: 1,
            ..Limits::default()
        },
        ..pair("breaks", "connections that break, and frames that come late")
    }
}

fn freeze() -> Scenario {
    Scenario {
        keys: vec![FIRST],
        present: vec![FIRST],
        stale: 1,
        freeze_lags: true,
        limits: Limits {
            clients: 1,
            operations: 1,
            handoffs: 1,
            breaks: 1,
            power_losses: 1,
            pauses: 1,
            cancels: 1,
            ..Limits::default()
        },
        ..pair("freeze", "a freeze that is in force late, a pause that is long, a cancel")
    }
}

fn there_and_back() -> Scenario {
    Scenario {
        keys: vec![FIRST],
        present: vec![FIRST],
        script: vec![(0, 1, arcs(0, 9)), (1, 0, arcs(0, 9))],
        limits: Limits {
            clients: 1,
            operations: 1,
            handoffs: 2,
            power_losses: 1,
            ..Limits::default()
        },
        stale: 1,
        ..pair("there-and-back", "an arc comes back to where it was, and so must no old record")
    }
}

fn halves() -> Vec<(ArcSet, usize)> {
    vec![(arcs(0, 4), 0), (arcs(5, 9), 1)]
}

fn anywhere() -> Scenario {
    Scenario {
        owned: halves(),
        keys: vec![FIRST],
        present: vec![FIRST],
        pieces: vec![arcs(0, 4), arcs(5, 9)],
        operations: vec![Operation::Write],
        limits: Limits { clients: 1, operations: 1, handoffs: 2, ..Limits::default() },
        ..Scenario::empty(
            "anywhere",
            "any handoffs of two arcs between three nodes, with late requests",
        )
    }
}

fn histories() -> Scenario {
    Scenario {
        keys: vec![FIRST],
        present: vec![FIRST],
        judges_histories: true,
        operations: vec![Operation::Read, Operation::Write, Operation::Remove],
        limits: Limits {
            clients: 2,
            operations: 1,
            handoffs: 1,
            power_losses: 1,
            ..Limits::default()
        },
        ..pair("histories", "two clients, whose histories a second judge finds linearizable")
    }
}

fn whole_ring() -> (ArcSet, ArcSet) {
    (arcs(0, 9), arcs(10, u128::MAX))
}

fn growth() -> Scenario {
    let (low, high) = whole_ring();
    Scenario {
        members: vec![0, 1],
        owned: vec![(low.clone(), 0), (high.clone(), 1)],
        preferred: vec![(low, vec![2, 0, 1]), (high, vec![1, 0, 2])],
        keys: vec![FIRST],
        present: vec![FIRST],
        planning: Planning::Planner(vec![
            Wish { members: vec![0, 1] },
            Wish { members: vec![0, 1, 2] },
            Wish { members: vec![0, 1] },
        ]),
        limits: Limits { rounds: 3, takeovers: 1, ..Limits::default() },
        ..Scenario::empty(
            "growth",
            "a server joins, and is not wanted any more before that is done",
        )
    }
}

fn leaving() -> Scenario {
    let (low, high) = whole_ring();
    Scenario {
        n_nodes: 2,
        members: vec![0, 1],
        owned: vec![(low.clone(), 0), (high.clone(), 1)],
        preferred: vec![(low, vec![0, 1]), (high, vec![1, 0])],
        planning: Planning::Planner(vec![Wish { members: vec![0] }, Wish { members: vec![0, 1] }]),
        limits: Limits { rounds: 4, removals: 1, ..Limits::default() },
        ..Scenario::empty("leaving", "a server leaves, and is wanted again at any moment")
    }
}

fn loss() -> Scenario {
    let (low, high) = whole_ring();
    Scenario {
        n_nodes: 2,
        members: vec![0, 1],
        owned: vec![(low.clone(), 0), (high.clone(), 1)],
        preferred: vec![(low, vec![0, 1]), (high, vec![1, 0])],
        planning: Planning::Planner(vec![Wish { members: vec![0, 1] }]),
        limits: Limits { rounds: 5, volume_losses: 1, returns: 1, ..Limits::default() },
        ..Scenario::empty("loss", "a volume is lost and declared so, and turns up again")
    }
}

fn change_after_loss() -> Scenario {
    let planning = Planning::Planner(vec![Wish { members: vec![0, 1] }, Wish { members: vec![0] }]);
    Scenario {
        planning,
        must_settle: false,
        limits: Limits { rounds: 6, volume_losses: 1, ..Limits::default() },
        name: "change-after-loss",
        about: "the ring changes between the grants that make a loss good",
        ..loss()
    }
}

fn late_receive() -> Scenario {
    Scenario {
        name: "late-receive",
        about: "a RECEIVE that was meant for a volume that is lost comes to its successor",
        must_settle: true,
        limits: Limits { rounds: 2, volume_losses: 1, ..Limits::default() },
        ..change_after_loss()
    }
}
