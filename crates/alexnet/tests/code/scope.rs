//! Which file defines the thing that a path names.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{Uses, parts, uses};
use super::{File, attributes, is_test};

/// A module: its crate, then its path in the crate.
pub(crate) type Place = (String, Vec<String>);

/// A type: the module that defines it, and its name.
pub(crate) type Type = (Place, String);

/// What a name in a module means.
#[derive(Clone, Debug, PartialEq)]
enum Meaning {
    /// An item of this file.
    Item(usize),
    /// A module.
    Module(Place),
    /// Another name, to be looked up from the module.
    Import(Vec<String>),
}

/// What a path leads to.
enum Target {
    /// An item, the file that defines it, and the parts of the path behind it.
    Item {
        file: usize,
        item: Type,
        rest: Vec<String>,
    },
    Module(Place),
}

#[derive(Default)]
struct Module {
    /// Several where a module, a function or a macro share a name.
    names: BTreeMap<String, Vec<Meaning>>,
    /// Imports with `*`.
    globs: Vec<Vec<String>>,
    /// The file that holds it.
    file: usize,
}

/// A function or constant of a type.
struct Method {
    /// Whether it is called on a value.
    has_receiver: bool,
    /// Whether only its module and those inside it can use it.
    is_private: bool,
}

/// An arrow from file to file, and the path that draws it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Arrow {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) path: String,
}

/// The names of all modules of the workspace.
pub(crate) struct Scopes {
    modules: BTreeMap<Place, Module>,
    /// Files that implement a function or constant of a type.
    methods: BTreeMap<(Type, String), BTreeMap<usize, Method>>,
    uses: Vec<Vec<Uses>>,
}

/// Longest chain of re-exports that is followed.
const MOST_IMPORTS: usize = 16;

impl Scopes {
    pub(crate) fn new(files: &[File]) -> Self {
        let uses: Vec<Vec<Uses>> = files.iter().map(|file| uses(&file.module, &file.syntax)).collect();
        let mut scopes = Self { modules: BTreeMap::new(), methods: BTreeMap::new(), uses };
        for (index, file) in files.iter().enumerate() {
            scopes.define(index, (file.package.clone(), file.module.clone()), &file.syntax.items);
        }
        for (index, file) in files.iter().enumerate() {
            for uses in &scopes.uses[index] {
                let module = scopes.modules.entry((file.package.clone(), uses.module.clone())).or_default();
                for import in &uses.imports {
                    match &import.name {
                        // An import in a function is a name of that function alone: close enough.
                        Some(name) => {
                            let meaning = Meaning::Import(import.path.clone());
                            module.names.entry(name.clone()).or_default().push(meaning);
                        }
                        None => module.globs.push(import.path.clone()),
                    }
                }
            }
        }
        for (index, file) in files.iter().enumerate() {
            scopes.implement(index, (file.package.clone(), file.module.clone()), &file.syntax.items);
        }
        scopes
    }

    /// Enters the items of a module.
    fn define(&mut self, file: usize, place: Place, items: &[syn::Item]) {
        let mut names: BTreeMap<String, Vec<Meaning>> = BTreeMap::new();
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            let (name, meaning) = match item {
                syn::Item::Const(item) => (&item.ident, Meaning::Item(file)),
                syn::Item::Enum(item) => (&item.ident, Meaning::Item(file)),
                syn::Item::Fn(item) => (&item.sig.ident, Meaning::Item(file)),
                syn::Item::Static(item) => (&item.ident, Meaning::Item(file)),
                syn::Item::Struct(item) => (&item.ident, Meaning::Item(file)),
                syn::Item::Trait(item) => (&item.ident, Meaning::Item(file)),
                syn::Item::Type(item) => (&item.ident, Meaning::Item(file)),
                syn::Item::Union(item) => (&item.ident, Meaning::Item(file)),
                syn::Item::Macro(item) => match &item.ident {
                    Some(name) => (name, Meaning::Item(file)),
                    None => continue,
                },
                syn::Item::Mod(item) => {
                    let inner: Place = (place.0.clone(), [&place.1[..], &[item.ident.to_string()]].concat());
                    if let Some((_, items)) = &item.content {
                        self.define(file, inner.clone(), items);
                    }
                    (&item.ident, Meaning::Module(inner))
                }
                _ => continue,
            };
            names.entry(name.to_string()).or_default().push(meaning);
        }
        let module = self.modules.entry(place).or_default();
        module.file = file;
        module.names.extend(names);
    }

    /// Enters the methods of types.
    fn implement(&mut self, file: usize, place: Place, items: &[syn::Item]) {
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            match item {
                syn::Item::Mod(item) => {
                    if let Some((_, items)) = &item.content {
                        let inner = [&place.1[..], &[item.ident.to_string()]].concat();
                        self.implement(file, (place.0.clone(), inner), items);
                    }
                }
                syn::Item::Impl(block) if block.trait_.is_none() => {
                    let syn::Type::Path(path) = &*block.self_ty else { continue };
                    let Some(Target::Item { item: owner, .. }) = self.resolve(&place, &parts(&path.path))
                    else {
                        continue;
                    };
                    for item in &block.items {
                        let (name, visibility, has_receiver) = match item {
                            syn::ImplItem::Fn(item) => {
                                (&item.sig.ident, &item.vis, item.sig.receiver().is_some())
                            }
                            syn::ImplItem::Const(item) => (&item.ident, &item.vis, false),
                            _ => continue,
                        };
                        let methods = self.methods.entry((owner.clone(), name.to_string())).or_default();
                        let is_private = matches!(visibility, syn::Visibility::Inherited);
                        methods.insert(file, Method { has_receiver, is_private });
                    }
                }
                _ => {}
            }
        }
    }

    /// What the path `parts` means in the module at `place`; `None` where it leaves the workspace.
    fn resolve(&self, place: &Place, parts: &[String]) -> Option<Target> {
        self.resolve_within(place, parts, MOST_IMPORTS)
    }

    fn resolve_within(&self, place: &Place, parts: &[String], imports: usize) -> Option<Target> {
        let imports = imports.checked_sub(1)?;
        let (first, rest) = parts.split_first()?;
        let root = |name: &str| (name.to_string(), Vec::new());
        match first.as_str() {
            "crate" => self.walk(root(&place.0), rest, imports),
            "self" => self.walk(place.clone(), rest, imports),
            "super" => {
                let (_, above) = place.1.split_last()?;
                let above = (place.0.clone(), above.to_vec());
                match rest.first().map(String::as_str) {
                    Some("super") => self.resolve_within(&above, rest, imports),
                    _ => self.walk(above, rest, imports),
                }
            }
            "" => self.outside(rest, imports),
            _ => self.lookup(place, parts, imports).or_else(|| self.outside(parts, imports)),
        }
    }

    /// Returns the item that a path names, with the file that defines it.
    pub(crate) fn item(&self, place: &Place, path: &[String]) -> Option<(usize, Type)> {
        match self.resolve(place, path)? {
            Target::Item { file, item, rest } if rest.is_empty() => Some((file, item)),
            Target::Item { .. } | Target::Module(_) => None,
        }
    }

    /// Returns the names that the module at `place` of `file` re-exports publicly, with the paths they stand for.
    pub(crate) fn public_imports(&self, file: usize, place: &Place) -> Vec<(String, Vec<String>)> {
        let uses = self.uses[file].iter().filter(|uses| uses.module == place.1);
        let imports = uses.flat_map(|uses| &uses.imports).filter(|import| import.is_public);
        imports.filter_map(|import| Some((import.name.clone()?, import.path.clone()))).collect()
    }

    /// A path that begins with the name of another crate.
    fn outside(&self, parts: &[String], imports: usize) -> Option<Target> {
        let (first, rest) = parts.split_first()?;
        let root = (first.clone(), Vec::new());
        (first != "cli" && self.modules.contains_key(&root)).then(|| self.walk(root, rest, imports))?
    }

    /// A path from inside the module at `place`. A name that the module does not show, as one that a macro makes, is its
    /// file's.
    fn walk(&self, place: Place, parts: &[String], imports: usize) -> Option<Target> {
        let Some((first, rest)) = parts.split_first() else { return Some(Target::Module(place)) };
        self.lookup(&place, parts, imports).or_else(|| {
            let file = self.modules.get(&place)?.file;
            Some(Target::Item { file, item: (place, first.clone()), rest: rest.to_vec() })
        })
    }

    /// A path whose first part is a name of the module at `place`.
    fn lookup(&self, place: &Place, parts: &[String], imports: usize) -> Option<Target> {
        let module = self.modules.get(place)?;
        let (first, rest) = parts.split_first()?;
        let mut meanings: Vec<&Meaning> = module.names.get(first).into_iter().flatten().collect();
        // A longer path means the module; one that ends here means the item.
        meanings.sort_by_key(|meaning| matches!(meaning, Meaning::Module(_)) == rest.is_empty());
        let found = meanings.into_iter().find_map(|meaning| match meaning {
            Meaning::Item(file) => {
                Some(Target::Item { file: *file, item: (place.clone(), first.clone()), rest: rest.to_vec() })
            }
            Meaning::Module(inner) => self.walk(inner.clone(), rest, imports),
            Meaning::Import(path) => self.resolve_within(place, &[path.as_slice(), rest].concat(), imports),
        });
        found.or_else(|| {
            module.globs.iter().find_map(|glob| match self.resolve_within(place, glob, imports)? {
                Target::Module(inner) if inner != *place => {
                    self.lookup(&inner, parts, imports.checked_sub(1)?)
                }
                _ => None,
            })
        })
    }

    /// All arrows between files. A re-export draws none: who uses it reaches the file behind it. Types of values are not
    /// known: a method call draws an arrow where the file names a type that has such a method.
    pub(crate) fn arrows(&self, files: &[File]) -> BTreeSet<Arrow> {
        let mut arrows = BTreeSet::new();
        for (from, file) in files.iter().enumerate() {
            let mut draw = |to: usize, path: String| {
                if to != from {
                    arrows.insert(Arrow { from, to, path });
                }
            };
            let mut named = BTreeMap::new();
            for uses in &self.uses[from] {
                let place = (file.package.clone(), uses.module.clone());
                let imports = uses.imports.iter().filter(|import| !import.is_export);
                for path in uses.paths.iter().chain(imports.map(|import| &import.path)) {
                    if let Some(Target::Item { file, item, rest }) = self.resolve(&place, path) {
                        draw(file, path.join("::"));
                        if let Some(method) = rest.first() {
                            self.implementing(&item, method).for_each(|to| draw(to, path.join("::")));
                        }
                        named.insert(item, path);
                    }
                }
            }
            for uses in &self.uses[from] {
                let calls = uses.methods.iter().map(|method| (method, true));
                for (method, by_value) in calls.chain(uses.own_functions.iter().map(|name| (name, false))) {
                    for (item, path) in &named {
                        let found = self.methods.get(&(item.clone(), method.clone())).into_iter().flatten();
                        found
                            .filter(|(to, method)| {
                                let sees = !method.is_private || file.module.starts_with(&files[**to].module);
                                sees && (method.has_receiver || !by_value)
                            })
                            .for_each(|(&to, _)| draw(to, format!("{}::{method}", path.join("::"))));
                    }
                }
            }
        }
        arrows
    }

    /// The files that implement a function of a type.
    fn implementing(&self, item: &Type, name: &str) -> impl Iterator<Item = usize> {
        self.methods.get(&(item.clone(), name.to_owned())).into_iter().flat_map(BTreeMap::keys).copied()
    }

    /// Modules of the workspace that files import all names of.
    pub(crate) fn globs(&self, files: &[File]) -> Vec<(usize, String)> {
        let mut out = Vec::new();
        for (index, file) in files.iter().enumerate() {
            for uses in &self.uses[index] {
                let place = (file.package.clone(), uses.module.clone());
                for import in uses.imports.iter().filter(|import| import.name.is_none()) {
                    if matches!(self.resolve(&place, &import.path), Some(Target::Module(_))) {
                        out.push((index, import.path.join("::")));
                    }
                }
            }
        }
        out
    }
}
