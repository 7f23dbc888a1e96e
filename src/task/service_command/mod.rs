//! x

#![allow(dead_code)]
mod choice;
mod lines;
