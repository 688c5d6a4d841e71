//! The source code of the workspace as data, for the tests that check it.
#![allow(dead_code)]

pub(crate) mod paths;
pub(crate) mod scope;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use quote::ToTokens;

/// One source file, parsed.
pub(crate) struct File {
    /// The crate's name in paths: `alexnet`, `alexnet_kernels`, `cli`.
    pub(crate) package: String,
    /// Its path below the crate's `src/`, with forward slashes: `net/recipe.rs`.
    pub(crate) path: String,
    /// The module it defines: `["net", "recipe"]`.
    pub(crate) module: Vec<String>,
    pub(crate) text: String,
    pub(crate) syntax: syn::File,
}

impl File {
    pub(crate) fn parse(package: &str, path: &str, text: &str) -> Self {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{package}/{path}: {error}"));
        Self { package: package.into(), path: path.into(), module: module(path), text: text.into(), syntax }
    }

    /// `alexnet/net/recipe.rs`.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.package, self.path)
    }

    /// The first part of its path: `net`, `error`, or `lib` for the crate's root.
    pub(crate) fn folder(&self) -> &str {
        let first = self.path.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }
}

/// The crates whose sources are checked: names in paths, and folders of the workspace.
const CRATES: [(&str, &str); 6] = [
    ("alexnet_kernels", "crates/kernels/src"),
    ("alexnet_images", "crates/images/src"),
    ("alexnet", "crates/alexnet/src"),
    ("alexnet_mpi", "crates/mpi/src"),
    ("cli", "crates/cli/src"),
    ("python", "python/src"),
];

/// The folder that holds the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files of these crates that are compiled outside of tests.
pub(crate) fn workspace() -> Vec<File> {
    let mut files = Vec::new();
    for (package, folder) in CRATES {
        let folder = root().join(folder);
        for path in sources(&folder) {
            let text = std::fs::read_to_string(&path).unwrap();
            let inside = path.strip_prefix(&folder).unwrap().to_str().unwrap().replace('\\', "/");
            files.push(File::parse(package, &inside, &text));
        }
    }
    without_tests(files)
}

/// Every `.rs` file below `folder`, sorted.
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

/// Leaves out the files of modules that are declared for tests only.
pub(crate) fn without_tests(files: Vec<File>) -> Vec<File> {
    let mut tests = BTreeSet::new();
    for file in &files {
        for item in &file.syntax.items {
            if let syn::Item::Mod(item) = item
                && is_test(&item.attrs)
            {
                let mut module = file.module.clone();
                module.push(item.ident.to_string());
                tests.insert((file.package.clone(), module));
            }
        }
    }
    let is_test = |file: &File| {
        tests.iter().any(|(package, module)| *package == file.package && file.module.starts_with(module))
    };
    files.into_iter().filter(|file| !is_test(file)).collect()
}

/// The module that the file at `path` below `src/` defines.
fn module(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = path.trim_end_matches(".rs").split('/').map(String::from).collect();
    match parts.last().map(String::as_str) {
        Some("mod") => drop(parts.pop()),
        Some("lib" | "main") if parts.len() == 1 => parts.clear(),
        _ => {}
    }
    parts
}

/// Whether attributes limit an item to tests.
pub(crate) fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let tokens = match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("cfg") => list.tokens.to_token_stream().to_string(),
            meta => return meta.path().is_ident("test"),
        };
        tokens == "test" || tokens.replace(' ', "").starts_with("all(test,")
    })
}

/// The attributes of any item.
pub(crate) fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    match item {
        syn::Item::Const(item) => &item.attrs,
        syn::Item::Enum(item) => &item.attrs,
        syn::Item::ExternCrate(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::ForeignMod(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        syn::Item::Macro(item) => &item.attrs,
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Static(item) => &item.attrs,
        syn::Item::Struct(item) => &item.attrs,
        syn::Item::Trait(item) => &item.attrs,
        syn::Item::TraitAlias(item) => &item.attrs,
        syn::Item::Type(item) => &item.attrs,
        syn::Item::Union(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Compares `text` with the committed file `name` next to the tests, or rewrites that file when `UPDATE_SNAPSHOTS` is set.
///
/// # Panics
/// Panics when they differ, with the lines that do and the command that accepts them.
#[track_caller]
pub(crate) fn compare_snapshot(test: &str, name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    if committed == text {
        return;
    }
    let mut changes = String::new();
    for change in
        similar::TextDiff::from_lines(committed.as_str(), text).unified_diff().context_radius(2).iter_hunks()
    {
        changes += &change.to_string();
    }
    panic!(
        "tests/{name} differs from the sources:\n{changes}\n\
         to accept: UPDATE_SNAPSHOTS=1 cargo test -p alexnet --test {test}"
    );
}
