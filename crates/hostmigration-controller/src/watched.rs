//! What is kept of a `HostMigration` that the watch brings: little, since a cluster may have ten thousand of them.

use k8s_openapi::jiff::Timestamp;
use kube::api::DynamicObject;

use crate::decision::{self, Decision, decide};
use crate::identity::Identity;
use crate::objects::{Malformed, typed};
use crate::queue::Kind;
use hostmigration::HostMigration;

/// What the controller has to do about an object, as the watch says. Each attempt reads the object again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watched {
    /// What to do.
    pub decision: Decision,
    /// When its switch was begun, if it has not ended.
    pub begun: Option<Timestamp>,
    /// Whether its switch has ended and nothing is left to do.
    pub is_finished: bool,
}

impl Watched {
    /// What is kept of `object`.
    pub fn of(object: &DynamicObject) -> Result<(Identity, Self), Malformed> {
        let known = typed(object)?;
        let (decision, begun, is_finished) = (decide(&known), decision::begun(&known), is_finished(&known));
        Ok((Identity::of(&known), Self { decision, begun, is_finished }))
    }

    /// What kind of an attempt the object needs; `None` if none.
    #[must_use]
    pub fn needs(&self) -> Option<Kind> {
        match self.decision {
            Decision::Start => Some(Kind::First),
            Decision::Resume | Decision::GiveUp | Decision::RemoveFinalizer => Some(Kind::Again),
            Decision::Nothing => None,
        }
    }
}

/// Whether the object's switch has ended and nothing is left to do about it.
#[must_use]
pub fn is_finished(object: &HostMigration) -> bool {
    decide(object) == Decision::Nothing && decision::latest(object).is_some()
}
