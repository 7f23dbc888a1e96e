//! Reads a form that uploads files, as the GraphQL multipart request specification has it.

use bytes::Bytes;
use serde_json::Value;
use tower::BoxError;

use crate::error::context;

/// A file of the form.
pub(super) struct FormPart {
    pub(super) name: String,
    pub(super) content: Bytes,
}

/// The boundary in a `Content-Type`, if it is a form's.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    content_type.strip_prefix("multipart/form-data; boundary=")
}

/// The field `operations`, and the files in the order of the variables that the field `map` gives them.
pub(super) fn read(boundary: &str, body: &[u8]) -> Result<(Value, Vec<FormPart>), BoxError> {
    let parts = parts(boundary, body)?;
    let field = |name: &str| -> Result<Value, BoxError> {
        let field = parts.iter().find(|part| part.field == name).ok_or(format!("no field {name}"))?;
        Ok(serde_json::from_slice(field.content).map_err(context(format!("field {name}")))?)
    };
    let (operations, map) = (field("operations")?, field("map")?);
    let mut files = Vec::new();
    for (name, paths) in map.as_object().ok_or("field map is not an object")? {
        let path = paths[0].as_str().ok_or("field map names no variable")?;
        let place = operations.pointer(&format!("/{}", path.replace('.', "/")));
        if place != Some(&Value::Null) {
            return Err(format!("{path} is not a place for a file").into());
        }
        let part = parts.iter().find(|part| part.field == *name).ok_or(format!("no file {name}"))?;
        let name = part.file.ok_or(format!("field {name} is not a file"))?;
        files.push(FormPart { name: name.to_owned(), content: Bytes::copy_from_slice(part.content) });
    }
    Ok((operations, files))
}

struct Part<'body> {
    field: &'body str,
    file: Option<&'body str>,
    content: &'body [u8],
}

fn parts<'body>(boundary: &str, body: &'body [u8]) -> Result<Vec<Part<'body>>, BoxError> {
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..]).ok_or("the form does not begin")?;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let (head, after) = split(part, b"\r\n\r\n").ok_or("a field has no content")?;
        let (content, after) = split(after, delimiter.as_bytes()).ok_or("a field does not end")?;
        let head = std::str::from_utf8(head)?;
        let field = quoted(head, " name=\"").ok_or("a field has no name")?;
        parts.push(Part { field, file: quoted(head, "filename=\""), content });
        rest = after;
    }
    if rest == b"--\r\n" { Ok(parts) } else { Err("the form does not end".into()) }
}

fn split<'body>(text: &'body [u8], at: &[u8]) -> Option<(&'body [u8], &'body [u8])> {
    let position = text.windows(at.len()).position(|window| window == at)?;
    Some((&text[..position], &text[position + at.len()..]))
}

fn quoted<'head>(head: &'head str, before: &str) -> Option<&'head str> {
    head.split_once(before)?.1.split_once('"').map(|(text, _)| text)
}
