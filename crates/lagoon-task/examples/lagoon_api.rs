//! A task that uses Lagoon's API: runs a command in another environment of its project, remembers there when it did,
//! and leaves what the command wrote as a file with the task. Its payload names the environment and the command:
//! `{"environment": "develop", "command": "drush status"}`.

use std::process::ExitCode;

use lagoon_task::lagoon::{LagoonApi, RemoteCommand, Scope, TaskFile};
use lagoon_task::{Context, Failure, run};

#[derive(serde::Deserialize)]
struct Arguments {
    environment: String,
    command: String,
}

fn main() -> ExitCode {
    run("lagoon_api/1.0", async |task: Context| {
        let arguments: Arguments = task.payload()?;
        let project = task.environment.project.clone().ok_or_else(|| Failure::new("LAGOON_PROJECT is not set."))?;
        let api = LagoonApi::connect(&task)?;

        let environment = api.environment(&project, &arguments.environment).await?;
        task.step(format!("Running the command in environment {}", environment.name));
        let mut written = String::new();
        let exit = api
            .follow_command(&environment, &RemoteCommand::new(&arguments.command), |_, line| {
                // The line comes without the secrets that the task knows. With its line break, since an empty line is a line.
                task.say(format!("{line}\n"));
                written.extend([line, "\n"]);
            })
            .await?;
        if !exit.is_success() {
            return Err(Failure::new(format!("The command ended with {exit}.")));
        }

        api.upload_files(&[TaskFile::from_bytes("output.txt", written)]).await?;
        api.set_variable(&environment, "LAST_COMMAND", &arguments.command, Scope::Build).await?;
        let variables = api.variables(&environment).await?;
        task.report(&serde_json::json!({ "environment": environment.name, "variables": variables.len() })).await?;
        Ok("The output is among the task's files.".to_owned())
    })
}
