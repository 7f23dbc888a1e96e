//! Fields of objects, which may have any shape.

use serde_json::Value;

/// The value at the end of this path of fields, if there is one.
pub(crate) fn at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, field| value.get(field))
}

/// The text at the end of this path of fields, if there is one.
pub(crate) fn text_at<'a>(object: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(object, path)?.as_str()
}

/// Sets a field of the object's metadata.
pub(crate) fn set_metadata(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert(field.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn field_is_found_only_where_the_whole_path_is() {
        let object = json!({ "metadata": { "annotations": { "example.com/a": "text" } }, "spec": 1 });
        assert_eq!(text_at(&object, &["metadata", "annotations", "example.com/a"]), Some("text"));
        for path in [&["metadata", "labels", "a"][..], &["spec", "a"], &["spec"], &["a"]] {
            assert_eq!(text_at(&object, path), None, "{path:?}");
        }
        assert_eq!(at(&object, &[]), Some(&object));
    }
}
