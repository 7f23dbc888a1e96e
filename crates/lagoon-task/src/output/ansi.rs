//! What was printed for a terminal, as a page can show it: without colours, and without what was overwritten.

use std::borrow::Cow;

use crate::redaction::HIDDEN;

/// `text` without the escape sequences (ECMA-48) that set colours, move the cursor or erase (CSI), that name the window
/// or a link (OSC), and that choose a character set. What only begins like one stays: nothing that can be read is lost.
pub(super) fn without_sequences(text: &str) -> Cow<'_, str> {
    let begins_one = |character| matches!(character, '\u{1b}' | '\u{9b}' | '\u{9d}');
    if !text.contains(begins_one) {
        return Cow::Borrowed(text);
    }
    let (mut plain, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(begin) = rest.find(begins_one) {
        let (before, from_here) = rest.split_at(begin);
        plain.push_str(before);
        let mut characters = from_here.chars();
        rest = after_sequence(from_here).unwrap_or_else(|| {
            plain.extend(characters.next());
            characters.as_str()
        });
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// What follows the escape sequence that `text` begins with, if it begins with one.
fn after_sequence(text: &str) -> Option<&str> {
    let begun = |forms: [&str; 2]| forms.into_iter().find_map(|form| text.strip_prefix(form));
    if let Some(body) = begun(["\u{1b}]", "\u{9d}"]) {
        let end = body.find(char::is_control)?;
        return ["\u{7}", "\u{1b}\\", "\u{9c}"].into_iter().find_map(|ending| body[end..].strip_prefix(ending));
    }
    // The mark for a secret that was hidden after a lone escape character looks like the rest of a sequence.
    if text.strip_prefix('\u{1b}').is_some_and(|body| body.starts_with(HIDDEN)) {
        return None;
    }
    let (body, last) = match begun(["\u{1b}[", "\u{9b}"]) {
        Some(body) => (body.trim_start_matches(|character| matches!(character, '0'..='?')), '@'..='~'),
        None => (text.strip_prefix('\u{1b}').filter(|body| body.starts_with(is_intermediate))?, '0'..='~'),
    };
    body.trim_start_matches(is_intermediate).strip_prefix(|character| last.contains(&character))
}

fn is_intermediate(character: char) -> bool {
    matches!(character, ' '..='/')
}

/// What of a line stands there in the end: what follows its last carriage return, but for those that end it. A terminal
/// would still show the end of a longer text before it, which nobody means to be read.
pub(super) fn last_state(line: &str) -> &str {
    let line = line.trim_end_matches('\r');
    line.rsplit_once('\r').map_or(line, |(_, last)| last)
}

#[cfg(test)]
mod tests;
