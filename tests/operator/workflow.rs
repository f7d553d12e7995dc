//! Pure. The changes that a user makes, during which something goes wrong.

use std::fmt;
use std::str::FromStr;

use e2e::fault::Fault;
use serde_json::{Value, json};

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Workflow {
    Create,
    ThreeToFive,
    FiveToThree,
    FiveToOne,
    /// 3 to 5, and to 2 before that is done.
    ThreeToFiveToTwo,
    ImageRoll,
    StorageGrows,
    Delete,
    /// Once more under the same name, with the volumes that were kept.
    Recreate,
}

/// All of them.
pub(crate) const WORKFLOWS: [Workflow; 9] = [
    Workflow::Create,
    Workflow::ThreeToFive,
    Workflow::FiveToThree,
    Workflow::FiveToOne,
    Workflow::ThreeToFiveToTwo,
    Workflow::ImageRoll,
    Workflow::StorageGrows,
    Workflow::Delete,
    Workflow::Recreate,
];

/// In what state a cluster is between two changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stand {
    /// There never was one.
    Nothing,
    /// It serves, with so many servers.
    Servers(u32),
    /// It was deleted, and its volumes are there.
    Deleted,
}

impl Workflow {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::ThreeToFive => "3-to-5",
            Self::FiveToThree => "5-to-3",
            Self::FiveToOne => "5-to-1",
            Self::ThreeToFiveToTwo => "3-to-5-to-2",
            Self::ImageRoll => "image-roll",
            Self::StorageGrows => "storage-grows",
            Self::Delete => "delete",
            Self::Recreate => "recreate",
        }
    }

    /// Before it.
    pub(crate) const fn from(self) -> Stand {
        match self {
            Self::Create => Stand::Nothing,
            Self::FiveToThree | Self::FiveToOne => Stand::Servers(5),
            Self::ThreeToFive
            | Self::ThreeToFiveToTwo
            | Self::ImageRoll
            | Self::StorageGrows
            | Self::Delete => Stand::Servers(3),
            Self::Recreate => Stand::Deleted,
        }
    }

    /// After it.
    pub(crate) const fn to(self) -> Stand {
        match self {
            Self::ThreeToFive => Stand::Servers(5),
            Self::FiveToOne => Stand::Servers(1),
            Self::ThreeToFiveToTwo => Stand::Servers(2),
            Self::Delete => Stand::Deleted,
            Self::Create
            | Self::FiveToThree
            | Self::ImageRoll
            | Self::StorageGrows
            | Self::Recreate => Stand::Servers(3),
        }
    }
}

/// One change, and what goes wrong in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) workflow: Workflow,
    pub(crate) fault: Option<Fault>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            Some(fault) => write!(f, "{}/{fault}", self.workflow.as_str()),
            None => write!(f, "{}/none", self.workflow.as_str()),
        }
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (workflow, fault) = text.split_once('/').unwrap_or((text, "none"));
        let found = WORKFLOWS.into_iter().find(|one| one.as_str() == workflow);
        let workflow = found.ok_or_else(|| {
            let names: Vec<&str> = WORKFLOWS.iter().map(|one| one.as_str()).collect();
            format!("{workflow:?} is none of {}", names.join(", "))
        })?;
        let fault = if fault == "none" { None } else { Some(fault.parse()?) };
        Ok(Self { workflow, fault })
    }
}

/// The size of a new cluster's volumes.
pub(crate) const SIZE: &str = "1Gi";

/// The specification of a new cluster.
pub(crate) fn specification(size: &str) -> Value {
    json!({
        "replicas": 3,
        "image": "ringkv:a",
        "storage": { "size": size },
        "router": { "replicas": 1 },
    })
}

/// The image to which one rolls.
pub(crate) fn other_image(image: &Value) -> &'static str {
    if *image == "ringkv:a" { "ringkv:b" } else { "ringkv:a" }
}

/// A little more, as `storage.size` has it.
pub(crate) fn grown(size: &str) -> String {
    let mib = match size {
        SIZE => 1024,
        other => other.trim_end_matches("Mi").parse().unwrap_or(1024),
    };
    format!("{}Mi", mib + 64)
}
