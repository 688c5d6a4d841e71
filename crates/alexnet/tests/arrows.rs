//! The house's arrows go one way: from folder to folder as the table below says, never in a circle between files. `unsafe`
//! stays in `crates/kernels`, and the library draws on no terminal.

mod code;

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};

use code::File;
use code::scope::{Arrow, Scopes};

/// The modules of the library, and the modules that each of them may use besides itself and [`EVERYBODY`].
const ARROWS: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("random", &[]),
    ("files", &[]),
    ("format", &[]),
    ("threads", &[]),
    ("net", &["random"]),
    ("interop", &["files", "model", "engine", "data", "net"]),
    ("data", &["files", "net", "random"]),
    ("engine", &["net", "random"]),
    ("parallel", &["engine", "net"]),
    // The preprocessing stands in the model file.
    ("model", &["files", "engine", "data", "net"]),
    ("eval", &["files", "model", "parallel", "engine", "data", "net", "random"]),
    ("inspect", &["eval", "model", "engine", "data", "net", "random"]),
    ("quantize", &["files", "eval", "model", "engine", "data", "net"]),
    ("train", &["files", "eval", "model", "parallel", "engine", "data", "net", "random"]),
    ("reproduce", &["files", "train", "eval", "model", "parallel", "engine", "data", "net"]),
];

/// Modules that all modules may use.
const EVERYBODY: &[&str] = &["error", "format", "threads"];

/// What each crate may use of the others.
const CRATES: &[(&str, &[&str])] = &[
    ("alexnet_kernels", &[]),
    ("alexnet_images", &[]),
    ("alexnet", &["alexnet_images", "alexnet_kernels"]),
    ("alexnet_mpi", &["alexnet"]),
    // Images are used through the library.
    ("cli", &["alexnet", "alexnet_images", "alexnet_kernels", "alexnet_mpi"]),
    ("python", &["alexnet", "alexnet_images", "alexnet_kernels"]),
];

/// All that a network's description needs of the kernels: shapes and the name of a precision, no numerics.
const KERNELS_FOR_NET: &[&str] = &["geometry", "precision"];

/// Crates that draw on a terminal: for programs.
const TERMINAL: &[&str] = &["clap", "crossterm", "indicatif", "ratatui"];

/// What is wrong with the arrows between `files`.
fn offenses(files: &[File]) -> Vec<String> {
    let scopes = Scopes::new(files);
    let arrows = scopes.arrows(files);
    let mut out = wrong_table(files);
    let mut forbidden: Vec<String> = arrows.iter().filter_map(|arrow| forbidden(files, arrow)).collect();
    forbidden.dedup();
    out.extend(forbidden);
    out.extend(circles(files, &arrows));
    for (file, glob) in scopes.globs(files) {
        out.push(format!("{}: `use {glob}::*` outside of tests", files[file].name()));
    }
    out.extend(files.iter().flat_map(included_from_outside));
    for file in files.iter().filter(|file| file.package != "alexnet_kernels") {
        if has_unsafe(file.text.parse().expect("parsed before")) {
            out.push(format!("{}: `unsafe`", file.name()));
        }
    }
    out
}

/// Files that `file` includes from outside of its package: an archive of the package would not have them.
fn included_from_outside(file: &File) -> Vec<String> {
    // From the file's folder to the package's: the folders below `src/`, and `src/` itself.
    let depth = file.path.split('/').count();
    let macros = file.text.split("include_").skip(1);
    let arguments = macros.filter_map(|rest| rest.strip_prefix("str!(").or(rest.strip_prefix("bytes!(")));
    let paths = arguments.filter_map(|rest| rest.split('"').nth(1));
    let outside = paths.filter(|path| path.matches("../").count() > depth);
    outside
        .map(|path| format!("{}: includes `{path}`, which is outside of its package", file.name()))
        .collect()
}

/// The table names the library's modules, each once, and no others.
fn wrong_table(files: &[File]) -> Vec<String> {
    let library = files.iter().filter(|file| file.package == "alexnet").map(File::folder);
    let found: BTreeSet<&str> = library.filter(|folder| *folder != "lib").collect();
    let table: BTreeSet<&str> = ARROWS.iter().map(|(module, _)| *module).collect();
    let allowed = ARROWS.iter().flat_map(|(_, allowed)| allowed.iter().copied());
    let missing =
        found.difference(&table).map(|module| format!("module `{module}` is not in the table of arrows"));
    let gone: BTreeSet<&str> =
        table.iter().copied().chain(allowed).filter(|module| !found.contains(module)).collect();
    missing
        .chain(
            gone.iter().map(|module| format!("the table of arrows names `{module}`, which does not exist")),
        )
        .collect()
}

/// Why an arrow may not be, if so.
fn forbidden(files: &[File], arrow: &Arrow) -> Option<String> {
    let (from, to) = (&files[arrow.from], &files[arrow.to]);
    let allowed = |table: &[(&str, &[&str])], from: &str, to: &str| {
        table.iter().any(|(name, allowed)| *name == from && allowed.contains(&to))
    };
    let is_allowed = if from.package != to.package {
        let numerics = from.name().starts_with("alexnet/net/") && !KERNELS_FOR_NET.contains(&to.folder());
        allowed(CRATES, &from.package, &to.package) && !numerics
    } else if from.package == "alexnet" {
        let (from, to) = (from.folder(), to.folder());
        from == to || EVERYBODY.contains(&to) || allowed(ARROWS, from, to)
    } else {
        true
    };
    (!is_allowed).then(|| format!("{} uses {}: `{}`", from.name(), to.name(), arrow.path))
}

/// Circles between files, one line for each set of files that reach each other.
fn circles(files: &[File], arrows: &BTreeSet<Arrow>) -> Vec<String> {
    let reached = reached(files.len(), arrows);
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    for file in 0..files.len() {
        let circle: BTreeSet<usize> =
            reached[file].iter().copied().filter(|&other| reached[other].contains(&file)).collect();
        if !circle.is_empty() && seen.insert(circle.clone()) {
            let inside =
                arrows.iter().filter(|arrow| circle.contains(&arrow.from) && circle.contains(&arrow.to));
            let mut lines: BTreeMap<(usize, usize), &str> = BTreeMap::new();
            for arrow in inside {
                lines.entry((arrow.from, arrow.to)).or_insert(&arrow.path);
            }
            let lines: Vec<String> = lines
                .into_iter()
                .map(|((from, to), path)| {
                    format!("  {} -> {}: `{path}`", files[from].name(), files[to].name())
                })
                .collect();
            out.push(format!("a circle of {} files\n{}", circle.len(), lines.join("\n")));
        }
    }
    out
}

/// The files that each file uses, directly or not.
fn reached(files: usize, arrows: &BTreeSet<Arrow>) -> Vec<BTreeSet<usize>> {
    let mut next = vec![BTreeSet::new(); files];
    for arrow in arrows {
        next[arrow.from].insert(arrow.to);
    }
    let from = |file: usize| {
        let (mut reached, mut open) = (BTreeSet::new(), vec![file]);
        while let Some(file) = open.pop() {
            open.extend(next[file].iter().filter(|&&to| reached.insert(to)));
        }
        reached
    };
    (0..files).map(from).collect()
}

fn has_unsafe(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "unsafe",
        TokenTree::Group(group) => has_unsafe(group.stream()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

#[test]
fn arrows_go_one_way() {
    let files = code::workspace();
    assert!(files.len() > 100, "{} files", files.len());
    let offenses = offenses(&files);
    assert!(offenses.is_empty(), "\n{}\n", offenses.join("\n"));
}

/// The names of what a crate needs, tests aside.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = manifest.parse().unwrap();
    let targets = manifest.get("target").and_then(|value| value.as_table());
    let tables =
        targets.into_iter().flat_map(|targets| targets.values()).filter_map(|value| value.as_table());
    let tables = tables.chain([&manifest]).filter_map(|table| table.get("dependencies")?.as_table());
    tables.flat_map(|table| table.keys().cloned()).collect()
}

#[test]
fn the_library_draws_on_no_terminal_and_kernels_know_no_nets() {
    let read = |folder: &str| {
        let path = code::root().join("crates").join(folder).join("Cargo.toml");
        dependencies(&std::fs::read_to_string(path).unwrap())
    };
    let library = read("alexnet");
    let terminal: Vec<&str> = TERMINAL.iter().copied().filter(|name| library.contains(*name)).collect();
    assert!(terminal.is_empty(), "the library depends on {terminal:?}");
    assert!(library.contains("alexnet-kernels"));
    let kernels = read("kernels");
    assert!(
        kernels.contains("libc") && kernels.iter().all(|name| !name.starts_with("alexnet")),
        "{kernels:?}"
    );
}

/// A library with a file in each of its modules, and the kernels' geometry.
fn made_up(files: &[(&str, &str)]) -> Vec<File> {
    let mut all: BTreeMap<String, String> = ARROWS
        .iter()
        .map(|(module, _)| (format!("alexnet/{module}/mod.rs"), format!("pub struct In{module};")))
        .collect();
    let root: String = ARROWS.iter().map(|(module, _)| format!("pub mod {module};\n")).collect();
    all.insert("alexnet/lib.rs".into(), root + "pub use error::Inerror as Error;");
    all.insert("alexnet_kernels/lib.rs".into(), "pub mod conv; pub mod geometry;".into());
    all.insert("alexnet_kernels/conv.rs".into(), "pub fn run() {}".into());
    all.insert("alexnet_kernels/geometry.rs".into(), "pub struct Maps;".into());
    all.extend(files.iter().map(|(path, text)| (path.to_string(), text.to_string())));
    let parse = |(path, text): (&String, &String)| {
        let (package, path) = path.split_once('/').unwrap();
        File::parse(package, path, text)
    };
    code::without_tests(all.iter().map(parse).collect())
}

#[track_caller]
fn assert_offenses(files: &[(&str, &str)], expected: &[&str]) {
    let found = offenses(&made_up(files));
    assert_eq!(found.len(), expected.len(), "{files:?}: {found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{files:?}:\n{found}\nexpected\n{expected}");
    }
}

#[test]
fn forbidden_arrows_are_seen() {
    for text in [
        "use crate::train::Intrain;",
        "use crate::{Error, net::{Innet, Other}, train::Intrain as Other};",
        "fn f() -> crate::train::Intrain { todo!() }",
        "fn f() { vec![1, crate::train::f(2)]; }",
        "use super::train; fn f() { train::f() }",
        "use crate::train; fn f() { println!(\"{}\", train::f()) }",
        "#[derive(Serialize)] struct S { #[serde(with = \"crate::train::f\")] x: u8 }",
        "mod inner { use super::super::train::f; }",
        "pub(crate) use crate::train::Intrain as T; fn f(_: T) {}",
    ] {
        assert_offenses(
            &[("alexnet/engine/mod.rs", text)],
            &["alexnet/engine/mod.rs uses alexnet/train/mod.rs: `"],
        );
    }
    // By way of a name that another module passes on.
    assert_offenses(
        &[
            ("alexnet/net/mod.rs", "pub use crate::train::Intrain;"),
            ("alexnet/engine/mod.rs", "use crate::net::Intrain;"),
        ],
        &["alexnet/engine/mod.rs uses alexnet/train/mod.rs: `crate::net::Intrain`"],
    );
    for (path, text, offense) in [
        (
            "alexnet/net/mod.rs",
            "use alexnet_kernels::{conv::run, geometry::Maps};",
            "alexnet/net/mod.rs uses alexnet_kernels/conv.rs",
        ),
        ("alexnet/net/mod.rs", "use crate::files::Infiles;", "alexnet/net/mod.rs uses alexnet/files/mod.rs"),
        (
            "alexnet_kernels/conv.rs",
            "use alexnet::net::Innet;",
            "alexnet_kernels/conv.rs uses alexnet/net/mod.rs",
        ),
        ("alexnet/train/mod.rs", "fn f() { unsafe { g() } }", "alexnet/train/mod.rs: `unsafe`"),
        (
            "alexnet/train/mod.rs",
            "pub struct Intrain; mod inner { use super::*; }",
            "alexnet/train/mod.rs: `use super::*`",
        ),
        (
            "alexnet/net/mod.rs",
            "const A: &str = include_str!(\"../../a\"); const B: &[u8] = include_bytes!(concat!(\"../../../b/\", \"c\"));",
            "alexnet/net/mod.rs: includes `../../../b/`, which is outside of its package",
        ),
        ("alexnet/attic.rs", "", "module `attic` is not in the table of arrows"),
    ] {
        assert_offenses(&[(path, text)], &[offense]);
    }
    let mut files = made_up(&[]);
    files.retain(|file| file.folder() != "random");
    assert_eq!(offenses(&files), ["the table of arrows names `random`, which does not exist"]);
}

#[test]
fn circles_are_seen() {
    let module = ("alexnet/net/mod.rs", "pub mod a; pub mod b; pub use a::A; pub struct N;");
    for (a, b) in [
        ("use super::b::B; pub struct A;", "use super::a::A; pub struct B;"),
        // By names that the folder or the crate passes on.
        ("use super::b::B; pub struct A;", "use super::A; pub struct B;"),
        ("use super::b::B; pub struct A;", "use crate::net::A; pub struct B;"),
        ("use super::b; pub struct A; fn f() { b::f() }", "fn f() -> super::A { todo!() } pub struct B;"),
        // By a method: a.rs calls what b.rs implements.
        (
            "pub struct A; impl A { fn f(&self) { self.g() } }",
            "use super::A; pub struct B; impl A { pub(super) fn g(&self) {} }",
        ),
        (
            "pub struct A; impl A { fn f() { Self::g() } }",
            "use super::A; pub struct B; impl A { pub fn g() {} }",
        ),
        (
            "pub struct A; fn f(a: A) { println!(\"{}\", a.h()) }",
            "use super::A; pub struct B; impl A { pub fn h(&self) {} }",
        ),
        ("pub struct A; fn f() { A::g() }", "use super::A; pub struct B; impl A { pub fn g() {} }"),
    ] {
        assert_offenses(
            &[module, ("alexnet/net/a.rs", a), ("alexnet/net/b.rs", b)],
            &["a circle of 2 files\n"],
        );
    }
    // The folder's own file counts.
    let user = "pub mod a; mod b; pub use a::A; pub struct N; fn f(_: A) {}";
    assert_offenses(
        &[
            ("alexnet/net/mod.rs", user),
            ("alexnet/net/a.rs", "use super::N; pub struct A;"),
            ("alexnet/net/b.rs", ""),
        ],
        &["a circle of 2 files\n  alexnet/net/a.rs -> alexnet/net/mod.rs: `super::N`\n"],
    );
}

#[test]
fn allowed_arrows_pass() {
    for (path, text) in [
        ("alexnet/engine/mod.rs", "use crate::{Error, net::{Innet, Other}};\n// crate::train comes later\n"),
        ("alexnet/engine/mod.rs", "fn f() { let s = \"crate::train::f\"; let c = '\"'; }"),
        ("alexnet/engine/mod.rs", "/// [`crate::train::Intrain`]\npub struct E;"),
        ("alexnet/engine/mod.rs", "#[cfg(test)] mod tests { use super::*; use crate::train::Intrain; }"),
        ("alexnet/engine/mod.rs", "#[cfg(all(test, unix))] use crate::train::Intrain;"),
        ("alexnet/engine/mod.rs", "pub use crate::train::Intrain;"),
        ("alexnet/net/mod.rs", "use alexnet_kernels::geometry::Maps; /* unsafe */ use crate::Error;"),
        (
            "alexnet/train/mod.rs",
            "#![forbid(unsafe_code)] use crate::{engine, data, net}; use rayon::prelude::*;",
        ),
        ("cli/main.rs", "mod train; use alexnet::train::Intrain; use alexnet_kernels::conv::run;"),
    ] {
        assert_offenses(&[(path, text)], &[]);
    }
    // A private method of the same name is another type's for sure.
    let module = ("alexnet/net/mod.rs", "pub mod a; mod b; pub struct Innet;");
    let caller = ("alexnet/net/a.rs", "pub struct A; pub fn f(x: &[u8], _: A) { x.g() }");
    assert_offenses(
        &[module, caller, ("alexnet/net/b.rs", "use super::a::A; impl A { fn g(&self) {} }")],
        &[],
    );
    // The tests of a module, in a file of their own.
    assert_offenses(
        &[
            ("alexnet/net/mod.rs", "#[cfg(test)] mod tests;"),
            ("alexnet/net/tests.rs", "use super::*; use crate::train::Intrain; fn f() { unsafe {} }"),
        ],
        &[],
    );
}

#[test]
fn dependencies_of_every_kind_are_seen() {
    let manifest = "[dependencies]\na = \"1\"\n[dev-dependencies]\nb = \"1\"\n\
                    [target.'cfg(unix)'.dependencies]\nc = { version = \"1\", optional = true }";
    assert_eq!(dependencies(manifest), BTreeSet::from(["a".to_string(), "c".to_string()]));
}
