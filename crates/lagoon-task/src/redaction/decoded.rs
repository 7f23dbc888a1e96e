//! What a decoder makes of a text.

/// A byte after decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Its value.
    pub(super) value: u8,
    /// Where in the text the first character that it comes from begins.
    pub(super) start: u64,
    /// Where in the text the last character that it comes from ends.
    pub(super) end: u64,
    /// Which of several readings of the same text it belongs to. Base64 and hex can be read from any character on.
    pub(super) lane: usize,
}
