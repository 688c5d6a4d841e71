//! Messages, as the text format and the binary format store them.

use std::collections::BTreeMap;

use super::schema::{Field, FieldKind};

/// The most values of a file, apart from the numbers in blobs: far more than any network has.
pub(super) const MAX_VALUES: usize = 1 << 20;

/// A message: the values of its fields, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message {
    pub(super) entries: Vec<Entry>,
    /// The line where it starts, in a text.
    pub(super) line: Option<usize>,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) name: &'static str,
    pub(super) value: Value,
    /// The line, in a text.
    pub(super) line: Option<usize>,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Int(i64),
    /// The dimensions of an array, in a message to be written. Those that were read are one [`Value::Int`] each.
    Ints(Vec<i64>),
    /// The shortest decimal that names the number in single precision.
    Float(f64),
    Bool(bool),
    Text(String),
    Enum(&'static str),
    Message(Message),
    /// The numbers of a blob.
    Floats(Vec<f32>),
}

/// Fields that [`super::schema`] lacks, by their names or numbers, with the first line and the number of occurrences.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Unknown {
    fields: BTreeMap<String, (Option<usize>, usize)>,
}

/// The most unknown fields that are listed.
const MAX_LISTED: usize = 20;

impl Unknown {
    pub(super) fn add(&mut self, field: &str, line: Option<usize>) {
        if let Some((_, times)) = self.fields.get_mut(field) {
            *times += 1;
        } else if self.fields.len() < 1000 {
            self.fields.insert(field.to_owned(), (line, 1));
        }
    }

    /// Lists the fields: "`a.b` (line 3)". `None` if there are none.
    pub(super) fn list(&self) -> Option<String> {
        let describe = |(field, (line, times)): (&String, &(Option<usize>, usize))| {
            let line = line.map_or(String::new(), |line| format!("line {line}"));
            let times = if *times > 1 { format!("{times} times") } else { String::new() };
            let details: Vec<String> = [line, times].into_iter().filter(|part| !part.is_empty()).collect();
            match details.is_empty() {
                true => format!("`{field}`"),
                false => format!("`{field}` ({})", details.join(", ")),
            }
        };
        let mut listed: Vec<String> = self.fields.iter().take(MAX_LISTED).map(describe).collect();
        if self.fields.len() > MAX_LISTED {
            listed.push(format!("{} others", self.fields.len() - MAX_LISTED));
        }
        (!listed.is_empty()).then(|| listed.join(", "))
    }
}

impl Message {
    /// Returns the value of a field, the last one of several.
    pub(super) fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.name == name)
    }

    /// Returns all values of a field.
    pub(super) fn all<'m>(&'m self, name: &'static str) -> impl Iterator<Item = &'m Entry> {
        self.entries.iter().filter(move |entry| entry.name == name)
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match &self.find(name)?.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn texts(&self, name: &'static str) -> Vec<&str> {
        self.all(name).filter_map(|entry| entry.value.as_text()).collect()
    }

    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.find(name)?.value.as_int()
    }

    pub(super) fn ints(&self, name: &'static str) -> Vec<i64> {
        self.all(name).filter_map(|entry| entry.value.as_int()).collect()
    }

    pub(super) fn float(&self, name: &str) -> Option<f64> {
        self.find(name)?.value.as_float()
    }

    pub(super) fn floats(&self, name: &'static str) -> Vec<f64> {
        self.all(name).filter_map(|entry| entry.value.as_float()).collect()
    }

    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.find(name)?.value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    pub(super) fn choice(&self, name: &str) -> Option<&'static str> {
        match self.find(name)?.value {
            Value::Enum(name) => Some(name),
            _ => None,
        }
    }

    pub(super) fn message(&self, name: &str) -> Option<&Self> {
        self.find(name)?.value.as_message()
    }

    pub(super) fn messages<'m>(&'m self, name: &'static str) -> impl Iterator<Item = &'m Self> {
        self.all(name).filter_map(|entry| entry.value.as_message())
    }

    /// Returns the line of a field, or else that of the message.
    pub(super) fn line_of(&self, name: &str) -> Option<usize> {
        self.find(name).and_then(|entry| entry.line).or(self.line)
    }

    /// Adds a value, for a message to be written.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: Value) -> Self {
        self.push(name, value);
        self
    }

    pub(super) fn push(&mut self, name: &'static str, value: Value) {
        self.entries.push(Entry { name, value, line: None });
    }

    /// Stores a value that was read.
    pub(super) fn store(&mut self, field: &'static Field, value: Value, line: Option<usize>) {
        // The numbers of a blob that are stored one by one.
        if let FieldKind::Floats | FieldKind::Doubles = field.kind
            && let Some(Entry { name, value: Value::Floats(values), .. }) = self.entries.last_mut()
            && *name == field.name
            && let Value::Floats(more) = value
        {
            values.extend(more);
            return;
        }
        self.entries.push(Entry { name: field.name, value, line });
    }
}

impl Value {
    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn as_message(&self) -> Option<&Message> {
        match self {
            Self::Message(message) => Some(message),
            _ => None,
        }
    }
}
