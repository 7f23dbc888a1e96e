//! How long a pod is waited for until its command runs.

use std::time::Duration;

use tokio::time::Instant;

use crate::service_command::state::{Obstacle, ObstacleKind};

/// For a node with room, a volume, a large image.
const START_WITHIN: Duration = Duration::from_mins(10);

/// For what seldom passes by itself: time for a kubelet to try three times.
const OBSTACLE_WITHIN: Duration = Duration::from_mins(1);

/// Since when a pod has not started, and what has been in its way since when.
#[derive(Debug)]
pub(super) struct Start {
    begun: Instant,
    obstacle: Option<(Obstacle, Instant)>,
}

impl Start {
    pub(super) fn begin(now: Instant) -> Self {
        Self { begun: now, obstacle: None }
    }

    /// Notes what is in the way now; answers whether that is another sort of thing than before.
    pub(super) fn see(&mut self, obstacle: Option<Obstacle>, now: Instant) -> bool {
        let before = self.obstacle.take();
        let Some(mut obstacle) = obstacle else { return false };
        let mut since = now;
        let is_new = before.as_ref().is_none_or(|(before, _)| before.kind != obstacle.kind);
        if let Some((before, began)) = before.filter(|_| !is_new) {
            since = began;
            // That a pull is put off says less than why it failed.
            if obstacle.reason == "ImagePullBackOff" {
                obstacle = before;
            }
        }
        self.obstacle = Some((obstacle, since));
        is_new
    }

    /// What is in the way.
    pub(super) fn obstacle(&self) -> Option<&Obstacle> {
        self.obstacle.as_ref().map(|(obstacle, _)| obstacle)
    }

    /// Until when to wait, and since when that has been waited for, when the command may take `limit` in all.
    pub(super) fn deadline(&self, limit: Duration) -> (Instant, Duration) {
        let overall = self.begun + START_WITHIN.min(limit);
        let (since, within) = match &self.obstacle {
            Some((obstacle, since)) => match obstacle.kind {
                ObstacleKind::HopelessImage => (*since, Duration::ZERO),
                ObstacleKind::Image | ObstacleKind::Container => (*since, OBSTACLE_WITHIN),
                ObstacleKind::NoNode | ObstacleKind::Other => (self.begun, START_WITHIN),
            },
            None => (self.begun, START_WITHIN),
        };
        if since + within <= overall { (since + within, within) } else { (overall, START_WITHIN.min(limit)) }
    }
}

#[cfg(test)]
mod tests;
