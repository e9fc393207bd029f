//! The architecture, as a test: who may import whom, how long a file may be, where `unsafe` may be.

use std::collections::BTreeMap;
use std::{fs, io, path::Path};

/// Folder of `src/` → folders it may use. Anything else fails the build.
const MAY_USE: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("sync", &["base"]),
    ("decide", &["base"]),
    ("mem", &["base"]),
    ("meter", &["base", "decide"]),
    ("image", &["base"]),
    ("wire", &["base", "mem"]),
    ("link", &["base", "sync", "mem", "wire"]),
    ("host", &["base", "sync", "decide", "mem", "wire", "link"]),
    ("gateway", &["base", "sync", "decide", "mem", "wire", "meter", "image", "link"]),
    ("simulation", &["base", "mem", "wire", "link", "host", "gateway"]),
    ("fuzzing", &["base", "decide", "mem", "wire", "image", "link", "gateway"]),
    ("py", &["base", "sync", "decide", "mem", "wire", "meter", "image", "link", "host", "gateway"]),
];

/// The same of the gateway's own folders, for what is no test; all may use what lies beside them.
const GATEWAY_MAY_USE: &[(&str, &[&str])] = &[
    ("memory", &[]),
    ("queue", &["memory"]),
    ("table", &["queue"]),
    ("shadow", &["memory", "queue", "table"]),
    ("profile", &["memory", "queue", "table"]),
    ("ensemble", &["memory", "queue"]),
    ("requests", &["memory", "profile", "queue", "shadow"]),
    ("sockets", &["memory"]),
    ("http", &["memory", "requests", "sockets"]),
    ("grpc", &["memory", "requests", "sockets"]),
];

/// Files that may hold `unsafe`, each with its proof beside every block.
const UNSAFE_FILES: &[&str] =
    &["link/socket.rs", "mem/heap.rs", "mem/mapping.rs", "py/array.rs", "py/lent.rs"];

const MAX_LINES: usize = 300;

fn sources(root: &Path, dir: &Path, out: &mut Vec<(String, String)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(root, &path, out)?;
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            out.push((name, fs::read_to_string(&path)?));
        }
    }
    Ok(())
}

/// Names after `root`, as `crate::`, in both the plain and the braced form.
fn imports(text: &str, root: &str) -> Vec<String> {
    let ident = |s: &str| s.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for (at, hit) in text.match_indices(root) {
        let rest = &text[at + hit.len()..];
        let Some(list) = rest.strip_prefix('{') else {
            found.push(ident(rest));
            continue;
        };
        let (mut depth, mut start) = (0_usize, 0_usize);
        for (pos, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                ',' if depth == 0 => {
                    found.push(ident(list[start..pos].trim()));
                    start = pos + 1;
                }
                '}' if depth == 0 => {
                    found.push(ident(list[start..pos].trim()));
                    break;
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// The longest `super::super::..`: a way around the table if it reaches the crate.
fn climbs(text: &str) -> usize {
    (1..8).rev().find(|steps| text.contains(&"super::".repeat(*steps))).unwrap_or(0)
}

/// Steps of `super` from a file's own module to the crate; a module of tests within it has one more.
fn depth(name: &str) -> usize {
    name.split('/').count() - usize::from(name.ends_with("/mod.rs"))
}

#[test]
fn files_keep_to_the_architecture() {
    let table: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    sources(&root, &root, &mut files).unwrap();
    let mut wrong = Vec::new();
    for (name, text) in &files {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!(
                "{name} has {lines} lines, {MAX_LINES} are allowed: does a second idea hide in it?"
            ));
        }
        let mut code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let has_unsafe = code.any(|line| line.contains("unsafe ") || line.contains("unsafe{"));
        if has_unsafe && !UNSAFE_FILES.contains(&name.as_str()) {
            wrong.push(format!("{name} uses unsafe, which belongs in {UNSAFE_FILES:?}"));
        }
        let folder = name.split(['/', '.']).next().unwrap();
        if folder == "lib" {
            continue;
        }
        let Some(allowed) = table.get(folder) else {
            wrong.push(format!("{folder} is not in the table of folders"));
            continue;
        };
        if climbs(text) > depth(name) {
            wrong.push(format!("{name} climbs to the crate by super: name the folder as crate::"));
        }
        for used in imports(text, "crate::") {
            if used != folder && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{name} may not use crate::{used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(files.len() > MAY_USE.len(), "the sources were not found");
}

#[test]
fn the_gateways_folders_use_those_below_them() {
    let table: BTreeMap<_, _> = GATEWAY_MAY_USE.iter().copied().collect();
    let mut files = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gateway");
    sources(&root, &root, &mut files).unwrap();
    files.retain(|(name, _)| !name.contains("tests"));
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (name, text) in &files {
        let Some((folder, allowed)) = name.split_once('/').and_then(|(one, _)| table.get_key_value(one))
        else {
            if name.contains('/') {
                wrong.push(format!("{name} is in no folder of the gateway's table"));
            }
            continue;
        };
        seen += 1;
        if climbs(text) > 1 || text.contains("use crate::{gateway") {
            wrong.push(format!("gateway/{name} climbs by super: name the folder as crate::gateway::"));
        }
        for used in imports(text, "crate::gateway::") {
            if used != *folder && table.contains_key(used.as_str()) && !allowed.contains(&used.as_str()) {
                wrong.push(format!("gateway/{name} may not use gateway::{used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 50, "the sources were not found");
}

#[test]
fn the_import_reader_reads_both_forms() {
    let text = "use crate::a::B; use crate::{c::{D, E}, f, g::H}; crate::i()";
    assert_eq!(imports(text, "crate::"), ["a", "c", "f", "g", "i"]);
    assert_eq!(imports("use crate::a::{b::C, D}; crate::a::e()", "crate::a::"), ["b", "D", "e"]);
    assert_eq!((climbs("use super::x; super::super::y"), climbs(text)), (2, 0));
    assert_eq!((depth("link/host/frames.rs"), depth("link/host/mod.rs"), depth("link/mod.rs")), (3, 2, 1));
}
