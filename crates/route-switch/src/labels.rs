//! The labels that a switch reads and writes, and what each says.

/// `true` on a route that a switch moves.
pub const MIGRATE: &str = "activestandby.lagoon.sh/migrate";
/// The same in older sites; a switch replaces it by [`MIGRATE`].
pub const LEGACY_MIGRATE: &str = "dioscuri.amazee.io/migrate";
/// `true` on a route that is being moved, `false` on one that has been.
pub const MIGRATING: &str = "activestandby.lagoon.sh/migrating";
/// The namespace that a moved route came from.
pub const MIGRATED_FROM: &str = "activestandby.lagoon.sh/migrated-from";
/// The switch that put an object where it is.
pub const SWITCH: &str = "activestandby.lagoon.sh/switch";
/// On an object that a switch makes for itself: what it is for.
pub const ROLE: &str = "activestandby.lagoon.sh/role";
/// The value of [`ROLE`] on a Secret that had to make way for another of its name, and is kept under this one.
pub const KEPT: &str = "kept";
/// The value of [`ROLE`] on a part of a journal.
pub const JOURNAL: &str = "journal";
/// `true` on a further part of a journal, which is none by itself.
pub const PART: &str = "activestandby.lagoon.sh/part";
