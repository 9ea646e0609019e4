fn main() {
    napi_build::setup();
    // Node unloads an addon with the last worker that loaded it, while native threads still run its code.
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
