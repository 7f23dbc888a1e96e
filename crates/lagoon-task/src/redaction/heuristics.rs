//! Which values of a site's variables are secrets.
//!
//! Lagoon does not say which of a site's variables are: `enabled`, `main` and `1024M` come the same way as passwords.
//! To hide such words would make a log unreadable and a result wrong.

use serde_json::Value;

use crate::redaction::SHORTEST;

/// A variable whose name holds one of these is meant as a secret.
const MEANT: [&str; 11] =
    ["AUTH", "CERT", "CREDENTIAL", "DSN", "KEY", "PASS", "PRIVATE", "PWD", "SALT", "SECRET", "TOKEN"];

/// Words that are no secret whatever the variable's name.
const WORDS: [&str; 20] = [
    "debug",
    "default",
    "develop",
    "development",
    "disabled",
    "enabled",
    "error",
    "false",
    "hidden",
    "info",
    "localhost",
    "main",
    "master",
    "none",
    "null",
    "production",
    "staging",
    "standby",
    "true",
    "warning",
];

/// A value of a variable that is not meant as a secret is taken for one from this length on.
const LONG_ENOUGH: usize = 8;

/// From this length on also one that is a plain word or a number.
const TOO_LONG_FOR_A_WORD: usize = 16;

/// A number of fewer digits is no secret whatever the variable's name.
const DIGITS: usize = 6;

/// Whether a line of the value of the variable `name` is to be hidden.
///
/// Never are: fewer than four bytes; common words such as `true`, `main` and `production`; a host name, or an address of
/// one without a path. Otherwise a variable with `PASS`, `SECRET`, `TOKEN`, `KEY`, `AUTH`, `CERT`, `CREDENTIAL`, `DSN`,
/// `PRIVATE`, `PWD` or `SALT` in its name is hidden, unless it is a number of fewer than six digits. Of the others a
/// value is hidden from eight bytes on; from sixteen on where it holds only letters, or only digits and at most two
/// letters after them, with `.`, `,`, `:`, `/`, `_` or `-` between.
pub(crate) fn is_secret(name: &str, line: &str) -> bool {
    let line = line.trim();
    if line.len() < SHORTEST || is_common(line) || is_host(line) {
        return false;
    }
    let name = name.to_ascii_uppercase();
    if MEANT.iter().any(|part| name.contains(part)) {
        return line.len() >= DIGITS || !line.bytes().all(|byte| byte.is_ascii_digit());
    }
    line.len() >= TOO_LONG_FOR_A_WORD || (line.len() >= LONG_ENOUGH && !is_word(line) && !is_number(line))
}

/// The secrets inside a value that is JSON or an address with a password: each text with the name that it stands under.
/// A program shows them by themselves.
pub(crate) fn secrets_inside(name: &str, value: &str) -> Vec<String> {
    let mut secrets = Vec::new();
    if let Ok(json @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(value) {
        collect(name, &json, &mut secrets);
    }
    secrets.extend(passwords(value));
    secrets.dedup();
    secrets
}

fn collect(name: &str, json: &Value, secrets: &mut Vec<String>) {
    match json {
        Value::String(text) => {
            secrets.extend(text.lines().filter(|line| is_secret(name, line)).map(str::to_owned));
            secrets.extend(passwords(text));
        }
        Value::Number(number) if is_secret(name, &number.to_string()) => secrets.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| collect(name, item, secrets)),
        Value::Object(fields) => fields.iter().for_each(|(name, field)| collect(name, field, secrets)),
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// The passwords in the addresses of a text, as they stand there and percent-decoded.
fn passwords(text: &str) -> impl Iterator<Item = String> {
    // An address begins where the one before it has its host at the latest.
    let addresses = text.lines().flat_map(|line| line.split("://").skip(1));
    addresses.filter_map(password).flat_map(|word| [word.to_owned(), percent_decoded(word)])
}

/// The password in what follows `scheme://` in an address: `user:password@host`.
fn password(address: &str) -> Option<&str> {
    let (user, _) = address.split(['/', '?', '#']).next()?.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    is_secret("PASSWORD", password).then_some(password)
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.unwrap_or(*first));
        rest = if value.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_common(line: &str) -> bool {
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(line))
}

/// A DNS name of at least two labels in small letters, also as the address of its site: no user, no path, no query.
fn is_host(line: &str) -> bool {
    let address = line.strip_prefix("https://").or_else(|| line.strip_prefix("http://")).unwrap_or(line);
    let address = address.strip_suffix('/').unwrap_or(address);
    let (host, port) = address.split_once(':').unwrap_or((address, "0"));
    let last = host.rsplit('.').next().unwrap_or_default();
    let ends_like_one = (2..=24).contains(&last.len()) && last.bytes().all(|byte| byte.is_ascii_lowercase());
    let labels_are_short = host.split('.').all(|label| (1..=63).contains(&label.len()));
    let characters = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    host.contains('.')
        && ends_like_one
        && labels_are_short
        && host.bytes().all(characters)
        && port.parse::<u16>().is_ok()
}

fn is_between(byte: u8) -> bool {
    matches!(byte, b'.' | b',' | b':' | b'/' | b'_' | b'-')
}

fn is_word(line: &str) -> bool {
    line.bytes().all(|byte| byte.is_ascii_alphabetic() || is_between(byte))
}

/// Also sizes, dates, versions and addresses: `1024M`, `2026-11-24`, `10.96.0.1`.
fn is_number(line: &str) -> bool {
    let digits = line.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    line.len() - digits.len() <= 2 && digits.bytes().all(|byte| byte.is_ascii_digit() || is_between(byte))
}

#[cfg(test)]
mod tests;
