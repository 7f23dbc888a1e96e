//! The smallest task: greets whom its user names, and hands Lagoon the greeting. `hello_task --definition` prints what
//! makes it known to Lagoon.

use std::process::ExitCode;

use lagoon_task::{Argument, Context, Definition, arguments};

arguments! {
    struct Chosen {
        name: String = Argument::string("Who is greeted").pattern("[A-Z].{0,30}", "a name with a capital"),
    }
}

fn main() -> ExitCode {
    let definition = Definition::new("Greet", "Greets someone, and hands Lagoon the greeting.");
    definition.run("hello_task/1.0", async |task: Context, Chosen { name }| {
        task.step(format!("Greeting {name}"));
        task.report(&serde_json::json!({ "greeting": format!("Hello, {name}!") })).await?;
        Ok("Lagoon has the greeting.".to_owned())
    })
}
