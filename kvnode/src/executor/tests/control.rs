use handoff::{Incarnation, Server};
use node_api::Given;
use ring::{Arc, Point};

use crate::executor::{Admission, SegmentState, Segments};

fn arc(start: u128, last: u128) -> Arc {
    Arc::new(Point(start), Point(last)).expect("start before last")
}

fn segments() -> Segments {
    let mut segments = Segments::waiting("recovering");
    segments.arcs.insert(arc(10, 19), SegmentState::Serving { epoch: 1 });
    segments.arcs.insert(arc(20, 29), SegmentState::Frozen { epoch: 1 });
    let target = Server { name: "kv-1".into(), incarnation: Incarnation(7) };
    segments.given.insert(arc(35, 39), Given { epoch: 2, target });
    segments
}

#[test]
fn a_gap_ends_at_owned_arcs_and_at_hints() {
    let segments = segments();
    assert_eq!(segments.gap(Point(3)), arc(0, 9));
    assert_eq!(segments.gap(Point(30)), arc(30, 34));
    assert_eq!(segments.gap(Point(36)), arc(35, 39));
    assert_eq!(segments.gap(Point(40)), arc(40, u128::MAX));
    assert_eq!(Segments::waiting("").gap(Point(40)), Arc::FULL);
}

#[test]
fn the_view_of_routers_shows_claims() {
    let mut segments = segments();
    let server = Server { name: "kv-0".into(), incarnation: Incarnation(1) };
    assert!(!segments.view(&server, 1).admitted);
    segments.admission = Admission::Admitted;
    let view = segments.view(&server, 2);
    assert!(view.admitted && view.view == 2);
    assert!(view.arcs.get(Point(25)).is_some_and(|claim| claim.frozen && claim.epoch == 1));
    assert_eq!(view.arcs.get(Point(30)), None);
}
