//! What is printed, for a person to read.

use std::collections::BTreeMap;
use std::error::Error;

use lagoon_task_testing::Finished;

/// Begins a section.
pub fn headline(text: &str) {
    println!("\n== {text} ==");
}

/// Prints rows in columns, the first row being the columns' names.
pub fn table(rows: &[Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("  {}", cells.join("   ").trim_end());
    }
}

/// What Lagoon's user and Lagoon itself receive of a task.
pub fn finished(finished: &Finished) -> Result<(), Box<dyn Error>> {
    println!("\nWhat the user sees, the task's log:\n");
    for line in finished.log.lines() {
        println!("  {line}");
    }
    println!("\nWhat Lagoon receives, decoded from the pod's annotation lagoon.sh/taskData:\n");
    let decoded = finished.result.as_ref().map(serde_json::to_string_pretty).transpose()?;
    for line in decoded.as_deref().unwrap_or("(nothing)").lines() {
        println!("  {line}");
    }
    println!();
    match finished.exit_code {
        Some(code) => println!("exit code: {code}"),
        None => println!("ended by signal {}", finished.signal.unwrap_or_default()),
    }
    requests("the task", finished);
    Ok(())
}

/// What the API server recorded of a process, counted by verb.
pub fn requests(whose: &str, finished: &Finished) {
    let mut verbs: BTreeMap<&str, usize> = BTreeMap::new();
    for request in &finished.requests {
        *verbs.entry(&request.verb).or_default() += 1;
    }
    let counted: Vec<String> = verbs.iter().map(|(verb, count)| format!("{count} {verb}")).collect();
    println!("API requests of {whose}: {} ({})", finished.requests.len(), counted.join(", "));
}
