//! Compiles the repository's `proto/` without a `protoc` binary; output stays in `OUT_DIR`.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new("../../proto");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(root)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "proto") {
            files.push(path);
        }
    }
    files.sort();
    if !files.is_empty() {
        let set = protox::compile(&files, [root])?;
        prost_build::Config::new()
            .bytes(["."]) // fields become views of the message
            .type_attribute("headrace.v1.SendResponse", "#[derive(serde::Deserialize)]") // the console says it in JSON
            .compile_fds(set)?;
    }
    Ok(())
}
