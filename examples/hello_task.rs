//! The smallest task: greets whom its payload names, `{"name": "Ada"}`, and hands Lagoon the greeting.

use std::process::ExitCode;

use lagoon_task::{Context, run};

#[derive(serde::Deserialize)]
struct Arguments {
    name: String,
}

fn main() -> ExitCode {
    run("hello_task/1.0", async |task: Context| {
        let arguments: Arguments = task.payload()?;
        task.step(format!("Greeting {}", arguments.name));
        task.report(&serde_json::json!({ "greeting": format!("Hello, {}!", arguments.name) })).await?;
        Ok("Lagoon has the greeting.".to_owned())
    })
}
