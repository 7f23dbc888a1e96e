use std::io;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Mutex};

use super::*;

fn parse(arguments: &[&str]) -> Result<Arguments, Failure> {
    Arguments::parse(arguments.iter().map(OsString::from))
}

#[allow(clippy::unnecessary_wraps, reason = "as the function under test answers")]
fn below(root: &str) -> Result<Arguments, Failure> {
    Ok(Arguments::Run { root: PathBuf::from(root) })
}

#[test]
fn without_arguments_the_mounts_are_looked_for_below_the_root_folder() {
    assert_eq!(parse(&[]), below("/"));
}

#[test]
fn root_takes_the_folder_that_follows_it_and_the_last_one_counts() {
    assert_eq!(parse(&["--root", "/tmp/pod"]), below("/tmp/pod"));
    assert_eq!(parse(&["--root", "--help"]), below("--help"));
    assert_eq!(parse(&["--root", "/a", "--root", "/b"]), below("/b"));
    let folder = OsString::from_vec(b"/tmp/\xff".to_vec());
    let parsed = Arguments::parse([OsString::from("--root"), folder.clone()].into_iter());
    assert_eq!(parsed, Ok(Arguments::Run { root: PathBuf::from(folder) }), "a folder need not be UTF-8");
}

#[test]
fn root_without_a_folder_is_refused() {
    for arguments in [&["--root"][..], &["--root", "/a", "--root"]] {
        assert_eq!(parse(arguments), Err(Failure::new("--root needs a folder after it.")), "{arguments:?}");
    }
}

#[test]
fn help_and_version_are_known_wherever_they_stand() {
    assert_eq!(parse(&["--help"]), Ok(Arguments::Help));
    assert_eq!(parse(&["--version"]), Ok(Arguments::Version));
    assert_eq!(parse(&["--root", "/a", "--help"]), Ok(Arguments::Help));
    assert_eq!(parse(&["--version", "--whatever"]), Ok(Arguments::Version));
}

#[test]
fn definition_takes_the_rest_of_the_command_line() {
    let target = ["image", "--project", "42", "--help"].map(OsString::from).to_vec();
    assert_eq!(parse(&["--definition", "image", "--project", "42", "--help"]), Ok(Arguments::Definition { target }));
    assert_eq!(parse(&["--root", "/a", "--definition"]), Ok(Arguments::Definition { target: Vec::new() }));
}

#[test]
fn a_task_without_a_definition_says_so() {
    let shared = Shared::default();
    let code = describe(&Output::new(shared.clone(), false), None, Vec::new());
    let log = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log, "This task has no definition to print: it is not one that users start.\n");
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(1)));
}

#[test]
fn an_unknown_argument_is_refused_and_not_repeated() {
    let refusal = Failure::new("The command line has an argument that is not known; see --help.");
    for arguments in [&["--token=MARKER"][..], &["MARKER"], &[""], &["-h"], &["--root", "/a", "/b"], &["--root=/a"]] {
        assert_eq!(parse(arguments), Err(refusal.clone()), "{arguments:?}");
    }
    let not_text = OsString::from_vec(vec![0xff]);
    assert_eq!(Arguments::parse([not_text].into_iter()), Err(refusal));
}

#[test]
fn an_error_becomes_a_failure_with_its_own_sentence() {
    #[derive(Debug, thiserror::Error)]
    #[error("The {0} is missing.")]
    struct Missing(&'static str, #[source] std::fmt::Error);

    fn task() -> Result<String, Failure> {
        Err(Missing("door", std::fmt::Error))?;
        Ok("Done.".to_owned())
    }

    assert_eq!(task().unwrap_err().sentence(), "The door is missing.");
    assert_eq!(task().unwrap_err(), Failure::new("The door is missing."));
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Ends a task with `outcome` in a pod whose termination message file held `before`; gives what is in the log, in that
/// file, and the exit code as its `Debug` text, since exit codes cannot be compared.
fn ended(outcome: Result<String, Failure>, before: Option<&str>) -> (String, Option<String>, String) {
    let pod = tempfile::tempdir().unwrap();
    let file = pod.path().join("dev/termination-log");
    if let Some(before) = before {
        std::fs::create_dir(pod.path().join("dev")).unwrap();
        std::fs::write(&file, before).unwrap();
    }
    let shared = Shared::default();
    let output = Output::new(shared.clone(), true);
    output.register_secret("hunter22");
    let code = end(&output, &Mounts::below(pod.path()), outcome);
    let log = String::from_utf8(shared.0.lock().unwrap().clone()).unwrap();
    (log, std::fs::read_to_string(file).ok(), format!("{code:?}"))
}

#[test]
fn a_task_that_succeeded_shows_its_sentence_and_exits_with_0() {
    let (log, message, code) =
        ended(Ok("It is done, hunter22.".to_owned()), Some("something much longer, from before"));
    assert_eq!(log, "It is done, [hidden].\n");
    assert_eq!(message.as_deref(), Some("It is done, [hidden]."));
    assert_eq!(code, format!("{:?}", ExitCode::SUCCESS));
}

#[test]
fn a_task_that_failed_shows_its_sentence_as_a_failure_and_exits_with_1() {
    let (log, message, code) = ended(Err(Failure::new("It failed, hunter22.")), Some(""));
    assert_eq!(log, "\x1b[31mIt failed, [hidden].\x1b[0m\n");
    assert_eq!(message.as_deref(), Some("It failed, [hidden]."));
    assert_eq!(code, format!("{:?}", ExitCode::from(1)));
}

#[test]
fn no_termination_message_file_is_made_where_there_is_none() {
    let (log, message, _) = ended(Ok("Done.".to_owned()), None);
    assert_eq!((log.as_str(), message), ("Done.\n", None));
}

#[test]
fn a_long_termination_message_is_cut_between_two_characters_and_the_log_has_it_all() {
    let sentence = format!("x{}", "é".repeat(4096));
    let (log, message, _) = ended(Ok(sentence.clone()), Some(""));
    assert_eq!(log, format!("{sentence}\n"));
    assert_eq!(message, Some(format!("x{}", "é".repeat(2047))), "4095 bytes, since 4096 would split a character");
    let (_, message, _) = ended(Ok("y".repeat(5000)), Some(""));
    assert_eq!(message, Some("y".repeat(4096)));
}

#[test]
fn a_secret_at_the_cut_of_a_termination_message_does_not_show_in_part() {
    let (_, message, _) = ended(Ok(format!("{}hunter22", "y".repeat(4092))), Some(""));
    assert_eq!(message, Some(format!("{}[hid", "y".repeat(4092))));
}
