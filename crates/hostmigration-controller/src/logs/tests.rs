use std::sync::{Arc, Mutex};

use super::*;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// What is logged while `say` runs, one JSON object a line.
fn logged(say: impl FnOnce()) -> Vec<serde_json::Value> {
    let kept = Kept::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer(kept.clone())), say);
    let bytes = kept.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn lines_about_a_switch_name_its_object() {
    let lines = logged(|| {
        let output = switch_output("shop-standby", "host-migration-abcde", output());
        output.say("one\ntwo \"quoted\"");
        output.say_failure("three");
    });
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages, ["one", "two \"quoted\"", "three"]);
    for line in &lines {
        assert_eq!((line["level"].as_str(), line["namespace"].as_str()), (Some("INFO"), Some("shop-standby")));
        assert_eq!(line["hostmigration"], "host-migration-abcde");
    }
}

#[test]
fn other_lines_name_none() {
    let lines = logged(|| output().say("The Kubernetes API server is busy."));
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].get("namespace"), None);
}

#[test]
fn secrets_of_the_client_are_hidden_in_lines_about_a_switch_too() {
    let lines = logged(|| {
        let secrets = output();
        let about = switch_output("shop-standby", "x", secrets.clone());
        secrets.register_secret("hunter22");
        about.register_secret("secret-of-the-switch");
        about.say("hunter22 and secret-of-the-switch");
        secrets.say("hunter22");
    });
    assert_eq!(lines[0]["message"], "[hidden] and [hidden]");
    assert_eq!(lines[1]["message"], "[hidden]");
}
