//! {{description}}.

use std::process::ExitCode;

use lagoon_task::{Argument, Context, Definition, arguments};

arguments! {
    /// What the user fills in, in Lagoon's form.
    struct Chosen {
        name: String = Argument::string("Who is greeted"),
        often: u8 = Argument::numeric("How often").range(1..=5).default(1),
    }
}

fn main() -> ExitCode {
    let definition = Definition::new("{{project-name}}", "{{description}}.");
    definition.run("{{project-name}}/0.1.0", async |task: Context, chosen: Chosen| {
        let greeting = greeting(&chosen.name, chosen.often);
        // The user sees this at once, in the task's log.
        task.step(format!("Greeting {}", chosen.name));
        // Lagoon gets this, and keeps it.
        task.report(&serde_json::json!({ "greeting": greeting })).await?;
        // The last line of the log. An error in its place becomes a sentence, and exit code 1.
        Ok(greeting)
    })
}

/// What is not about Lagoon is a plain function, and is tested as one.
fn greeting(name: &str, often: u8) -> String {
    format!("Hello{}, {name}!", ", hello".repeat(usize::from(often.saturating_sub(1))))
}

#[cfg(test)]
mod tests {
    use super::greeting;

    #[test]
    fn it_says_hello_as_often_as_it_should() {
        assert_eq!(greeting("Ada", 1), "Hello, Ada!");
        assert_eq!(greeting("Ada", 3), "Hello, hello, hello, Ada!");
    }
}
