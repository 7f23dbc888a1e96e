//! Replays a transcript: `replay TRANSCRIPT FOLDER` runs its commands in that folder, and compares what they print.
//!
//! In the transcript a line that begins with `$ ` is a command, one that begins with `> ` after it continues it, and what
//! follows is what it prints. `[...]` stands for any text of a line, and alone on a line for any number of lines. Every
//! command has to succeed. `LAGOON_TASK_KIT` is the folder that this is started in.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use lagoon_task_testing::Error;
use tower::BoxError;

/// Stands for what differs from one run to the next.
const ANYTHING: &str = "[...]";

/// Comes before a command's exit code; no command prints it.
const MARK: char = '\u{1e}';

/// One command and what it is to print.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    command: String,
    prints: Vec<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [transcript, folder] = arguments.as_slice() else {
        eprintln!("usage: replay TRANSCRIPT FOLDER");
        return ExitCode::FAILURE;
    };
    match replay(Path::new(transcript), Path::new(folder)) {
        Ok(steps) => {
            println!("{steps} commands did what {transcript} says.");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Answers how many commands there were.
fn replay(transcript: &Path, folder: &Path) -> Result<usize, BoxError> {
    let text =
        std::fs::read_to_string(transcript).map_err(|source| Error::File { path: transcript.to_owned(), source })?;
    let steps = steps(&text)?;
    let outputs = run(&steps, folder)?;
    for (step, (output, code)) in steps.iter().zip(&outputs) {
        let Step { command, prints } = step;
        if code != "0" {
            return Err(format!("$ {command}\nended with exit code {code}").into());
        }
        if !matches(prints, output) {
            return Err(format!("$ {command}\nprinted something else. Expected:\n{}", prints.join("\n")).into());
        }
    }
    if outputs.len() < steps.len() {
        return Err(format!("the shell ended at: $ {}", steps[outputs.len()].command).into());
    }
    Ok(steps.len())
}

/// Reads a transcript.
fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), prints: Vec::new() });
            continue;
        }
        let Some(step) = steps.last_mut() else { return Err(format!("no command comes before {line:?}")) };
        match line.strip_prefix("> ").or_else(|| (line == ">").then_some("")) {
            Some(more) if step.prints.is_empty() => {
                step.command.push('\n');
                step.command.push_str(more);
            }
            _ => step.prints.push(line.to_owned()),
        }
    }
    for step in &mut steps {
        while step.prints.last().is_some_and(|line| line.trim().is_empty()) {
            step.prints.pop();
        }
    }
    Ok(steps)
}

/// Runs the commands one after the other in one shell, showing what they print; ends at the first that fails. Answers
/// with the lines and the exit code of each.
fn run(steps: &[Step], folder: &Path) -> Result<Vec<(Vec<String>, String)>, BoxError> {
    let kit = std::env::current_dir()?;
    let mut script = String::from("exec 2>&1 </dev/null\n");
    for Step { command, .. } in steps {
        script.extend([command, "\ncode=$?; printf '\\n\\036%s\\n' $code; [ $code = 0 ] || exit 0\n"]);
    }
    let scripts = tempfile::tempdir()?;
    let script_file = scripts.path().join("replay.sh");
    std::fs::write(&script_file, script).map_err(|source| Error::File { path: script_file.clone(), source })?;
    let mut shell = Command::new("bash")
        .arg(&script_file)
        .current_dir(folder)
        .env("LAGOON_TASK_KIT", format!("file://{}", kit.display()))
        .env("CARGO_TERM_COLOR", "never")
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Process { what: "bash".to_owned(), source })?;
    let show = |number: usize| {
        if let Some(step) = steps.get(number) {
            println!("$ {}", step.command.replace('\n', "\n> "));
        }
    };
    let mut outputs = Vec::new();
    let mut lines = Vec::new();
    show(0);
    for line in shell.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line?;
        if let Some(code) = line.strip_prefix(MARK) {
            while lines.last().is_some_and(String::is_empty) {
                lines.pop();
            }
            outputs.push((std::mem::take(&mut lines), code.to_owned()));
            show(outputs.len());
        } else {
            println!("{line}");
            lines.push(line);
        }
    }
    shell.wait()?;
    Ok(outputs)
}

/// Whether these lines are what was expected.
fn matches(expected: &[String], lines: &[String]) -> bool {
    match (expected.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == ANYTHING => {
            (0..=lines.len()).any(|passed_over| matches(rest, &lines[passed_over..]))
        }
        (Some((first, expected)), Some((line, lines))) => line_matches(first, line) && matches(expected, lines),
        _ => false,
    }
}

fn line_matches(expected: &str, line: &str) -> bool {
    let mut pieces = expected.trim_end().split(ANYTHING);
    let Some(mut rest) = pieces.next().and_then(|first| line.trim_end().strip_prefix(first)) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        let Some((_, after)) = rest.split_once(piece) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_transcript_is_commands_and_what_they_print() {
        let read = steps("$ one\nprinted\n\n$ two <<END\n> a\n>\n> END\n").unwrap();
        assert_eq!(read[0], Step { command: "one".to_owned(), prints: lines("printed") });
        assert_eq!(read[1], Step { command: "two <<END\na\n\nEND".to_owned(), prints: vec![] });
        assert!(steps("printed by nobody").is_err());
    }

    #[test]
    fn dots_stand_for_any_text_and_any_lines_and_nothing_else_does() {
        for (expected, printed, same) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a\nb", "a", false),
            ("a", "a\nb", false),
            ("[...]", "", true),
            ("[...]\nb", "a\na\nb", true),
            ("[...]\nb", "a\nb\na", false),
            ("a\n[...]\nc", "a\nc", true),
            ("took [...] s", "took 1.2 s", true),
            ("took [...] s", "took 1.2 m", false),
            ("[...] of [...]: x", "1 of 2: x", true),
            ("[...]s", "xyz", false),
        ] {
            assert_eq!(matches(&lines(expected), &lines(printed)), same, "{expected:?} {printed:?}");
        }
    }

    #[test]
    fn commands_run_in_one_shell_until_one_fails() {
        let read = steps("$ cd /\n$ pwd\n$ false\n$ echo never\n").unwrap();
        let outputs = run(&read, Path::new(".")).unwrap();
        assert_eq!(outputs, [(vec![], "0".to_owned()), (lines("/"), "0".to_owned()), (vec![], "1".to_owned())]);
    }
}
