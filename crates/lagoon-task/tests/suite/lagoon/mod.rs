//! Lagoon's API and SSH, against a real OpenSSH server and a local HTTPS server that checks the tokens.

mod calls;
mod commands;
mod example;
mod host_keys;
mod stand;
mod tokens;
