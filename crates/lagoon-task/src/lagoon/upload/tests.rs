use super::*;

fn text(form: &Form) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        Piece::File { path, length } => format!("<{length} bytes of {}>", path.display()),
    };
    form.pieces.iter().map(piece).collect::<String>().replace(&form.boundary, "BOUNDARY")
}

#[test]
fn the_form_has_the_mutation_then_the_map_then_the_files() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let files = [TaskFile::from_bytes("a\"b\nc", "text"), TaskFile::from_path(&path)];
    let form = Form::new("mutation", json!({ "task": 7 }), &files).unwrap();
    let length = std::fs::metadata(&path).unwrap().len();
    let expected = [
        "--BOUNDARY",
        r#"Content-Disposition: form-data; name="operations""#,
        "",
        r#"{"query":"mutation","variables":{"task":7,"files":[null,null]}}"#,
        "--BOUNDARY",
        r#"Content-Disposition: form-data; name="map""#,
        "",
        r#"{"0":["variables.files.0"],"1":["variables.files.1"]}"#,
        "--BOUNDARY",
        r#"Content-Disposition: form-data; name="0"; filename="a%22b%0Ac""#,
        "Content-Type: application/octet-stream",
        "",
        "text",
        "--BOUNDARY",
        r#"Content-Disposition: form-data; name="1"; filename="Cargo.toml""#,
        "Content-Type: application/octet-stream",
        "",
        &format!("<{length} bytes of {}>", path.display()),
        "--BOUNDARY--",
        "",
    ];
    assert_eq!(text(&form), expected.join("\r\n"));
    assert_eq!(form.content_type(), format!("multipart/form-data; boundary={}", form.boundary));
}

#[test]
fn no_two_forms_have_the_same_boundary() {
    let boundary = || Form::new("mutation", json!({}), &[]).unwrap().boundary;
    assert_ne!(boundary(), boundary());
}

#[tokio::test]
async fn the_body_is_as_long_as_it_says_each_time_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, vec![1; 2 * CHUNK + 1]).unwrap();
    let form = Form::new("mutation", json!({}), &[TaskFile::from_path(&path)]).unwrap();
    for _ in 0..2 {
        let body = form.body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len() as u64, form.length());
    }
    // One that grows meanwhile is sent as far as was said, and one that shrinks breaks the request off.
    std::fs::write(&path, vec![1; 3 * CHUNK]).unwrap();
    assert_eq!(form.body().collect().await.unwrap().to_bytes().len() as u64, form.length());
    std::fs::write(&path, vec![1; CHUNK]).unwrap();
    let error = form.body().collect().await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
