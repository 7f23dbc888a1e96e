//! Plans for a [`FaultProxy`](crate::FaultProxy) that many tests share.

use crate::network::fault::{Fault, Passing};

/// Injects `fault` into the first request that `wanted` accepts.
///
/// ```
/// use lagoon_task_testing::{Fault, once};
///
/// let plan = once(Fault::AnswerLost, |passing| passing.uri.contains("/ingresses"));
/// # fn takes(_: impl FnMut(&lagoon_task_testing::Passing) -> Fault) {}
/// # takes(plan);
/// ```
pub fn once(fault: Fault, wanted: fn(&Passing) -> bool) -> impl FnMut(&Passing) -> Fault + Send + 'static {
    first(1, fault, wanted)
}

/// Injects `fault` into the first `times` requests that `wanted` accepts.
pub fn first(
    times: usize,
    fault: Fault,
    wanted: fn(&Passing) -> bool,
) -> impl FnMut(&Passing) -> Fault + Send + 'static {
    let mut left = times;
    move |passing| {
        if left == 0 || !wanted(passing) {
            return Fault::None;
        }
        left -= 1;
        fault
    }
}

/// Injects `fault` into every request that `wanted` accepts.
pub fn every(fault: Fault, wanted: fn(&Passing) -> bool) -> impl FnMut(&Passing) -> Fault + Send + 'static {
    move |passing| if wanted(passing) { fault } else { Fault::None }
}
