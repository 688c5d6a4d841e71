//! The public interface of the library, in one list: `public-interface.txt`. A change of the interface shows there.

mod code;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use code::scope::{Place, Scopes, Type};
use code::{File, attributes, is_test};

/// Everything that users of the crate can name, module by module.
struct Interface<'a> {
    files: &'a [File],
    scopes: Scopes,
    /// Blocks that implement something for a type: the path of the file, then the block.
    blocks: BTreeMap<Type, Vec<&'a syn::ItemImpl>>,
    modules: BTreeMap<String, Vec<syn::Item>>,
    /// The modules that define types with a name.
    types: BTreeMap<String, BTreeSet<Place>>,
}

impl<'a> Interface<'a> {
    fn of(package: &str, files: &'a [File]) -> Self {
        let scopes = Scopes::new(files);
        let (blocks, modules, types) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut interface = Self { files, scopes, blocks, modules, types };
        for file in files.iter().filter(|file| file.package == package) {
            interface.find_blocks(&(package.into(), file.module.clone()), &file.syntax.items);
        }
        interface.add_module(&(package.into(), Vec::new()));
        interface
    }

    fn find_blocks(&mut self, place: &Place, items: &'a [syn::Item]) {
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            match item {
                syn::Item::Mod(item) => {
                    if let Some((_, items)) = &item.content {
                        let inner = [&place.1[..], &[item.ident.to_string()]].concat();
                        self.find_blocks(&(place.0.clone(), inner), items);
                    }
                }
                syn::Item::Impl(block) => {
                    if let syn::Type::Path(own) = &*block.self_ty
                        && let Some((_, own)) = self.scopes.item(place, &code::paths::parts(&own.path))
                    {
                        self.blocks.entry(own).or_default().push(block);
                    }
                }
                _ => {}
            }
        }
    }

    /// Lists the public items of a module and of the public modules in it.
    fn add_module(&mut self, place: &Place) {
        let Some((index, items)) = self.items(place) else { return };
        let mut listed = Vec::new();
        for item in items.iter().filter(|item| !is_test(attributes(item)) && is_public(item)) {
            match item {
                syn::Item::Mod(item) => {
                    let inner = [&place.1[..], &[item.ident.to_string()]].concat();
                    self.add_module(&(place.0.clone(), inner));
                }
                syn::Item::Use(_) => {}
                item => self.add_item(place, item, &mut listed),
            }
        }
        for (name, path) in self.scopes.public_imports(index, place) {
            let Some((_, (home, defined))) = self.scopes.item(place, &path) else { continue };
            let Some((_, items)) = self.items(&home) else { continue };
            for item in items.iter().filter(|item| name_of(item).is_some_and(|name| name == defined)) {
                let mut item = item.clone();
                rename(&mut item, &name);
                self.add_item(&home, &item, &mut listed);
            }
        }
        self.modules.insert([std::slice::from_ref(&place.0), &place.1[..]].concat().join("::"), listed);
    }

    /// The items of a module, and the file they are in.
    fn items(&self, place: &Place) -> Option<(usize, &'a [syn::Item])> {
        let files = self.files;
        for (index, file) in files.iter().enumerate().filter(|(_, file)| file.package == place.0) {
            let Some(inner) = place.1.strip_prefix(&file.module[..]) else { continue };
            let mut items = Some(&file.syntax.items[..]);
            for name in inner {
                items = items.and_then(|items| {
                    items.iter().find_map(|item| match item {
                        syn::Item::Mod(item) if item.ident == name => Some(&item.content.as_ref()?.1[..]),
                        _ => None,
                    })
                });
            }
            if let Some(items) = items {
                return Some((index, items));
            }
        }
        None
    }

    fn add_item(&mut self, home: &Place, item: &syn::Item, listed: &mut Vec<syn::Item>) {
        if let (syn::Item::Struct(_) | syn::Item::Enum(_) | syn::Item::Trait(_), Some(name)) =
            (item, name_of(item))
        {
            self.types.entry(name).or_default().insert(home.clone());
        }
        let blocks = name_of(item).and_then(|name| self.blocks.get(&(home.clone(), name)));
        listed.push(signature(item.clone()));
        for block in blocks.into_iter().flatten() {
            let mut block = (*block).clone();
            let of_trait = block.trait_.is_some();
            block.attrs.clear();
            block.items.retain_mut(|item| match item {
                syn::ImplItem::Fn(item) => {
                    item.attrs.clear();
                    item.block.stmts.clear();
                    !of_trait && matches!(item.vis, syn::Visibility::Public(_))
                }
                syn::ImplItem::Const(item) => {
                    item.attrs.clear();
                    !of_trait && matches!(item.vis, syn::Visibility::Public(_))
                }
                _ => false,
            });
            if of_trait || !block.items.is_empty() {
                listed.push(syn::Item::Impl(block));
            }
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        for (module, items) in &self.modules {
            if items.is_empty() {
                continue;
            }
            let file = syn::File { shebang: None, attrs: Vec::new(), items: items.clone() };
            let text = prettyplease::unparse(&file);
            let _ = write!(out, "{}// {module}\n\n", if out.is_empty() { "" } else { "\n" });
            out.extend(text.lines().map(|line| match line.strip_suffix(" {}") {
                Some(signature) if signature.contains("fn ") || signature.trim_start().starts_with(')') => {
                    format!("{signature};\n")
                }
                _ => format!("{line}\n"),
            }));
        }
        out
    }
}

fn name_of(item: &syn::Item) -> Option<String> {
    Some(match item {
        syn::Item::Const(item) => item.ident.to_string(),
        syn::Item::Enum(item) => item.ident.to_string(),
        syn::Item::Fn(item) => item.sig.ident.to_string(),
        syn::Item::Static(item) => item.ident.to_string(),
        syn::Item::Struct(item) => item.ident.to_string(),
        syn::Item::Trait(item) => item.ident.to_string(),
        syn::Item::Type(item) => item.ident.to_string(),
        _ => return None,
    })
}

fn rename(item: &mut syn::Item, name: &str) {
    let name = syn::Ident::new(name, proc_macro2::Span::call_site());
    match item {
        syn::Item::Const(item) => item.ident = name,
        syn::Item::Enum(item) => item.ident = name,
        syn::Item::Fn(item) => item.sig.ident = name,
        syn::Item::Static(item) => item.ident = name,
        syn::Item::Struct(item) => item.ident = name,
        syn::Item::Trait(item) => item.ident = name,
        syn::Item::Type(item) => item.ident = name,
        _ => {}
    }
}

fn is_public(item: &syn::Item) -> bool {
    let visibility = match item {
        syn::Item::Const(item) => &item.vis,
        syn::Item::Enum(item) => &item.vis,
        syn::Item::Fn(item) => &item.vis,
        syn::Item::Mod(item) => &item.vis,
        syn::Item::Static(item) => &item.vis,
        syn::Item::Struct(item) => &item.vis,
        syn::Item::Trait(item) => &item.vis,
        syn::Item::Type(item) => &item.vis,
        syn::Item::Use(item) => &item.vis,
        _ => return false,
    };
    matches!(visibility, syn::Visibility::Public(_))
}

/// Keeps of attributes what users can rely on.
fn strip(attributes: &mut Vec<syn::Attribute>) {
    attributes.retain(|attribute| {
        ["derive", "non_exhaustive", "must_use"].iter().any(|name| attribute.path().is_ident(name))
    });
}

/// The item without bodies, comments and private fields.
fn signature(mut item: syn::Item) -> syn::Item {
    match &mut item {
        syn::Item::Const(item) => strip(&mut item.attrs),
        syn::Item::Enum(item) => {
            strip(&mut item.attrs);
            for variant in &mut item.variants {
                variant.attrs.clear();
                variant.fields.iter_mut().for_each(|field| field.attrs.clear());
            }
        }
        syn::Item::Fn(item) => {
            strip(&mut item.attrs);
            item.block.stmts.clear();
        }
        syn::Item::Static(item) => strip(&mut item.attrs),
        syn::Item::Struct(item) => {
            strip(&mut item.attrs);
            if let syn::Fields::Named(fields) = &mut item.fields {
                let public =
                    fields.named.iter().filter(|field| matches!(field.vis, syn::Visibility::Public(_)));
                fields.named = public.cloned().collect();
            }
            item.fields.iter_mut().for_each(|field| field.attrs.clear());
        }
        syn::Item::Trait(item) => {
            strip(&mut item.attrs);
            for item in &mut item.items {
                if let syn::TraitItem::Fn(item) = item {
                    item.attrs.clear();
                    item.default = None;
                    item.semi_token = Some(Default::default());
                }
            }
        }
        syn::Item::Type(item) => strip(&mut item.attrs),
        _ => {}
    }
    item
}

#[test]
fn the_interface_is_that_in_the_list() {
    let files = code::workspace();
    let text = Interface::of("alexnet", &files).text();
    code::compare_snapshot("public_interface", "public-interface.txt", &text);
}

/// Types that users can name have unique names.
#[test]
fn one_name_is_one_type() {
    let files = code::workspace();
    let interface = Interface::of("alexnet", &files);
    let twice: Vec<&str> =
        interface.types.iter().filter(|(_, homes)| homes.len() > 1).map(|(name, _)| name.as_str()).collect();
    assert_eq!(twice, KNOWN_TWICE, "public types that share a name");
}

/// Names that two public types share. The list only shrinks.
const KNOWN_TWICE: &[&str] = &[];

#[test]
fn the_interface_is_what_users_can_name() {
    let files = [
        (
            "lib.rs",
            "pub mod a; mod b; pub use b::{B, hidden as shown}; pub(crate) use b::C; pub fn f() -> u8 { 1 }",
        ),
        (
            "a.rs",
            "/// Doc.\n#[derive(Clone)] pub struct A { pub x: u8, y: u8 } impl A { pub fn new(x: u8) -> Self { A { x, y: 0 } } fn own(&self) {} }",
        ),
        (
            "b.rs",
            "pub struct B; pub struct C; impl Drop for B { fn drop(&mut self) {} } pub fn hidden() {} pub trait T { fn f(&self) {} }",
        ),
    ];
    let files: Vec<File> = files.iter().map(|(path, text)| File::parse("made_up", path, text)).collect();
    let text = Interface::of("made_up", &files).text();
    assert_eq!(
        text,
        "// made_up\n\npub fn f() -> u8;\npub struct B;\nimpl Drop for B {}\npub fn shown();\n\n\
         // made_up::a\n\n#[derive(Clone)]\npub struct A {\n    pub x: u8,\n}\n\
         impl A {\n    pub fn new(x: u8) -> Self;\n}\n"
    );
}
