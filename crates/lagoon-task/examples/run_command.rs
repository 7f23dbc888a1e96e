//! Lagoon's standard task as a custom image: runs a command in a pod like a service's.
//!
//! Its payload is `{"service": "cli", "command": "drush status"}`, and `container` where the service's pod has several.

use std::process::ExitCode;

use lagoon_task::{Context, ServiceCommand, run, service_command};

fn main() -> ExitCode {
    run("run_command/1.0", async |task: Context| {
        let command: ServiceCommand = task.payload()?;
        let exit = service_command::run(&task, &command).await?;
        let result = serde_json::json!({ "service": command.service, "exitCode": exit.code });
        task.report(&result).await?;
        Ok(format!("The command ended with {exit}."))
    })
}
