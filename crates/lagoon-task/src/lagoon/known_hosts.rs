//! SSH host keys that are known beforehand, in OpenSSH's format (`sshd(8)`, `SSH_KNOWN_HOSTS FILE FORMAT`).

use std::borrow::Cow;

use ring::hmac;
use russh::keys::ssh_key::known_hosts::{Entry, HostPatterns, Marker};
use russh::keys::{Algorithm, HashAlg, PublicKey};

/// Known host keys. Names may be hashed, have the wildcards `*` and `?`, and be negated with `!`; `@revoked` counts, and
/// lines with `@cert-authority` are passed over, since host certificates are not asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownHosts {
    entries: Vec<Entry>,
}

/// A line that is no known host.
///
/// ```
/// let error = lagoon_task::lagoon::BadKnownHost { line: 3 };
/// assert!(error.to_string().starts_with("Line 3 of the known SSH host keys"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Line {line} of the known SSH host keys is not in OpenSSH's format: names, kind of key, key.")]
pub struct BadKnownHost {
    /// The line's number, from 1.
    pub line: usize,
}

/// What a host's key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The key that is known.
    Known,
    /// Nothing is known of the host.
    Unknown,
    /// Another than the ones that are known, whose fingerprints these are.
    Changed(Vec<String>),
    /// One that must not be used any more.
    Revoked,
}

impl KnownHosts {
    /// Reads the content of a `known_hosts` file.
    pub(super) fn parse(text: &str) -> Result<Self, BadKnownHost> {
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            if !line.is_empty() && !line.starts_with('#') {
                entries.push(line.parse().map_err(|_| BadKnownHost { line: index + 1 })?);
            }
        }
        Ok(Self { entries })
    }

    /// Adds the hosts of `other`.
    pub(super) fn add(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    /// What `key` is, shown by `host` at `port`.
    pub(super) fn judge(&self, host: &str, port: u16, key: &PublicKey) -> Verdict {
        let same = |entry: &&Entry| entry.public_key().key_data() == key.key_data();
        if self.of(host, port, Some(Marker::Revoked)).any(|entry| same(&entry)) {
            return Verdict::Revoked;
        }
        let known: Vec<_> = self.of(host, port, None).collect();
        if known.is_empty() {
            Verdict::Unknown
        } else if known.iter().any(same) {
            Verdict::Known
        } else {
            Verdict::Changed(known.iter().map(|entry| fingerprint(entry.public_key())).collect())
        }
    }

    /// The kinds of key that are known of a host. A host with several keys shows the kind it is asked for.
    pub(super) fn algorithms(&self, host: &str, port: u16) -> Vec<Algorithm> {
        self.of(host, port, None).map(|entry| entry.public_key().algorithm()).collect()
    }

    fn of(&self, host: &str, port: u16, marker: Option<Marker>) -> impl Iterator<Item = &Entry> {
        let name = if port == 22 { Cow::Borrowed(host) } else { Cow::Owned(format!("[{host}]:{port}")) };
        self.entries
            .iter()
            .filter(move |entry| entry.marker().copied() == marker && names(entry.host_patterns(), &name))
    }
}

/// A key's fingerprint, as OpenSSH shows it: `SHA256:` and base64.
pub(super) fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Whether the patterns name the host. One that is negated rules it out.
fn names(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => {
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
            hmac::verify(&key, name.as_bytes(), hash).is_ok()
        }
        HostPatterns::Patterns(patterns) => {
            let name = name.to_ascii_lowercase();
            let fits = |pattern: &str| fits(pattern.to_ascii_lowercase().as_bytes(), name.as_bytes());
            let negated = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!'));
            patterns.iter().any(|pattern| fits(pattern)) && !negated.into_iter().any(fits)
        }
    }
}

/// Whether a pattern with `*` and `?` fits the whole name.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut behind) = (0, 0);
    // Where the last `*` stands, and up to where it has taken the name so far.
    let mut star: Option<(usize, usize)> = None;
    while behind < name.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, behind));
            at += 1;
        } else if pattern.get(at).is_some_and(|&byte| byte == b'?' || byte == name[behind]) {
            at += 1;
            behind += 1;
        } else if let Some((place, taken)) = star {
            star = Some((place, taken + 1));
            at = place + 1;
            behind = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests;
