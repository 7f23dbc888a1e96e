//! What the documents quote is what the programs say.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test that cannot go on must fail")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hostmigration_controller::exposition::Format;
use hostmigration_controller::metrics::Metrics;

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
    let sources = ["src", "crates"].map(|folder| sources(Path::new(folder))).concat();
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
    let pages = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    documents.extend(pages.map(std::path::PathBuf::from));
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

/// The rows of the table with the alerts, as cells.
fn alerts() -> Vec<Vec<&'static str>> {
    let (_, section) = include_str!("../docs/install.md").split_once("### Worth an alert").unwrap();
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    rows.skip(2).map(|row| row.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn every_alert_asks_for_metrics_of_the_controller_and_names_a_test_of_its_own() {
    let exposed = Metrics::new().text(Format::Prometheus).unwrap();
    let exposed: BTreeSet<&str> = exposed.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let (mut names, mut tests) = (BTreeSet::new(), BTreeSet::new());
    let alerts = alerts();
    assert!(alerts.len() > 10, "{alerts:?}");
    for row in &alerts {
        let [name, condition, _, _, _, test] = row[..] else { panic!("{row:?}") };
        let words = condition.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
        let metrics: Vec<&str> = words.filter(|word| word.starts_with("hostmigration_controller_")).collect();
        assert!(!metrics.is_empty(), "{condition}");
        assert!(metrics.iter().all(|metric| exposed.contains(metric)), "{metrics:?}");
        let (file, function) = test.trim_matches('`').split_once("::").unwrap();
        let suite = Path::new("crates/hostmigration-controller/tests/suite").join(file).with_extension("rs");
        let source = fs::read_to_string(suite).unwrap();
        assert!(source.contains(&format!("#[tokio::test]\nasync fn {function}(")), "{test}");
        // What the test sees is what the condition asks for.
        let (_, body) = source.split_once(&format!("async fn {function}(")).unwrap();
        let body = body.split("#[tokio::test]").next().unwrap();
        let sees = |metric: &&str| body.contains(metric.trim_start_matches("hostmigration_controller_"));
        assert!(metrics.iter().all(sees), "{test} looks at other metrics than {metrics:?}");
        assert!(names.insert(name) && tests.insert(test), "twice: {row:?}");
    }
}

/// Lines that make something public, without an example in the docstring above them.
fn without_example(source: &str) -> Vec<&str> {
    let lines: Vec<&str> = source.lines().collect();
    let makes_public = |line: &str| {
        let words = ["fn ", "async fn ", "const fn ", "struct ", "enum ", "trait ", "const ", "type "];
        line.strip_prefix("pub ").is_some_and(|rest| words.iter().any(|word| rest.starts_with(word)))
    };
    let has_example = |number: usize| {
        let above = lines[..number].iter().rev().take_while(|line| {
            let line = line.trim_start();
            !line.is_empty() && !line.starts_with("//!") && !line.ends_with('}') && !line.ends_with('{')
        });
        above.filter(|line| line.trim_start().starts_with("///")).any(|line| line.contains("```"))
    };
    (0..lines.len())
        .filter(|number| makes_public(lines[*number].trim_start()) && !has_example(*number))
        .map(|number| lines[number].trim())
        .collect()
}

/// The sources of a folder and those below it, but for tests.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.to_string_lossy().ends_with("tests.rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_public_item_of_the_kit_has_an_example() {
    let mut missing = Vec::new();
    for folder in ["crates/lagoon-task/src"].map(Path::new) {
        for file in files(folder) {
            let source = fs::read_to_string(&file).unwrap();
            missing.extend(without_example(&source).into_iter().map(|line| format!("{}: {line}", file.display())));
        }
    }
    assert!(missing.is_empty(), "{} items have no example:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn an_example_counts_for_the_item_below_it_only() {
    let with = "/// Does it.\n///\n/// ```\n/// it();\n/// ```\n#[must_use]\npub fn it() {}\n";
    assert_eq!(without_example(with), [""; 0]);
    let source = format!(
        "{with}\n/// Does it not.\npub fn other() {{}}\n    pub const LIMIT: usize = 1;\npub(crate) fn own() {{}}\n"
    );
    assert_eq!(without_example(&source), ["pub fn other() {}", "pub const LIMIT: usize = 1;"]);
}

/// The commands of a text: lines that begin with `$ `, and those that continue them.
fn commands(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("$ ")).collect()
}

#[test]
fn the_transcript_follows_the_guide_word_by_word() {
    let guide = commands(include_str!("../docs/write-a-task.md"));
    assert!(guide.len() > 10, "{guide:?}");
    assert_eq!(commands(include_str!("../docs/write-a-task.transcript")), guide);
}

#[test]
fn the_readme_shows_the_smallest_task_as_it_is() {
    let source = include_str!("../crates/lagoon-task/examples/hello_task.rs");
    let code = source.lines().skip_while(|line| line.starts_with("//!") || line.is_empty());
    let code: Vec<&str> = code.collect();
    assert!(include_str!("../README.md").contains(&code.join("\n")), "{code:#?}");
}

#[test]
fn every_row_of_the_documented_comparison_names_a_test_that_exists() {
    let tests = [
        include_str!("../crates/lagoon-task/src/redaction/tests.rs"),
        include_str!("../crates/lagoon-task/src/redaction/stream/tests.rs"),
        include_str!("../crates/lagoon-task/src/redaction/heuristics/tests.rs"),
        include_str!("../crates/lagoon-task/src/output/register/tests.rs"),
        include_str!("../crates/lagoon-task/src/report/tests.rs"),
        include_str!("../crates/lagoon-task/tests/outcome.rs"),
    ];
    let page = include_str!("../docs/redaction.md");
    let compared = page.split("## Compared").nth(1).unwrap().split("## What is not found").next().unwrap();
    let rows: Vec<&str> = compared.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap();
        let mut names = last.split('`').skip(1).step_by(2).peekable();
        assert!(names.peek().is_some() || last.ends_with("the same"), "{row}");
        for name in names {
            let exists =
                |source: &&str| source.contains(&format!("fn {name}(")) || source.contains(&format!("(\"{name}\", "));
            assert!(tests.iter().any(exists), "{name}");
        }
    }
}

#[test]
fn page_of_routes_is_made_from_the_declarations() {
    let path = "docs/routes.md";
    let page = fs::read_to_string(path).unwrap();
    let marker = "cargo test --test documents -->\n\n";
    let (words, _) = page.split_once(marker).unwrap();
    let made = format!("{words}{marker}{}", route_switch::route::table());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, &made).unwrap();
    }
    assert_eq!(page, made, "UPDATE=1 cargo test --test documents writes it anew");
}
