//! The escapes of strings, of URLs and of HTML.

/// Reads the beginning of a text that begins with the character that opens an escape.
pub(super) type Reading = fn(&[u8]) -> Escape;

/// `&#x10FFFF`, before the semicolon.
const LONGEST_ENTITY: usize = 9;

/// What the beginning of a text is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// A whole escape, which stands for these bytes.
    Bytes(Vec<u8>),
    /// It may become an escape.
    Unfinished,
    /// Not an escape.
    None,
}

/// `%41`, in either case (RFC 3986).
pub(super) fn percent(text: &[u8]) -> Escape {
    match text.get(1..).unwrap_or_default() {
        digits if digits.len() < 2 => if_hex(digits, Escape::Unfinished),
        digits => number(digits).map_or(Escape::None, |value| bytes_of(&value.to_le_bytes()[..1])),
    }
}

/// `&amp;`, `&#38;` and `&#x26;`, as HTML and XML have them.
pub(super) fn entity(text: &[u8]) -> Escape {
    let Some((b';', name)) = text.get(1..).unwrap_or_default().split_last() else {
        let may_be_one =
            text.len() <= LONGEST_ENTITY && text[1..].iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'#');
        return if may_be_one { Escape::Unfinished } else { Escape::None };
    };
    match name {
        b"amp" => bytes_of(b"&"),
        b"lt" => bytes_of(b"<"),
        b"gt" => bytes_of(b">"),
        b"quot" => bytes_of(b"\""),
        b"apos" => bytes_of(b"'"),
        [b'#', b'x' | b'X', digits @ ..] => number(digits).and_then(char::from_u32).map_or(Escape::None, character),
        [b'#', digits @ ..] => {
            let code = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            code.and_then(char::from_u32).map_or(Escape::None, character)
        }
        _ => Escape::None,
    }
}

/// A backslash and what it stands for, as JSON, JavaScript, Go, Python and Rust write it, and as shells put it before any
/// character that means something to them.
pub(super) fn backslash(text: &[u8]) -> Escape {
    let Some((_, rest)) = text.split_first() else { return Escape::Unfinished };
    match rest {
        [] => Escape::Unfinished,
        [b'u', b'{', digits @ ..] => braced(digits),
        [b'u', digits @ ..] => utf16(digits),
        [b'x', digits @ ..] if digits.len() < 2 => if_hex(digits, Escape::Unfinished),
        [b'x', digits @ ..] => number(digits).map_or(Escape::None, |value| bytes_of(&value.to_le_bytes()[..1])),
        [letter] => match letter {
            b' ' => bytes_of(b" "),
            mark if mark.is_ascii_punctuation() => bytes_of(&[*mark]),
            b'0' => bytes_of(b"\0"),
            b'b' => bytes_of(b"\x08"),
            b'f' => bytes_of(b"\x0c"),
            b'n' => bytes_of(b"\n"),
            b'r' => bytes_of(b"\r"),
            b't' => bytes_of(b"\t"),
            _ => Escape::None,
        },
        _ => Escape::None,
    }
}

fn bytes_of(bytes: &[u8]) -> Escape {
    Escape::Bytes(bytes.to_vec())
}

/// `\u{e9}`, at most six digits.
fn braced(digits: &[u8]) -> Escape {
    match digits.split_last() {
        Some((b'}', digits)) => number(digits).and_then(char::from_u32).map_or(Escape::None, character),
        _ if digits.len() <= 6 => if_hex(digits, Escape::Unfinished),
        _ => Escape::None,
    }
}

/// `\u00e9`, or two of them where a character does not fit into one.
fn utf16(text: &[u8]) -> Escape {
    let Some((digits, rest)) = text.split_at_checked(4) else { return if_hex(text, Escape::Unfinished) };
    let Some(first) = number(digits) else { return Escape::None };
    if let Some(whole) = char::from_u32(first) {
        return if rest.is_empty() { character(whole) } else { Escape::None };
    }
    match rest {
        [] | [b'\\'] if first < 0xdc00 => Escape::Unfinished,
        [b'\\', b'u', digits @ ..] if digits.len() < 4 => if_hex(digits, Escape::Unfinished),
        [b'\\', b'u', digits @ ..] => number(digits)
            .filter(|second| (0xdc00..0xe000).contains(second))
            .and_then(|second| char::from_u32(0x1_0000 + ((first & 0x3ff) << 10 | second & 0x3ff)))
            .map_or(Escape::None, character),
        _ => Escape::None,
    }
}

fn character(character: char) -> Escape {
    bytes_of(character.encode_utf8(&mut [0; 4]).as_bytes())
}

fn if_hex(digits: &[u8], escape: Escape) -> Escape {
    if digits.iter().all(u8::is_ascii_hexdigit) { escape } else { Escape::None }
}

/// The value of hexadecimal digits; `None` for other characters, and for none.
fn number(digits: &[u8]) -> Option<u32> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    std::str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 16).ok())
}

#[cfg(test)]
mod tests;
