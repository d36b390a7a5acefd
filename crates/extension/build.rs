//! Lets the linker take our `_Unwind_Backtrace` where the unwinder of musl's target brings another: see
//! `src/backtrace.rs`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|environment| environment == "musl") {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,muldefs");
    }
}
