//! The house's arrows go one way: a module may use only what the table below lets it, and `unsafe` stays in
//! `crates/kernels`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A module of `src/` and the modules of the crate it may use, beside `error` and itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("random", &[]),
    ("files", &[]),
    ("format", &[]),
    ("net", &[]),
    ("data", &["files", "net", "random"]),
    ("engine", &["net", "random"]),
    ("parallel", &[]),
    // The preprocessing stands in the model file.
    ("model", &["files", "engine", "data", "net"]),
    ("eval", &["model", "engine", "data", "net", "random"]),
    ("train", &["files", "eval", "parallel", "model", "engine", "data", "net", "random"]),
    ("inspect", &["train", "eval", "model", "engine", "data", "net", "random"]),
    ("serve", &["inspect", "train", "eval", "model", "engine", "data", "net", "random"]),
    // The crate's root names its modules, and the program calls the command line.
    ("lib", &[]),
    ("main", &["cli"]),
];

/// What anyone may use.
const EVERYBODY: &[&str] = &["error", "format", "Error", "Result"];

/// What is wrong with the text of a source file of module `module`.
fn offences(module: &str, text: &str) -> Vec<String> {
    let code = without_comments_and_strings(text);
    let mut out = Vec::new();
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
        return vec![format!("module `{module}` is not in the table of arrows")];
    };
    for used in uses(&code) {
        let known = EVERYBODY.contains(&used.as_str()) || used == module || allowed.contains(&used.as_str());
        if !known {
            out.push(format!("`{module}` uses `{used}`"));
        }
    }
    if words(&code).any(|word| word == "unsafe") {
        out.push(format!("`{module}` holds `unsafe`"));
    }
    if module == "net" {
        let kernels = paths_after(&code, "alexnet_kernels::");
        out.extend(
            kernels
                .into_iter()
                .filter(|name| name != "geometry")
                .map(|name| format!("`net` computes: `{name}`")),
        );
    }
    out
}

/// First names after `crate::` and, for the program, `alexnet::`: `crate::net::Recipe` uses `net`, and
/// `crate::{net, Error}` uses both.
fn uses(code: &str) -> BTreeSet<String> {
    ["crate::", "alexnet::"].iter().flat_map(|root| paths_after(code, root)).collect()
}

/// First names that follow `root` in paths, one or several in braces.
fn paths_after(code: &str, root: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for (at, _) in code.match_indices(root) {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + root.len()..];
        if let Some(list) = rest.strip_prefix('{') {
            out.extend(heads(list));
        } else {
            out.extend(words(rest).next().map(String::from));
        }
    }
    out
}

/// First names of the paths in a list `a, b::c, d::{e, f}}`, up to its closing brace.
fn heads(list: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let mut depth = 0;
    let mut head = true;
    let mut rest = list;
    while let Some(c) = rest.chars().next() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => head = true,
            _ if depth == 0 && head && (c.is_alphabetic() || c == '_') => {
                let word = words(rest).next().unwrap_or_default();
                out.insert(word.to_string());
                head = false;
                rest = &rest[word.len()..];
                continue;
            }
            _ => {}
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

/// The code alone: what a comment or a string says is no use of anything.
fn without_comments_and_strings(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if c == '"' {
            string_end(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else if rest.starts_with("'\\\"'") {
            4
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.push(' ');
        rest = &rest[skipped..];
    }
    out
}

/// Bytes of the string literal that `text` begins with, quotes included.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (i, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

/// Every `.rs` file below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
    out.sort();
    out
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn arrows_go_one_way() {
    let src = root().join("src");
    let mut wrong = Vec::new();
    for path in sources(&src) {
        let inside = path.strip_prefix(&src).unwrap();
        let first = inside.iter().next().unwrap().to_str().unwrap();
        let module = first.strip_suffix(".rs").unwrap_or(first);
        let text = std::fs::read_to_string(&path).unwrap();
        wrong.extend(offences(module, &text).into_iter().map(|what| format!("{}: {what}", inside.display())));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn kernels_know_no_nets() {
    for path in sources(&root().join("../kernels/src")) {
        let code = without_comments_and_strings(&std::fs::read_to_string(&path).unwrap());
        assert!(paths_after(&code, "alexnet::").is_empty(), "{} uses the crate above it", path.display());
    }
    let manifest = std::fs::read_to_string(root().join("../kernels/Cargo.toml")).unwrap();
    let above = manifest.lines().any(|line| line.starts_with("alexnet"));
    assert!(!above, "the kernels depend on no other crate of this workspace");
}

/// The test above is worth nothing if it sees nothing: made-up offenders.
#[test]
fn offenders_are_seen() {
    for (module, text, offence) in [
        ("engine", "use crate::train::Loop;", "`engine` uses `train`"),
        ("engine", "use crate::{Error, net::{Recipe, Network}, cli};", "`engine` uses `cli`"),
        ("engine", "fn f() { crate::eval::top_k() }", "`engine` uses `eval`"),
        ("engine", "pub(crate) use crate::{\n    net,\n    data,\n};", "`engine` uses `data`"),
        ("net", "use crate::engine::Plan;", "`net` uses `engine`"),
        ("net", "use crate::random::Key;", "`net` uses `random`"),
        ("eval", "use crate::train::Loop;", "`eval` uses `train`"),
        ("net", "use alexnet_kernels::conv;", "`net` computes: `conv`"),
        ("net", "use alexnet_kernels::{geometry::Maps, gemm};", "`net` computes: `gemm`"),
        ("data", "let x = \"a string\"; use crate::engine::X;", "`data` uses `engine`"),
        ("train", "fn f() { unsafe { g() } }", "`train` holds `unsafe`"),
        ("serve", "use crate::cli;", "`serve` uses `cli`"),
        ("attic", "", "module `attic` is not in the table of arrows"),
    ] {
        assert_eq!(offences(module, text), [offence], "{text}");
    }
    for (module, text) in [
        ("engine", "use crate::{Error, Result, net::{Network, Layer}};\n// crate::train comes later\n"),
        ("engine", "let s = \"crate::train\"; let c = '\"'; use crate::net::X; let t = r#\"crate::cli\"#;"),
        ("net", "use alexnet_kernels::geometry::Maps; /* unsafe */ use crate::Error;"),
        ("train", "#![forbid(unsafe_code)] use crate::{engine, data, net};"),
        ("main", "use alexnet::cli;"),
    ] {
        assert!(offences(module, text).is_empty(), "{text}: {:?}", offences(module, text));
    }
}
