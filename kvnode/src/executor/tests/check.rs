use node_api::Secret;
use ring::Arc;

use super::super::check::Refusal;
use super::super::{Admission, Hold, Verdict};
use super::{Bench, arc_of, error_of, frozen, range_text, serving, without};
use crate::Access;
use crate::command::Reply;

#[test]
fn nothing_runs_before_admission() {
    let mut bench = Bench::new();
    let mut segments = serving();
    segments.admission = Admission::Waiting("no ring document yet".into());
    bench.publish(&segments);
    for line in [
        "GET k",
        "SET k v",
        "RINGKV.COUNT 00000000000000000000000000000000 ffffffffffffffffffffffffffffffff 1",
    ] {
        assert_eq!(error_of(bench.ask(line)), "LOADING no ring document yet");
        assert_eq!(error_of(bench.ask_as_router(line)), "LOADING no ring document yet");
    }
    assert_eq!(bench.ask("PING"), Reply::Simple("PONG"));
    assert_eq!(*bench.router.marks(), ring::ArcSet::full(), "admitted or not, until resumed");
}

#[test]
fn a_client_is_told_who_owns_what_is_not_here() {
    let mut bench = Bench::new();
    let mut segments = without("k");
    bench.publish(&segments);
    let text = "MOVED key belongs to another server; connect to the router";
    assert_eq!(error_of(bench.ask("GET k")), text);
    let target = ::handoff::Server { name: "kv-1".into(), incarnation: ::handoff::Incarnation(3) };
    segments.given.insert(arc_of("k"), node_api::Given { epoch: 5, target });
    bench.publish(&segments);
    let text = "MOVED key belongs to kv-1; connect to the router";
    assert_eq!(error_of(bench.ask("SET k v")), text);
    let text = format!("MOVED {} 5 kv-1", range_text(arc_of("k")));
    assert_eq!(error_of(bench.ask_as_router("SET k v")), text);
    assert_eq!(bench.ask("SET other v"), Reply::Ok);
}

#[test]
fn a_frozen_key_holds_a_client_and_is_refused_to_a_router() {
    let mut bench = Bench::new();
    bench.publish(&frozen("k"));
    for line in ["GET k", "SET k v", "MGET other k", "DEL other k"] {
        let verdict = bench.run(line);
        assert!(matches!(verdict, Verdict::Hold(Hold::Segments(_))), "{line}: {verdict:?}");
    }
    let text = format!("FROZEN {}", range_text(arc_of("k")));
    assert_eq!(error_of(bench.ask_as_router("MSET other v k v")), text);
    assert_eq!(bench.ask("GET other"), Reply::Null, "nothing of the command was applied");
    bench.publish(&serving());
    assert_eq!(bench.ask("GET k"), Reply::Null);
}

#[test]
fn a_refused_range_stays_refused_until_it_is_resumed() {
    let mut bench = Bench::new();
    bench.publish(&frozen("k"));
    let arc = range_text(arc_of("k"));
    let frozen_text = format!("FROZEN {arc}");
    assert_eq!(error_of(bench.ask_as_router("SET k first")), frozen_text);
    // The handoff was given up. What was sent behind the refused command must not overtake it.
    bench.publish(&serving());
    assert_eq!(error_of(bench.ask_as_router("SET k second")), frozen_text);
    assert_eq!(error_of(bench.ask_as_router("GET k")), frozen_text);
    assert_eq!(error_of(bench.ask_as_router("MGET other k")), frozen_text);
    assert_eq!(bench.ask_as_router("SET other v"), Reply::Ok);
    // The reason is that of the moment.
    bench.publish(&without("k"));
    assert_eq!(error_of(bench.ask_as_router("SET k second")), format!("MOVED {arc} 0 ?"));
    bench.publish(&serving());
    assert_eq!(bench.ask_as_router(&format!("RINGKV.RESUME {arc}")), Reply::Ok);
    assert_eq!(bench.ask_as_router("SET k first"), Reply::Ok);
    assert!(bench.router.marks().is_empty());
    // Another connection was never concerned.
    assert_eq!(bench.ask("GET k"), Reply::text("first"));
}

#[test]
fn marks_are_bounded() {
    let mut session = super::session(1);
    let arc = |n: u128| Arc::new(ring::Point(n * 10), ring::Point(n * 10 + 1)).expect("an arc");
    (0..64).for_each(|n| session.mark(arc(n)));
    assert_eq!(session.marks().len(), 64);
    session.mark(arc(64));
    assert_eq!(*session.marks(), ring::ArcSet::full());
    session.resume(Arc::FULL);
    assert!(session.marks().is_empty());
}

#[test]
fn only_the_right_router_is_welcome() {
    let mut bench = Bench::new();
    let (cluster, incarnation) = (format!("{:032x}", 9), format!("{:032x}", 7));
    let hello =
        |cluster: &str, incarnation: &str| format!("RINGKV.HELLO 1 ROUTER {cluster} {incarnation}");
    let refused =
        format!("WRONGNODE this is kv-0 of incarnation {incarnation} in cluster {cluster}");
    assert_eq!(error_of(bench.ask(&hello(&incarnation, &incarnation))), refused);
    assert_eq!(error_of(bench.ask(&hello(&cluster, &cluster))), refused);
    assert!(!bench.client.is_router);
    assert_eq!(bench.ask(&hello(&cluster, &incarnation)), Reply::Ok);
    assert!(bench.client.is_router);
}

#[test]
fn a_router_shows_the_token() {
    let access = Access { token: Secret::new(b"t0ken").ok(), password: None };
    let (cluster, incarnation) = (format!("{:032x}", 9), format!("{:032x}", 7));
    let hello = format!("RINGKV.HELLO 1 ROUTER {cluster} {incarnation}");
    let mut bench = Bench::new();
    bench.executor = bench.executor.with_access(access);
    for wrong in ["", " other", " t0ke"] {
        let text = error_of(bench.ask(&format!("{hello}{wrong}")));
        assert!(text.starts_with("WRONGTOKEN "), "{wrong}: {text}");
        assert!(!bench.client.is_router);
    }
    assert_eq!(bench.ask(&format!("{hello} t0ken")), Reply::Ok);
    assert!(bench.client.is_router);
}

#[test]
fn texts_of_refusals() {
    let moved = Refusal::Moved { arc: arc_of("k"), epoch: 0, owner: None };
    let arc = range_text(arc_of("k"));
    assert_eq!(moved.text_for_router(), format!("MOVED {arc} 0 ?"));
    assert_eq!(Refusal::Frozen(arc_of("k")).text_for_router(), format!("FROZEN {arc}"));
    assert!(Refusal::Frozen(arc_of("k")).text_for_client().starts_with("TRYAGAIN "));
}
