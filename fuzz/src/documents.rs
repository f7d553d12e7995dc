//! Pure. Ring documents.

use ring::{Arc, Ring, RingDocument};

/// A larger ring takes its time.
const TOKENS_MAX: usize = 2_000;

/// A document is refused, or it is written so that it is read alike and describes a whole ring.
/// What follows from it by a change of members is a document as well.
pub(crate) fn ring(json: &[u8]) {
    let Ok(document) = RingDocument::from_json(json) else { return };
    assert_eq!(RingDocument::from_json(document.to_json().as_bytes()).as_ref(), Ok(&document));
    if document.members.len() * usize::from(document.virtual_nodes) > TOKENS_MAX {
        return;
    }
    let ring = Ring::from_document(&document).expect("a document that was read describes a ring");
    assert!(ring.assignment().arcs().covers(&[Arc::FULL].into_iter().collect()));
    let incarnation = "0123456789abcdef0123456789abcdef";
    let larger = document.with_member_added("kv-new", incarnation);
    let first = document.members.first().map(|member| member.name.clone()).unwrap_or_default();
    let smaller = document.with_member_removed(&first);
    for next in [larger, smaller].into_iter().flatten() {
        assert!(next.epoch > document.epoch);
        assert_eq!(RingDocument::from_json(next.to_json().as_bytes()), Ok(next));
    }
}
