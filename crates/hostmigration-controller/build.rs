//! Links what an image holds without tables for unwinding: see `image.ld`.

fn main() {
    println!("cargo::rerun-if-changed=../../image.ld");
    let is = |name: &str, wanted: &str| std::env::var(name).is_ok_and(|value| value == wanted);
    if is("CARGO_CFG_PANIC", "abort") && is("CARGO_CFG_TARGET_OS", "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}/../../image.ld", env!("CARGO_MANIFEST_DIR"));
    }
}
