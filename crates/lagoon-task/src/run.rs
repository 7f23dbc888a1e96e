//! How a task begins and ends: its exit code, its last sentence, its panics.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::context::Context;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::mounts::Mounts;
use crate::output::Output;
use crate::shutdown::Shutdown;

/// Kubernetes cuts a termination message off after this many bytes.
const TERMINATION_MESSAGE_LIMIT: usize = 4096;

const DEFINITION_HELP: &str = "\n  --definition [IMAGE] [--project ID | --environment ID | --group NAME | --system-wide]\n              \
    print the mutation that makes the task known to Lagoon's API";

const PANIC_SENTENCE: &str = "The task stopped because of a fault in its own program. This is not caused by the site; \
    please tell your Lagoon administrator. It is safe to run the task again.";

/// Runs a task to its exit code: 0 when it succeeded, 1 otherwise, and nothing else.
///
/// The task is an async function from its [`Context`] to its last sentence. `name` names it to the API server, as
/// `name/version`. The only command-line arguments are `--root DIR`, which looks for the mounts below another folder,
/// `--help` and `--version`.
///
/// ```no_run
/// use std::process::ExitCode;
/// use lagoon_task::{Context, Failure, run};
///
/// fn main() -> ExitCode {
///     run("greeter/1.0", async |task: Context| {
///         task.step("Greeting");
///         task.report(&serde_json::json!({ "greeting": "Hello" })).await?;
///         Ok("Done.".to_owned())
///     })
/// }
/// ```
pub fn run<Task>(name: &'static str, task: Task) -> ExitCode
where
    Task: AsyncFnOnce(Context) -> Result<String, Failure>,
{
    run_defined(name, None, task)
}

/// Makes the text for `--definition` from what follows it on the command line.
pub(super) type Describe<'definition> = &'definition dyn Fn(Vec<OsString>) -> Result<String, Failure>;

/// The same for a task that may have a definition to print.
pub(super) fn run_defined<Task>(name: &'static str, definition: Option<Describe>, task: Task) -> ExitCode
where
    Task: AsyncFnOnce(Context) -> Result<String, Failure>,
{
    let output = Output::stdout();
    let root = match Arguments::parse(std::env::args_os().skip(1)) {
        Ok(Arguments::Run { root }) => root,
        Ok(Arguments::Help) => {
            output.say(format!(
                "{name}: an image for a Lagoon advanced task. Lagoon starts it with everything it needs in its \
                 environment.\n\nOptions:\n  --root DIR  look for the mounted credentials below DIR instead of /\n  \
                 --help      show this\n  --version   show the version{}",
                if definition.is_some() { DEFINITION_HELP } else { "" }
            ));
            return ExitCode::SUCCESS;
        }
        Ok(Arguments::Version) => {
            output.say(name);
            return ExitCode::SUCCESS;
        }
        Ok(Arguments::Definition { target }) => return describe(&output, definition, target),
        Err(failure) => return end(&output, &Mounts::below("/"), Err(failure)),
    };
    let mounts = Mounts::below(root);
    calm_panics(output.clone(), mounts.clone());
    let outcome = start(name, task, &mounts, &output);
    end(&output, &mounts, outcome)
}

/// Prints the task's definition, which needs nothing of a pod.
fn describe(output: &Output, definition: Option<Describe>, target: Vec<OsString>) -> ExitCode {
    let undefined = || Err(Failure::new("This task has no definition to print: it is not one that users start."));
    match definition.map_or_else(undefined, |definition| definition(target)) {
        Ok(text) => {
            output.say(text);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            output.say_failure(failure.sentence());
            ExitCode::FAILURE
        }
    }
}

/// Reads the environment and runs the task on a runtime with a single thread.
fn start<Task>(name: &'static str, task: Task, mounts: &Mounts, output: &Output) -> Result<String, Failure>
where
    Task: AsyncFnOnce(Context) -> Result<String, Failure>,
{
    let environment = Environment::from_process()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("The task could not start: {error}.")))?;
    let outcome = runtime.block_on(async {
        let shutdown = Shutdown::on_signals(|| {})?;
        task(Context::new(name, environment, mounts.clone(), output.clone(), shutdown)).await
    });
    // Background work, such as a last progress label, must not hold up the exit.
    runtime.shutdown_background();
    outcome
}

/// Shows the last sentence and gives the exit code.
fn end(output: &Output, mounts: &Mounts, outcome: Result<String, Failure>) -> ExitCode {
    match outcome {
        Ok(sentence) => {
            output.say(&sentence);
            leave_termination_message(output, mounts, &sentence);
            ExitCode::SUCCESS
        }
        Err(failure) => {
            output.say_failure(failure.sentence());
            leave_termination_message(output, mounts, failure.sentence());
            ExitCode::FAILURE
        }
    }
}

/// Writes the sentence to the termination message file, if there is one. It is a copy of what the log says, so a
/// failure to write it has no consequence.
fn leave_termination_message(output: &Output, mounts: &Mounts, sentence: &str) {
    let Some(path) = mounts.termination_log() else { return };
    let message = output.hide_secrets(sentence);
    let end = message.floor_char_boundary(TERMINATION_MESSAGE_LIMIT);
    let file = std::fs::OpenOptions::new().write(true).truncate(true).open(path);
    let _ = file.and_then(|mut file| file.write_all(&message.as_bytes()[..end]));
}

/// A panic, wherever it happens, is one sentence in the log and exit code 1.
fn calm_panics(output: Output, mounts: Mounts) {
    std::panic::set_hook(Box::new(move |_| {
        output.say_in_panic(PANIC_SENTENCE);
        if let Some(path) = mounts.termination_log() {
            let _ = std::fs::write(path, PANIC_SENTENCE);
        }
        // Unwinding would end a spawned task only, and an abort would give another exit code.
        std::process::exit(1);
    }));
}

/// The command line.
#[derive(Debug, PartialEq, Eq)]
enum Arguments {
    Run { root: PathBuf },
    Definition { target: Vec<OsString> },
    Help,
    Version,
}

impl Arguments {
    fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, Failure> {
        let mut root = PathBuf::from("/");
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--root") => {
                    let folder = arguments.next().ok_or_else(|| Failure::new("--root needs a folder after it."))?;
                    root = PathBuf::from(folder);
                }
                Some("--definition") => return Ok(Self::Definition { target: arguments.collect() }),
                Some("--help") => return Ok(Self::Help),
                Some("--version") => return Ok(Self::Version),
                _ => return Err(Failure::new("The command line has an argument that is not known; see --help.")),
            }
        }
        Ok(Self::Run { root })
    }
}

#[cfg(test)]
mod tests;
