//! Pure. The ring: points of keys, their owners, and what a change of the ring moves.

use std::hint::black_box;

use ring::{Point, Ring, diff};

use crate::inputs::{self, Cycle};
use crate::{Case, Operation};

pub(crate) const CASES: &[Case] = &[
    Case::short("ring/point of a key of 16 bytes", || point(16)),
    Case::short("ring/point of a key of 64 bytes", || point(64)),
    Case::short("ring/owner among 5 servers", || owner(5)),
    Case::short("ring/owner among 30 servers", || owner(30)),
    Case::short("ring/arc of a server among 5", || arc(5)),
    Case::short("ring/arc of a server among 30", || arc(30)),
    Case::huge("ring/ring of 30 servers", build),
    Case::long("ring/difference of 5 and 6 servers", difference),
];

fn ring_of(n_servers: u128) -> Ring {
    Ring::from_document(&inputs::document(n_servers)).expect("the document describes a ring")
}

fn points() -> Cycle<Point> {
    Cycle::new(inputs::keys().iter().map(|key| Point::of(key.as_bytes())))
}

fn point(n_bytes: usize) -> Operation {
    let key = vec![b'k'; n_bytes];
    Box::new(move || {
        black_box(Point::of(black_box(&key)));
    })
}

fn owner(n_servers: u128) -> Operation {
    let (ring, mut points) = (ring_of(n_servers), points());
    Box::new(move || {
        black_box(ring.owner_index(black_box(*points.next())));
    })
}

/// As a server finds out whether a key is its own.
fn arc(n_servers: u128) -> Operation {
    let (arcs, mut points) = (ring_of(n_servers).arcs_of("kv-0"), points());
    Box::new(move || {
        black_box(arcs.arc_of(black_box(*points.next())));
    })
}

fn build() -> Operation {
    let document = inputs::document(30);
    Box::new(move || {
        let ring = Ring::from_document(black_box(&document));
        assert!(black_box(ring).is_ok());
    })
}

fn difference() -> Operation {
    let (from, to) = (ring_of(5).assignment(), ring_of(6).assignment());
    Box::new(move || {
        assert_eq!(diff(black_box(&from), black_box(&to)).len(), 5);
    })
}
