//! Faults that tests plant in the engine to see that they would notice them. None exists without the feature `mutants`.

/// A fault, each of which could cost a site a route or a key. `.ci/mutants` names the tests that notice it, or plant it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mutant {
    /// Secrets are deleted from where they were before it is seen that the routes have moved.
    SecretsCleanedBeforeVerify,
    /// A copy of a Secret is not compared with its original before routes move to it.
    CopyNotCompared,
    /// A Secret is deleted from where it was without its copy being compared.
    OriginalNotCompared,
    /// A Secret is deleted from where it was although it was renewed after it was copied.
    RenewedOriginalDeleted,
    /// Whether the routes are where they belong is not asked once they have moved.
    SecondLookLeftOut,
    /// A run that has lost the lock still writes.
    LockNotAsked,
    /// The lock is taken over from a run that has not ended.
    LivingHolderReplaced,
    /// A route goes offline for a moment without the journal saying so.
    GapNotRecorded,
    /// A route that was changed during the switch is not recorded in the journal before it is deleted.
    ChangeNotRecorded,
    /// A route is deleted although it was changed after it was read.
    ChangedRouteDeleted,
    /// A Secret is deleted from where it was although a pod, a Gateway or a service account there uses it.
    SecretUsersNotAsked,
    /// A copy that is being deleted counts as one that is there.
    TerminatingCopyCounted,
    /// A route is deleted before the controller that had accepted it accepts the new one.
    AcceptanceNotAwaited,
    /// When a switch is undone, a copy is deleted whose original is no longer the same.
    UndoneCopyNotCompared,
    /// A route that somebody deleted while a switch was interrupted is created again from the journal.
    DeletedRouteRecreated,
    /// The first switch of a process panics once its first route has moved.
    #[cfg_attr(not(feature = "mutants"), allow(dead_code, reason = "planted in one place, which is then not there"))]
    SwitchPanics,
}

/// Whether the environment asks for this fault.
#[cfg(feature = "mutants")]
pub(crate) fn is_planted(mutant: Mutant) -> bool {
    use std::sync::LazyLock;

    static PLANTED: LazyLock<String> = LazyLock::new(|| std::env::var("ROUTE_SWITCH_MUTANT").unwrap_or_default());
    !PLANTED.is_empty() && *PLANTED == kebab_case(&format!("{mutant:?}"))
}

/// No fault: what asks for one is compiled to nothing.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn is_planted(_: Mutant) -> bool {
    false
}

/// Panics, once in a process, if the environment asks for it.
#[cfg(feature = "mutants")]
pub(crate) fn panic_if_planted() {
    use std::sync::atomic::{AtomicBool, Ordering};

    static HAS_PANICKED: AtomicBool = AtomicBool::new(false);
    let panics = is_planted(Mutant::SwitchPanics) && !HAS_PANICKED.swap(true, Ordering::Relaxed);
    assert!(!panics, "a test has planted this");
}

/// No fault.
#[cfg(not(feature = "mutants"))]
pub(crate) const fn panic_if_planted() {}

#[cfg(feature = "mutants")]
fn kebab_case(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push('-');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}
