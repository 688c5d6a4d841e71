//! The format of the files: sections of `key = value`, as Python's `ConfigParser` reads them, but strict. Values keep their
//! line numbers.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::{Error, Result};

/// The most sections of a file, and the most values of a section: far more than any network has.
const MAX_SECTIONS: usize = 1000;
const MAX_VALUES: usize = 100;
/// The most inputs of a layer, and so items of a list.
const MAX_ITEMS: usize = 64;

/// A parsed file.
pub(super) struct Document<'a> {
    pub(super) origin: &'a str,
    pub(super) sections: Vec<Section<'a>>,
    /// The texts of comment lines, in order.
    pub(super) comments: Vec<&'a str>,
}

/// A section: the settings of a layer.
#[derive(Clone, Debug)]
pub(super) struct Section<'a> {
    pub(super) origin: &'a str,
    pub(super) name: &'a str,
    pub(super) line: usize,
    pub(super) values: Vec<Value<'a>>,
}

/// A line `key = value`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    pub(super) key: &'a str,
    pub(super) text: &'a str,
    pub(super) line: usize,
}

/// A value and its section, for messages.
#[derive(Clone, Copy)]
pub(super) struct Entry<'s, 'a> {
    pub(super) section: &'s Section<'a>,
    pub(super) key: &'a str,
    pub(super) text: &'a str,
    line: usize,
}

impl<'a> Document<'a> {
    /// Parses a file. `origin` names it in messages.
    pub(super) fn parse(text: &'a str, origin: &'a str) -> Result<Self> {
        let mut document = Self { origin, sections: Vec::new(), comments: Vec::new() };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, text) in text.lines().enumerate().map(|(i, text)| (i + 1, text.trim())) {
            match text.chars().next() {
                None => {}
                Some('#' | ';') => document.comments.push(text.trim_start_matches(['#', ';']).trim()),
                Some('[') => document.add_section(text, line)?,
                Some(_) => document.add_value(text, line)?,
            }
        }
        if document.sections.is_empty() {
            return Err(Error::usage(format!("{origin}: no sections, expected layers such as [conv1]"))
                .help("specify a file of layers and a file of parameters of cuda-convnet"));
        }
        Ok(document)
    }

    /// Returns the section with this name.
    pub(super) fn find(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|section| section.name == name)
    }

    fn add_section(&mut self, text: &'a str, line: usize) -> Result<()> {
        let name = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).map(str::trim);
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            return Err(self
                .refuse(line, format!("`{}`, expected the name of a section", short(text)))
                .help("write `[conv1]`"));
        };
        if let Some(first) = self.find(name) {
            let message =
                format!("section [{}] is repeated; the first one is in line {}", short(name), first.line);
            return Err(self.refuse(line, message).help("keep one of the two, or rename one"));
        }
        if self.sections.len() == MAX_SECTIONS {
            let message = format!("more than {MAX_SECTIONS} sections");
            return Err(self.refuse(line, message).help("specify a file of cuda-convnet"));
        }
        self.sections.push(Section { origin: self.origin, name, line, values: Vec::new() });
        Ok(())
    }

    fn add_value(&mut self, text: &'a str, line: usize) -> Result<()> {
        let parts = text.split_once(['=', ':']).map(|(key, value)| (key.trim(), value.trim()));
        let Some((key, value)) = parts.filter(|(key, _)| !key.is_empty()) else {
            return Err(self
                .refuse(line, format!("`{}`, expected `key = value`", short(text)))
                .help("write `filters = 64`"));
        };
        // A comment may follow a value.
        let value = value.find(" ;").map_or(value, |end| value[..end].trim_end());
        let origin = self.origin;
        let Some(section) = self.sections.last_mut() else {
            let message = format!("{origin}:{line}: `{}` is in no section", short(text));
            return Err(Error::usage(message).help("start with the name of a layer, `[conv1]`"));
        };
        if let Some(first) = section.find(key) {
            let message = format!(
                "{origin}:{line}: `{}` of [{}] is repeated; the first one is in line {}",
                short(key),
                short(section.name),
                first.line
            );
            return Err(Error::usage(message).help("keep one of the two"));
        }
        if section.values.len() == MAX_VALUES {
            let message =
                format!("{origin}:{line}: more than {MAX_VALUES} values in [{}]", short(section.name));
            return Err(Error::usage(message).help("specify a file of cuda-convnet"));
        }
        section.values.push(Value { key, text: value, line });
        Ok(())
    }

    fn refuse(&self, line: usize, message: String) -> Error {
        Error::usage(format!("{}:{line}: {message}", self.origin))
    }
}

impl<'a> Section<'a> {
    /// Returns the value of a key, which may be in capitals or not.
    pub(super) fn find(&self, key: &str) -> Option<Entry<'_, 'a>> {
        let value = self.values.iter().find(|value| value.key.eq_ignore_ascii_case(key))?;
        Some(Entry { section: self, key: value.key, text: value.text, line: value.line })
    }

    /// Returns the value of a key, or an error that shows `example`.
    pub(super) fn get(&self, key: &str, example: &str) -> Result<Entry<'_, 'a>> {
        self.find(key).ok_or_else(|| {
            self.refuse(format!("`{key}` is missing")).help(format!("write `{key} = {example}`"))
        })
    }

    /// Creates an error about the section.
    pub(super) fn refuse(&self, message: impl Display) -> Error {
        Error::usage(format!("{}:{}: [{}]: {message}", self.origin, self.line, short(self.name)))
    }
}

impl<'a> Entry<'_, 'a> {
    /// Creates the error "expected `expected`".
    pub(super) fn refuse(&self, expected: impl Display) -> Error {
        let Section { origin, name, .. } = self.section;
        let (key, text) = (short(self.key), short(self.text));
        Error::usage(format!(
            "{origin}:{}: `{key}` of [{}] is `{text}`, expected {expected}",
            self.line,
            short(name)
        ))
        .help(format!("edit line {} of {origin}", self.line))
    }

    /// Returns the items between commas, outside of brackets.
    pub(super) fn items(&self) -> Result<Vec<&'a str>> {
        let mut depth = 0usize;
        let is_separator = |c: char| {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        };
        let items: Vec<&str> = self.text.split(is_separator).map(str::trim).collect();
        match items.len() <= MAX_ITEMS {
            true => Ok(items),
            false => Err(self.refuse(format!("at most {MAX_ITEMS} items"))),
        }
    }

    /// Returns the item that all inputs share: a list has one item for each of the `inputs`, and those may not differ.
    pub(super) fn shared(&self, inputs: usize) -> Result<&'a str> {
        let items = self.items()?;
        if items.len() != inputs && items.len() != 1 {
            return Err(self.refuse(format!("{inputs} values, one for each input")));
        }
        match items.iter().all(|item| item == &items[0]) {
            true => Ok(items[0]),
            false => Err(self.refuse("the same value for all inputs; a recipe has one for a layer")),
        }
    }

    /// Returns an integer in `range` that all inputs share.
    pub(super) fn integer(&self, inputs: usize, range: RangeInclusive<usize>) -> Result<usize> {
        let value = self.shared(inputs)?.parse().ok().filter(|value| range.contains(value));
        value.ok_or_else(|| self.refuse(format!("an integer from {} to {}", range.start(), range.end())))
    }

    /// Returns a number in `range` that all inputs share.
    pub(super) fn number(&self, inputs: usize, range: RangeInclusive<f64>) -> Result<f64> {
        self.parse_number(self.shared(inputs)?, range)
    }

    /// Parses a part of the value as a number in `range`.
    pub(super) fn parse_number(&self, text: &str, range: RangeInclusive<f64>) -> Result<f64> {
        let value = text.trim().parse().ok().filter(|value| range.contains(value));
        value.ok_or_else(|| self.refuse(format!("a number from {} to {}", range.start(), range.end())))
    }

    /// Returns a boolean.
    pub(super) fn flag(&self, inputs: usize) -> Result<bool> {
        match self.shared(inputs)?.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err(self.refuse("true or false")),
        }
    }
}

/// Shortens a text for a message.
pub(super) fn short(text: &str) -> String {
    let mut out: String = text.chars().take(60).collect();
    if out.len() < text.len() {
        out.push_str("...");
    }
    out
}
