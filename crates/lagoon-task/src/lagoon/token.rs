//! The token for Lagoon's API: had over SSH, kept as long as it is good.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cluster::shortened;
use crate::lagoon::command::{RemoteExit, Source};
use crate::lagoon::endpoint::Endpoint;
use crate::lagoon::error::TokenError;
use crate::lagoon::ssh::Ssh;
use crate::output::Output;

/// The SSH user who may ask for a token, and the command.
const USER: &str = "lagoon";
const COMMAND: &str = "token";

/// How long the command may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// Of what a host says no more than this is kept; a token has about two thousand bytes.
const LONGEST: usize = 64 * 1024;

/// A token is renewed this long before it expires, or a tenth of its life before if that is less.
const MARGIN: Duration = Duration::from_mins(1);

/// Gives out the current token.
pub(super) struct Tokens {
    pub(super) ssh: Ssh,
    endpoint: Endpoint,
    output: Output,
    current: Mutex<Option<Token>>,
}

struct Token {
    text: String,
    /// `None` when it does not say how long it is good.
    renew_at: Option<Instant>,
}

impl Tokens {
    pub(super) fn new(ssh: Ssh, endpoint: Endpoint, output: Output) -> Self {
        Self { ssh, endpoint, output, current: Mutex::default() }
    }

    /// The current token, or a new one. Callers at the same time share one.
    pub(super) async fn get(&self) -> Result<String, TokenError> {
        let mut current = self.current.lock().await;
        let good = |token: &&Token| token.renew_at.is_none_or(|at| Instant::now() < at);
        if let Some(token) = current.as_ref().filter(good) {
            return Ok(token.text.clone());
        }
        let text = self.fetch().await?;
        let renew_at = lifetime(&text).map(|life| Instant::now() + life.saturating_sub(MARGIN.min(life / 10)));
        *current = Some(Token { text: text.clone(), renew_at });
        Ok(text)
    }

    /// Lets go of a token that the API does not accept, unless it has been renewed already.
    pub(super) async fn forget(&self, text: &str) {
        let mut current = self.current.lock().await;
        current.take_if(|token| token.text == text);
    }

    async fn fetch(&self) -> Result<String, TokenError> {
        let (mut printed, mut said) = (Vec::new(), Vec::new());
        let mut keep = |source: Source, data: &[u8]| {
            let kept = if source == Source::Stdout { &mut printed } else { &mut said };
            kept.extend_from_slice(&data[..data.len().min(LONGEST - kept.len())]);
        };
        let exit = self.ssh.run(&self.endpoint, USER, COMMAND, DEADLINE, &mut keep).await?;
        let printed = String::from_utf8_lossy(&printed);
        // Lagoon ends with exit code 0 and a sentence on standard error when it has no token.
        match printed.trim() {
            token if exit == RemoteExit::Code(0) && is_token(token) => {
                self.output.register_secret(token);
                Ok(token.to_owned())
            }
            _ => {
                let message = shortened(&String::from_utf8_lossy(&said));
                Err(TokenError::NoToken { endpoint: self.endpoint.clone(), message })
            }
        }
    }
}

/// Whether `text` has the form of a JSON Web Token (RFC 7519): three parts in base64 for URLs, joined by dots.
fn is_token(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.split('.').count() == 3 && text.split('.').all(|part| !part.is_empty() && part.bytes().all(inner))
}

/// How long a token is good from its making on: `exp` less `iat` in its second part, by the clock of who made it. Its
/// signature is the API's affair.
fn lifetime(token: &str) -> Option<Duration> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
        iat: f64,
    }
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Claims { exp, iat } = serde_json::from_slice(&bytes).ok()?;
    // A day is longer than any task may trust a token; it also keeps the sum within what the clock can hold.
    Duration::try_from_secs_f64((exp - iat).clamp(0.0, 86_400.0)).ok()
}

#[cfg(test)]
mod tests;
