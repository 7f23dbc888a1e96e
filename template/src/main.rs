//! {{description}}.

use std::process::ExitCode;

use lagoon_task::{Argument, Context, Definition, arguments};

/// How the task names itself to the API server.
const NAME: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

arguments! {
    /// What the user fills in, in Lagoon's form.
    struct Chosen {
        name: String = Argument::string("Who is greeted"),
        often: u8 = Argument::numeric("How often").range(1..=5).default(1),
    }
}

fn main() -> ExitCode {
    // Its name in Lagoon, and what it does, are those of Cargo.toml.
    let definition = Definition::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_DESCRIPTION"));
    definition.run(NAME, async |task: Context, chosen: Chosen| {
        let greeting = greeting(&chosen.name, chosen.often);
        // The user sees this at once, in the task's log.
        task.step(format!("Greeting {}", chosen.name));
        // Lagoon gets this, and keeps it.
        let result = serde_json::json!({ "greeting": greeting });
        task.report(&result).await?;
        // The last line of the log. An error in its place becomes a sentence, and exit code 1.
        Ok(greeting)
    })
}

/// What is not about Lagoon is a plain function, and is tested as one.
fn greeting(name: &str, often: u8) -> String {
    let more = ", hello".repeat(usize::from(often.saturating_sub(1)));
    format!("Hello{more}, {name}!")
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
