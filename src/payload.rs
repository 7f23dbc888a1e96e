//! What Lagoon asks for.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The names of the two environments, as Lagoon has them before the switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentNames {
    /// The environment that is active before the switch.
    pub production: String,
    /// The environment that is standby before the switch.
    pub standby: String,
}

/// An environment's name in the form that Lagoon keeps for a project's environments and compares with: it makes the names of
/// all environments so before it looks which is the active one (`makeSafe` in the API's resolvers: lower case, and a dash for
/// every UTF-16 unit that is no letter, digit or dash of ASCII).
#[must_use]
pub fn as_kept_by_lagoon(name: &str) -> String {
    let safe = |unit: u16| match u8::try_from(unit).map(char::from) {
        Ok(one) if one.is_ascii_lowercase() || one.is_ascii_digit() => one,
        _ => '-',
    };
    name.to_lowercase().encode_utf16().map(safe).collect()
}

/// What Lagoon sends for a switch.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SwitchPayload {
    /// Name of the environment that is active now.
    pub(crate) production_environment: String,
    /// Name of the environment that is to become active.
    pub(crate) standby_environment: String,
    /// The `HostMigration` to create, in the CRD way.
    #[serde(default)]
    pub(crate) crd: Option<Map<String, Value>>,
    /// Namespace of the standby environment, in the direct way.
    #[serde(default)]
    pub(crate) source_namespace: Option<String>,
    /// Namespace of the active environment, in the direct way.
    #[serde(default)]
    pub(crate) destination_namespace: Option<String>,
    /// Whether to show only what would be done, in the direct way.
    #[serde(default, deserialize_with = "yes_or_no")]
    pub(crate) dry_run: bool,
}

/// A flag as JSON has it, or as text: a user-started task's arguments are all text.
fn yes_or_no<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(false),
        Value::Bool(flag) => Ok(flag),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" || text.is_empty() => Ok(false),
        _ => Err(serde::de::Error::custom("a value of another type, expected true or false")),
    }
}
