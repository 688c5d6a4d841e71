//! All messages of the library and the program, in one list: `messages.txt`. A change of a message shows there.

mod code;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use alexnet::error::Kind;
use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use code::{File, attributes, is_test};

/// Macros whose texts only a developer or the assembler sees.
const INTERNAL: &[&str] = &[
    "asm",
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "kernel",
    "panic",
    "todo",
    "unimplemented",
    "unreachable",
];

/// Collects the string literals of a file with at least two words, outside of tests, attributes and panics.
#[derive(Default)]
struct Messages {
    found: BTreeSet<String>,
}

impl Messages {
    fn of(file: &File) -> BTreeSet<String> {
        let mut messages = Self::default();
        messages.visit_file(&file.syntax);
        messages.found
    }

    fn add(&mut self, text: &str) {
        if words(text) >= 2 {
            self.found.insert(text.to_owned());
        }
    }

    fn add_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.add_tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let syn::Lit::Str(text) = syn::Lit::new(literal) {
                        self.add(&text.value());
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Messages {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}

    fn visit_lit_str(&mut self, text: &'ast syn::LitStr) {
        self.add(&text.value());
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "expect" || call.method == "expect_err" {
            self.visit_expr(&call.receiver);
        } else {
            visit::visit_expr_method_call(self, call);
        }
    }

    fn visit_macro(&mut self, code: &'ast syn::Macro) {
        let name = code.path.segments.last().map(|part| part.ident.to_string()).unwrap_or_default();
        if !INTERNAL.contains(&name.as_str()) {
            self.add_tokens(code.tokens.clone());
        }
    }
}

/// Counts the words of a text, without the values in `{}`.
fn words(text: &str) -> usize {
    let mut depth = 0;
    let plain: String = text
        .chars()
        .map(|c| match c {
            '{' => {
                depth += 1;
                ' '
            }
            '}' => {
                depth -= 1;
                ' '
            }
            c if depth == 0 => c,
            _ => ' ',
        })
        .collect();
    plain.split_whitespace().filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() >= 2).count()
}

/// Describes each kind of error with its exit code.
fn kinds() -> String {
    let kinds = [
        Kind::Runtime,
        Kind::Usage,
        Kind::Data,
        Kind::Model,
        Kind::Diverged,
        Kind::Interrupted(2),
        Kind::Interrupted(15),
    ];
    let mut out = String::new();
    for kind in kinds {
        // Matched in full, so that a new kind is added to the list.
        match kind {
            Kind::Runtime
            | Kind::Usage
            | Kind::Data
            | Kind::Model
            | Kind::Diverged
            | Kind::Interrupted(_) => {}
        }
        let _ = writeln!(out, "{:>3}  {kind:?}", kind.exit_code());
    }
    out
}

#[test]
fn messages_are_those_in_the_list() {
    let mut by_file = BTreeMap::new();
    for file in code::workspace() {
        let messages = Messages::of(&file);
        if !messages.is_empty() {
            by_file.insert(file.name(), messages);
        }
    }
    let mut text = format!("exit codes\n{}", kinds());
    for (file, messages) in by_file {
        let _ = writeln!(text, "\n{file}");
        for message in messages {
            let lines = message.trim_end_matches('\n').replace('\n', "\n    ");
            let _ = writeln!(text, "  {lines}");
        }
    }
    code::compare_snapshot("messages", "messages.txt", &text);
}

#[test]
fn messages_are_found_where_they_are_made() {
    let text = r#"
        //! Not this one.
        /// Nor this one.
        #[expect(dead_code, reason = "nor this one")]
        fn f(x: Option<u8>) -> Result<()> {
            let name = "plain";
            x.expect("not this one");
            assert!(true, "not this one");
            println!("{name}: {}", "in a macro");
            const HELP: &str = "in a constant";
            Err(Error::usage(format!("in a {}", "format")).help("as a help"))
        }
        #[cfg(test)]
        mod tests { fn f() { g("not this one") } }
    "#;
    let found = Messages::of(&File::parse("alexnet", "made_up.rs", text));
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["as a help", "in a constant", "in a macro"]);
    assert_eq!(["{a}: {b}", "in {name}", "one two", "a b"].map(words), [0, 1, 2, 0]);
}
