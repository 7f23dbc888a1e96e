//! A book as bytes, in parts that a `ConfigMap` can hold.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::journal::entries::Book;

/// Bytes that one part holds at most: 900 KiB. Kubernetes takes 1 MiB a `ConfigMap`, with its names and metadata.
pub const PART_LIMIT: usize = 900 * 1024;

/// Bytes of a book before it is packed, at most: 16 MiB, some 8,000 routes. Whoever may write in a namespace may put a journal
/// there, and a packed one can be a thousand times larger than it looks: what reads it has little memory, and serves other
/// sites too.
pub const BOOK_LIMIT: usize = 16 * 1024 * 1024;

/// Bytes of a route that is moved, at most: 256 KiB, as much as all the annotations that an object may have.
pub const LARGEST_ROUTE: usize = 256 * 1024;

/// Parts of a book, at most: as many as bytes that cannot be packed would need.
pub const MOST_PARTS: usize = BOOK_LIMIT / PART_LIMIT + 2;

/// Why a book could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It cannot be unpacked.
    #[error("it is damaged ({0})")]
    Unpack(#[source] std::io::Error),
    /// What it is unpacked to is no book.
    #[error("it is damaged (at {0})")]
    Parse(#[from] ParseError),
    /// It is larger than this program writes any.
    #[error("it is larger than any that this program writes ({} MiB)", BOOK_LIMIT / 1024 / 1024)]
    TooLarge,
}

/// Where a text is not the JSON that it should be. This is all that is kept of the parser's error, which may quote a value:
/// a manifest can hold a secret.
#[derive(Debug, thiserror::Error)]
#[error("line {line}, column {column}")]
pub struct ParseError {
    line: usize,
    column: usize,
}

impl From<serde_json::Error> for ParseError {
    fn from(error: serde_json::Error) -> Self {
        Self { line: error.line(), column: error.column() }
    }
}

/// Passes on so many bytes and no more.
struct Bounded<W> {
    inner: W,
    left: usize,
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let left = self.left.checked_sub(bytes.len());
        self.left = left.ok_or_else(|| std::io::Error::other(PackError::TooLarge.to_string()))?;
        self.inner.write_all(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.inner.flush()
    }
}

/// Packs a book into parts of at most `limit` bytes; there is always a first one. Fails when the book is larger than
/// [`BOOK_LIMIT`].
pub fn pack(book: &Book, limit: usize) -> std::io::Result<Vec<Vec<u8>>> {
    let mut packed = Bounded { inner: GzEncoder::new(Vec::new(), Compression::default()), left: BOOK_LIMIT };
    serde_json::to_writer(&mut packed, book).map_err(std::io::Error::from)?;
    packed.flush()?;
    Ok(packed.inner.finish()?.chunks(limit.max(1)).map(<[u8]>::to_vec).collect())
}

/// Reads a book from its parts, of which it keeps no more than [`BOOK_LIMIT`] bytes at any moment.
pub fn unpack(parts: &[Vec<u8>]) -> Result<Book, PackError> {
    let bytes = parts.concat();
    let mut text = Vec::new();
    let mut unpacked = GzDecoder::new(bytes.as_slice()).take(BOOK_LIMIT as u64 + 1);
    unpacked.read_to_end(&mut text).map_err(PackError::Unpack)?;
    if text.len() > BOOK_LIMIT {
        return Err(PackError::TooLarge);
    }
    Ok(serde_json::from_slice(&text).map_err(ParseError::from)?)
}

#[cfg(test)]
mod tests;
