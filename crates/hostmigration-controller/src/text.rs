//! Texts of bounded length.

/// The first `limit` bytes of `text`, fewer where a character would be cut in two.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or_default()
}
