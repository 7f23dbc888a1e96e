//! Links the task's image without tables for unwinding: see `image.ld`.

fn main() {
    println!("cargo::rerun-if-changed=image.ld");
    let is = |name: &str, wanted: &str| std::env::var(name).is_ok_and(|value| value == wanted);
    // Of this package's profiles `image` alone is small first, and it aborts; cargo tells a build script neither by name.
    if is("OPT_LEVEL", "z") && is("CARGO_CFG_TARGET_OS", "linux") {
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}/image.ld", env!("CARGO_MANIFEST_DIR"));
    }
}
