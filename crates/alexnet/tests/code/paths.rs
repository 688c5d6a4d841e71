//! The names that a file uses: imports, paths in code, in macros and in attributes, and methods.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::{attributes, is_test};

/// `use a::b as c;`, one for each name in braces.
pub(crate) struct Import {
    /// `["a", "b"]`; a leading `::` is an empty first part.
    pub(crate) path: Vec<String>,
    /// The name that it gives to the module; `None` for a glob.
    pub(crate) name: Option<String>,
    /// Whether it is a re-export: `pub use` or `pub(crate) use`.
    pub(crate) is_export: bool,
    /// Whether it is part of the public interface: `pub use`.
    pub(crate) is_public: bool,
}

/// What the code of one module uses.
#[derive(Default)]
pub(crate) struct Uses {
    /// The module: that of the file, or one in it.
    pub(crate) module: Vec<String>,
    pub(crate) imports: Vec<Import>,
    /// Paths in code.
    pub(crate) paths: Vec<Vec<String>>,
    /// Methods called on values, by name.
    pub(crate) methods: BTreeSet<String>,
    /// Functions called by `Self::`.
    pub(crate) own_functions: BTreeSet<String>,
}

/// What `file` uses, outside of tests: the file's module first, then those inside it.
pub(crate) fn uses(module: &[String], file: &syn::File) -> Vec<Uses> {
    let mut visitor = Visitor { done: Vec::new(), current: vec![Uses::of(module)] };
    visitor.visit_file(file);
    visitor.done.extend(visitor.current);
    visitor.done.reverse();
    visitor.done
}

impl Uses {
    fn of(module: &[String]) -> Self {
        Self { module: module.to_vec(), ..Self::default() }
    }
}

struct Visitor {
    done: Vec<Uses>,
    current: Vec<Uses>,
}

impl Visitor {
    fn now(&mut self) -> &mut Uses {
        self.current.last_mut().expect("the file's own module")
    }

    fn tree(&mut self, before: &[String], tree: &syn::UseTree, is_export: bool, is_public: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree, is_export, is_public),
            syn::UseTree::Group(group) => {
                group.items.iter().for_each(|tree| self.tree(before, tree, is_export, is_public));
            }
            syn::UseTree::Glob(_) => {
                self.now().imports.push(Import { path: before.to_vec(), name: None, is_export, is_public });
            }
            syn::UseTree::Name(name) if name.ident == "self" => {
                let name = before.last().cloned();
                self.now().imports.push(Import { path: before.to_vec(), name, is_export, is_public });
            }
            syn::UseTree::Name(name) => {
                let import = Import {
                    path: with(&name.ident),
                    name: Some(name.ident.to_string()),
                    is_export,
                    is_public,
                };
                self.now().imports.push(import);
            }
            syn::UseTree::Rename(name) => {
                let path = if name.ident == "self" { before.to_vec() } else { with(&name.ident) };
                let name = Some(name.rename.to_string());
                self.now().imports.push(Import { path, name, is_export, is_public });
            }
        }
    }
}

/// The parts of a path; a leading `::` is an empty first part.
pub(crate) fn parts(path: &syn::Path) -> Vec<String> {
    let root = path.leading_colon.map(|_| String::new());
    root.into_iter().chain(path.segments.iter().map(|part| part.ident.to_string())).collect()
}

impl<'ast> Visit<'ast> for Visitor {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if is_test(attributes(item)) {
            return;
        }
        match item {
            syn::Item::Use(item) => {
                let root = item.leading_colon.map(|_| String::new());
                let is_export = !matches!(item.vis, syn::Visibility::Inherited);
                let is_public = matches!(item.vis, syn::Visibility::Public(_));
                self.tree(&Vec::from_iter(root), &item.tree, is_export, is_public);
            }
            syn::Item::Mod(item) if item.content.is_some() => {
                let mut module = self.now().module.clone();
                module.push(item.ident.to_string());
                self.current.push(Uses::of(&module));
                visit::visit_item_mod(self, item);
                let uses = self.current.pop().expect("pushed above");
                self.done.push(uses);
            }
            item => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        let attributes = match item {
            syn::ImplItem::Fn(item) => &item.attrs,
            syn::ImplItem::Const(item) => &item.attrs,
            _ => return visit::visit_impl_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let path_parts = parts(path);
        if let [own, method, ..] = path_parts.as_slice()
            && own == "Self"
        {
            self.now().own_functions.insert(method.clone());
        }
        self.now().paths.push(path_parts);
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.now().methods.insert(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, code: &'ast syn::Macro) {
        self.now().paths.push(parts(&code.path));
        in_tokens(code.tokens.clone(), self.now());
    }

    /// Paths that stand in strings, as in `#[serde(with = "crate::files::json::path")]`.
    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            in_tokens(list.tokens.clone(), self.now());
            in_strings(list.tokens.clone(), &mut self.now().paths);
        }
    }
}

/// Paths among the tokens of a macro, and what stands behind a dot: methods, or fields.
fn in_tokens(tokens: TokenStream, uses: &mut Uses) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == c);
    let colons = |at: usize| is(at, ':') && is(at + 1, ':');
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        // `a.b`, and not `..b`.
        let follows_dot = at > 0 && is(at - 1, '.') && !(at > 1 && is(at - 2, '.'));
        match token {
            TokenTree::Group(group) => in_tokens(group.stream(), uses),
            TokenTree::Ident(name) if follows_dot => {
                uses.methods.insert(name.to_string());
            }
            TokenTree::Ident(first) => {
                let mut path = vec![first.to_string()];
                while colons(at + 1) {
                    let Some(TokenTree::Ident(next)) = tokens.get(at + 3) else { break };
                    path.push(next.to_string());
                    at += 3;
                }
                if let [own, method, ..] = path.as_slice()
                    && own == "Self"
                {
                    uses.own_functions.insert(method.clone());
                }
                uses.paths.push(path);
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        at += 1;
    }
}

/// Strings among the tokens of an attribute that are paths.
fn in_strings(tokens: TokenStream, found: &mut Vec<Vec<String>>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => in_strings(group.stream(), found),
            TokenTree::Literal(literal) => {
                if let syn::Lit::Str(text) = syn::Lit::new(literal)
                    && let Ok(path) = text.parse::<syn::Path>()
                {
                    found.push(parts(&path));
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}
