//! What the controller asks of the switch engine.

use lagoon_task::ObjectName;
use lagoon_task::output::Output;

/// One switch, as a `HostMigration` asks for it.
#[derive(Clone)]
pub struct SwitchRequest {
    /// Namespace of the standby environment: the object's own.
    pub standby_namespace: String,
    /// Namespace of the active environment: the object's `spec.destinationNamespace`.
    pub active_namespace: String,
    /// The object's name.
    pub object_name: String,
    /// The object's uid. A later object of the same name asks for another switch.
    pub object_uid: String,
    /// Whether an earlier attempt may have moved something already.
    pub is_begun: bool,
    /// Where to say what is being done: lines of the controller's log that name the object.
    pub output: Output,
}

/// A switch that is done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SwitchedHosts {
    /// Comma-joined URLs of the routes that moved from the active namespace to the standby namespace.
    pub active_hosts: String,
    /// Comma-joined URLs of the routes that moved from the standby namespace to the active namespace.
    pub standby_hosts: String,
    /// What was done, in a sentence.
    pub summary: String,
}

/// A switch that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwitchFailed {
    /// Why, and what it means for the site's routes.
    pub sentence: String,
    /// Whether it has not ended yet: asked again, the engine goes on where it stopped.
    pub try_again: bool,
    /// How many hosts are offline now; `None` if that is not known.
    pub hosts_offline: Option<usize>,
    /// The journal that cannot be read, if that is why.
    pub unreadable: Option<ObjectName>,
}

impl SwitchFailed {
    /// One that has ended, and has changed nothing.
    #[must_use]
    pub fn for_good(sentence: String) -> Self {
        Self { sentence, try_again: false, hosts_offline: None, unreadable: None }
    }
}

/// Carries out switches.
pub trait Engine: Send + Sync + 'static {
    /// Carries out a switch. Asked again for one that it has begun, it goes on with it; asked again for one that has
    /// ended, it answers the same once more.
    fn switch(&self, request: SwitchRequest) -> impl Future<Output = Result<SwitchedHosts, SwitchFailed>> + Send;

    /// Hears that the end of a switch now stands on its `HostMigration`, so that nobody will ask for it again.
    fn after_recorded(&self, request: &SwitchRequest) -> impl Future<Output = ()> + Send;
}
