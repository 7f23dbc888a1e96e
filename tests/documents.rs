//! What the documents quote is what the programs say.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::fs;
use std::path::Path;

/// All sources as one text, with string literals that go over several lines joined.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    let mut joined = String::new();
    for piece in text.split("\\\n") {
        let piece = if joined.is_empty() { piece } else { piece.trim_start() };
        joined.push_str(piece);
    }
    joined
}

/// What stands in backticks in the first column of the table below `heading`.
fn quoted(document: &str, heading: &str) -> Vec<String> {
    let (_, section) = document.split_once(heading).unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let firsts = rows.skip(2).map(|row| row.split('|').nth(1).unwrap());
    firsts.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

#[test]
fn the_sentences_that_operators_look_up_are_those_of_the_log() {
    let sources = sources(Path::new("src"));
    let sentences = quoted(include_str!("../docs/install.md"), "## When it does not work");
    assert!(sentences.len() > 5, "{sentences:?}");
    for sentence in sentences {
        assert!(sources.contains(&sentence), "no program says {sentence:?}");
    }
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut documents: Vec<_> = fs::read_dir("docs").unwrap().map(|entry| entry.unwrap().path()).collect();
    documents.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    documents.push("README.md".into());
    let mut links = 0;
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for target in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let path = target.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            links += 1;
            assert!(document.parent().unwrap().join(path).exists(), "{} links to {target}", document.display());
        }
    }
    assert!(links > 5, "{links} links");
}
