//! Pure. The one place that says whether a command on a point may run here, and what the client is
//! told where it may not.

use std::borrow::Cow;

use handoff::{Epoch, Server};
use ring::{Arc, ArcSet, Point};

use super::control::{Admission, SegmentState, Segments};

/// Why a command may not run. Nothing of it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The node serves nothing yet.
    Loading(String),
    /// The arc is held, until a handoff is decided or writers are let on again.
    Frozen(Arc),
    /// The arc is not owned here.
    Moved {
        arc: Arc,
        /// The highest epoch known for it here; 0 where nothing is known.
        epoch: Epoch,
        /// Who owned it at that epoch.
        owner: Option<Server>,
    },
}

impl Refusal {
    /// The arc that it is about. A node that serves nothing refuses the whole ring: once it serves,
    /// a later command of the same router must not overtake a refused one.
    pub(crate) fn arc(&self) -> Option<Arc> {
        match self {
            Self::Loading(_) => Some(Arc::FULL),
            Self::Frozen(arc) | Self::Moved { arc, .. } => Some(*arc),
        }
    }

    /// The error for a router, which re-routes by it.
    pub(crate) fn text_for_router(&self) -> Cow<'static, str> {
        match self {
            Self::Loading(why) => format!("LOADING {why}").into(),
            Self::Frozen(arc) => format!("FROZEN {} {}", arc.start(), arc.last()).into(),
            Self::Moved { arc, epoch, owner } => {
                let owner = owner.as_ref().map_or("?", |owner| owner.name.as_str());
                format!("MOVED {} {} {epoch} {owner}", arc.start(), arc.last()).into()
            }
        }
    }

    /// The error for any other client. What is frozen is waited for, so its text is that of a wait
    /// that took too long.
    pub(crate) fn text_for_client(&self) -> Cow<'static, str> {
        match self {
            Self::Loading(why) => format!("LOADING {why}").into(),
            Self::Frozen(_) => {
                "TRYAGAIN the key's arc is being handed over; the command was not applied".into()
            }
            Self::Moved { owner: Some(owner), .. } => {
                format!("MOVED key belongs to {}; connect to the router", owner.name).into()
            }
            Self::Moved { owner: None, .. } => {
                "MOVED key belongs to another server; connect to the router".into()
            }
        }
    }
}

/// The segment around a point whose commands may run.
pub(crate) fn check_point(segments: &Segments, point: Point) -> Result<Arc, Refusal> {
    if let Admission::Waiting(why) = &segments.admission {
        return Err(Refusal::Loading(why.clone()));
    }
    match segments.arcs.entry(point) {
        Some((arc, SegmentState::Serving { .. })) => Ok(arc),
        Some((arc, SegmentState::Frozen { .. })) => Err(Refusal::Frozen(arc)),
        None => {
            let given = segments.given.get(point);
            Err(Refusal::Moved {
                arc: segments.gap(point),
                epoch: given.map_or(0, |given| given.epoch),
                owner: given.map(|given| given.target.clone()),
            })
        }
    }
}

/// As [`check_point`], for a connection with refused ranges: a command on one of them is refused
/// until the router resumes it, even where it could run by now, so that none overtakes another.
pub(crate) fn check_marked(
    segments: &Segments,
    marks: &ArcSet,
    point: Point,
) -> Result<Arc, Refusal> {
    let arc = check_point(segments, point)?;
    match marks.arc_of(point) {
        Some(mark) => Err(Refusal::Frozen(mark)),
        None => Ok(arc),
    }
}
