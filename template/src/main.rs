//! {{description}}.

use std::process::ExitCode;

use lagoon_task::{Context, run};

#[derive(serde::Deserialize)]
struct Arguments {
    name: String,
}

fn main() -> ExitCode {
    run("{{project-name}}/0.1.0", async |task: Context| {
        let arguments: Arguments = task.payload()?;
        task.step(format!("Greeting {}", arguments.name));
        task.report(&serde_json::json!({ "greeting": format!("Hello, {}!", arguments.name) })).await?;
        Ok("Lagoon has the greeting.".to_owned())
    })
}
