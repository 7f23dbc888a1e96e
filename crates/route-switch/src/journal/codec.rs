//! A book as bytes, in parts that a `ConfigMap` can hold.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::journal::entries::Book;

/// Bytes that one part holds at most: 900 KiB. Kubernetes takes 1 MiB a `ConfigMap`, with its names and metadata.
pub const PART_LIMIT: usize = 900 * 1024;

/// Bytes that a book is unpacked to at most: 256 MiB. A site with 100,000 routes needs some 100 MiB.
const BOOK_LIMIT: u64 = 256 * 1024 * 1024;

/// Why a book could not be read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It cannot be unpacked.
    #[error("it is damaged ({0})")]
    Unpack(#[source] std::io::Error),
    /// What it is unpacked to is no book.
    #[error("it is damaged (at {0})")]
    Parse(#[from] ParseError),
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

/// Packs a book into parts of at most `limit` bytes; there is always a first one.
pub fn pack(book: &Book, limit: usize) -> std::io::Result<Vec<Vec<u8>>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut packed, book).map_err(std::io::Error::from)?;
    packed.flush()?;
    Ok(packed.finish()?.chunks(limit.max(1)).map(<[u8]>::to_vec).collect())
}

/// Reads a book from its parts.
pub fn unpack(parts: &[Vec<u8>]) -> Result<Book, PackError> {
    let bytes = parts.concat();
    let mut text = Vec::new();
    let mut unpacked = GzDecoder::new(bytes.as_slice()).take(BOOK_LIMIT);
    unpacked.read_to_end(&mut text).map_err(PackError::Unpack)?;
    Ok(serde_json::from_slice(&text).map_err(ParseError::from)?)
}

#[cfg(test)]
mod tests;
