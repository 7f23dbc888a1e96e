//! Files for a task, as `multipart/form-data` (RFC 7578) after the GraphQL multipart request specification: a field
//! `operations` with the mutation, a field `map` that says which field is which variable, then the files.

use std::io;
use std::path::{Path, PathBuf};

use futures::stream::{self, StreamExt, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use serde_json::{Map, Value, json};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::lagoon::error::LagoonApiError;

const CHUNK: usize = 64 * 1024;

/// A file to be uploaded.
///
/// ```no_run
/// # async fn example(api: &lagoon_task::lagoon::LagoonApi) -> Result<(), lagoon_task::Failure> {
/// use lagoon_task::lagoon::TaskFile;
///
/// api.upload_files(&[TaskFile::from_bytes("report.txt", "All is well."), TaskFile::from_path("/tmp/dump.sql.gz")]).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFile {
    name: String,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Bytes(Bytes),
    Path(PathBuf),
}

/// A part of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Bytes(Bytes),
    File { path: PathBuf, length: u64 },
}

/// A body that can be sent more than once.
#[derive(Debug, Clone)]
pub(super) struct Form {
    boundary: String,
    pieces: Vec<Piece>,
}

impl TaskFile {
    /// A file with this name and content.
    ///
    /// ```
    /// let report = lagoon_task::lagoon::TaskFile::from_bytes("report.txt", "All is well.");
    /// ```
    pub fn from_bytes(name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), content: Content::Bytes(Bytes::from(content.into())) }
    }

    /// A file of the pod, under its own name. It is read while it is sent, so it may be larger than the memory.
    ///
    /// ```
    /// let dump = lagoon_task::lagoon::TaskFile::from_path("/tmp/dump.sql.gz");
    /// ```
    pub fn from_path(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self { name, content: Content::Path(path) }
    }

    fn piece(&self) -> Result<Piece, LagoonApiError> {
        match &self.content {
            Content::Bytes(bytes) => Ok(Piece::Bytes(bytes.clone())),
            Content::Path(path) => match length(path) {
                Ok(length) => Ok(Piece::File { path: path.clone(), length }),
                Err(source) => Err(LagoonApiError::File { path: path.clone(), source }),
            },
        }
    }
}

fn length(path: &Path) -> io::Result<u64> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() { Ok(metadata.len()) } else { Err(io::Error::other("it is not a file")) }
}

impl Form {
    /// The form for a mutation whose variable `files` is a list of uploads.
    pub(super) fn new(mutation: &str, mut variables: Value, files: &[TaskFile]) -> Result<Self, LagoonApiError> {
        let boundary = format!("lagoon-task-{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        variables["files"] = files.iter().map(|_| Value::Null).collect();
        let operations = json!({ "query": mutation, "variables": variables });
        let map: Map<_, _> =
            (0..files.len()).map(|number| (number.to_string(), json!([format!("variables.files.{number}")]))).collect();

        let field = |name: &str, content: &str| {
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
        };
        let fields = field("operations", &operations.to_string()) + &field("map", &Value::Object(map).to_string());
        let mut pieces = vec![Piece::Bytes(fields.into())];
        for (number, file) in files.iter().enumerate() {
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{number}\"; filename=\"{}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n",
                quoted(&file.name)
            );
            pieces.extend([Piece::Bytes(head.into()), file.piece()?, Piece::Bytes("\r\n".into())]);
        }
        pieces.push(Piece::Bytes(format!("--{boundary}--\r\n").into()));
        Ok(Self { boundary, pieces })
    }

    pub(super) fn content_type(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    /// How many bytes the body has.
    pub(super) fn length(&self) -> u64 {
        let length = |piece: &Piece| match piece {
            Piece::Bytes(bytes) => bytes.len() as u64,
            Piece::File { length, .. } => *length,
        };
        self.pieces.iter().map(length).sum()
    }

    pub(super) fn body(&self) -> UnsyncBoxBody<Bytes, io::Error> {
        let pieces = stream::iter(self.pieces.clone()).flat_map(|piece| match piece {
            Piece::Bytes(bytes) => stream::once(async { Ok(bytes) }).boxed(),
            Piece::File { path, length } => chunks(path, length).boxed(),
        });
        StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync()
    }
}

/// The first `length` bytes of a file; an error when it has become shorter.
fn chunks(path: PathBuf, length: u64) -> impl stream::Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((path, None::<File>, length), async |(path, file, left)| {
        if left == 0 {
            return Ok(None);
        }
        let mut file = if let Some(file) = file { file } else { File::open(&path).await? };
        let wanted = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let mut chunk = vec![0; wanted];
        let read = file.read(&mut chunk).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        chunk.truncate(read);
        Ok(Some((Bytes::from(chunk), (path, Some(file), left - read as u64))))
    })
}

/// A name within quotes, as browsers write it (HTML, "multipart/form-data").
fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

#[cfg(test)]
mod tests;
