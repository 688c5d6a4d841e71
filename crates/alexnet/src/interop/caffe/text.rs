//! The text format: `layer { name: "conv1" }`. Values keep their line numbers.

use super::lexer::{Follows, Lexer, integer, number};
use super::message::{MAX_VALUES, Message, Unknown, Value};
use super::origin::{Origin, short};
use super::schema::{Field, FieldKind, Label, Schema};
use crate::Result;
use crate::format::decimal;

/// The largest text that is read, in bytes: far more than any network has.
pub(super) const MAX_TEXT: usize = 4 << 20;

/// Parses a text as a message with these fields. Fields that the schema lacks are returned, not refused.
///
/// # Errors
/// Returns an error if the text is malformed, or if a value has another type than its field. The message states the line.
pub(super) fn parse(text: &str, origin: &Origin, schema: &'static Schema) -> Result<(Message, Unknown)> {
    if text.len() > MAX_TEXT {
        return Err(origin
            .refuse(None, format!("{} bytes, expected a text of at most {MAX_TEXT}", text.len()))
            .help(
                "specify a network definition such as deploy.prototxt; weights are in a .caffemodel file",
            ));
    }
    let mut parser = Parser { lexer: Lexer::new(text, origin), unknown: Unknown::default(), values: 0 };
    let message = parser.message(schema, "", None)?;
    Ok((message, parser.unknown))
}

/// The first of these names among the fields of a text, whatever the types of its values. `None` if it has none of them.
///
/// # Errors
/// Returns an error if the text before is malformed. The message states the line.
pub(super) fn first_of(
    text: &str,
    origin: &Origin,
    names: &'static [&'static str],
) -> Result<Option<&'static str>> {
    let mut lexer = Lexer::new(text, origin);
    loop {
        lexer.skip_space();
        if lexer.take(',') {
            continue;
        }
        if lexer.peek().is_none() {
            return Ok(None);
        }
        let name = lexer.name()?;
        if let Some(found) = names.iter().copied().find(|&found| found == name) {
            return Ok(Some(found));
        }
        lexer.skip_value()?;
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    unknown: Unknown,
    values: usize,
}

impl<'a> Parser<'a> {
    /// Parses the fields of a message up to `end`, or to the end of the text. `path` names the message.
    fn message(&mut self, schema: &'static Schema, path: &str, end: Option<char>) -> Result<Message> {
        let start = self.lexer.line;
        let mut message = Message { line: (!path.is_empty()).then_some(start), ..Message::default() };
        let mut lines: Vec<Option<usize>> = vec![None; schema.fields.len()];
        loop {
            self.lexer.skip_space();
            if self.lexer.take(',') {
                continue;
            }
            match (self.lexer.peek(), end) {
                (None, None) => return Ok(message),
                (None, Some(end)) => {
                    return Err(self
                        .lexer
                        .refuse(format!("the text ends in `{path}` of line {start}, expected `{end}`"))
                        .help("the file is cut off, or a bracket is missing"));
                }
                (Some(c), Some(end)) if c == end => {
                    self.lexer.take(c);
                    return Ok(message);
                }
                (Some(c), None) if c == '}' || c == '>' => {
                    return Err(self.lexer.refuse(format!("`{c}` closes nothing")).help(format!(
                        "remove it, or add the bracket that it closes before line {}",
                        self.lexer.line
                    )));
                }
                (Some(_), _) => {}
            }
            let line = self.lexer.line;
            let name = self.lexer.name()?;
            let at = schema.fields.iter().position(|field| field.name == name);
            let inner = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let Some(at) = at else {
                self.unknown.add(&short(&inner), Some(line));
                self.lexer.skip_value()?;
                continue;
            };
            let field = &schema.fields[at];
            if let (Label::Optional, Some(first)) = (field.label, lines[at].replace(line)) {
                return Err(self
                    .lexer
                    .refuse_at(line, format!("`{inner}` is repeated; the first one is in line {first}"))
                    .help("keep one of the two"));
            }
            self.field(field, &inner, line, &mut message)?;
        }
    }

    /// Parses what follows the name of a field.
    fn field(&mut self, field: &'static Field, path: &str, line: usize, into: &mut Message) -> Result<()> {
        if let FieldKind::Unused = field.kind {
            return self.lexer.skip_value();
        }
        match (self.lexer.follows()?, field.kind) {
            (Follows::Message(end), FieldKind::Message(schema)) => {
                self.inner(field, schema, path, line, end, into)
            }
            (Follows::Message(_), _) => Err(self
                .lexer
                .refuse(format!("`{path}` is a value, not a message in brackets"))
                .help(format!("write `{}: VALUE`", field.name))),
            (Follows::Scalar, FieldKind::Message(_)) => Err(self
                .lexer
                .refuse(format!("`{path}` is {}, expected a message in brackets", self.lexer.shown()))
                .help(format!("write `{} {{ ... }}`", field.name))),
            (Follows::Scalar, _) => {
                let value = self.scalar(field, path)?;
                self.store(field, value, line, into)
            }
            (Follows::List, kind) => {
                if field.label == Label::Optional {
                    return Err(self
                        .lexer
                        .refuse(format!("`{path}` is a list, expected one value"))
                        .help(format!("write `{}: VALUE`", field.name)));
                }
                self.list(field, kind, path, line, into)
            }
        }
    }

    fn list(
        &mut self,
        field: &'static Field,
        kind: FieldKind,
        path: &str,
        line: usize,
        into: &mut Message,
    ) -> Result<()> {
        loop {
            self.lexer.skip_space();
            if self.lexer.take(']') {
                return Ok(());
            }
            match kind {
                FieldKind::Message(schema) => match self.lexer.follows()? {
                    Follows::Message(end) => self.inner(field, schema, path, line, end, into)?,
                    Follows::List | Follows::Scalar => {
                        return Err(self
                            .lexer
                            .refuse(format!(
                                "`{path}` has {}, expected messages in brackets",
                                self.lexer.shown()
                            ))
                            .help(format!("write `{} {{ ... }}`", field.name)));
                    }
                },
                FieldKind::Int
                | FieldKind::Float
                | FieldKind::Bool
                | FieldKind::Text
                | FieldKind::Enum(_)
                | FieldKind::Floats
                | FieldKind::Doubles
                | FieldKind::Unused => {
                    let value = self.scalar(field, path)?;
                    self.store(field, value, line, into)?;
                }
            }
            self.lexer.skip_space();
            if !self.lexer.take(',') && self.lexer.peek() != Some(']') {
                return Err(self
                    .lexer
                    .refuse(format!("{} in a list, expected `,` or `]`", self.lexer.shown()))
                    .help("write `[1, 2, 3]`"));
            }
        }
    }

    fn inner(
        &mut self,
        field: &'static Field,
        schema: &'static Schema,
        path: &str,
        line: usize,
        end: char,
        into: &mut Message,
    ) -> Result<()> {
        let inner = self.message(schema, path, Some(end))?;
        self.store(field, Value::Message(Message { line: Some(line), ..inner }), line, into)
    }

    fn store(&mut self, field: &'static Field, value: Value, line: usize, into: &mut Message) -> Result<()> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self
                .lexer
                .refuse(format!("more than {MAX_VALUES} values"))
                .help("specify a network definition such as deploy.prototxt"));
        }
        into.store(field, value, Some(line));
        Ok(())
    }

    /// Parses a value of a field's type.
    fn scalar(&mut self, field: &'static Field, path: &str) -> Result<Value> {
        let line = self.lexer.line;
        if let FieldKind::Text = field.kind {
            return Ok(Value::Text(self.lexer.quoted(path)?));
        }
        let word = self.lexer.word()?;
        let refuse = |expected: String, example: &str| {
            let message = format!("`{path}` is {}, expected {expected}", short(word));
            Err(self.lexer.refuse_at(line, message).help(format!("write `{}: {example}`", field.name)))
        };
        match field.kind {
            FieldKind::Int => {
                integer(word).map_or_else(|| refuse("an integer".into(), "1"), |v| Ok(Value::Int(v)))
            }
            FieldKind::Float => {
                let value = number(word).map(|value| value as f32).filter(|value| value.is_finite());
                value.map_or_else(
                    || refuse("a number in single precision".into(), "0.5"),
                    |value| Ok(Value::Float(decimal(value))),
                )
            }
            FieldKind::Floats | FieldKind::Doubles => number(word).map_or_else(
                || refuse("a number".into(), "0.5"),
                |value| Ok(Value::Floats(vec![value as f32])),
            ),
            FieldKind::Bool => match word {
                "true" | "True" | "t" | "1" => Ok(Value::Bool(true)),
                "false" | "False" | "f" | "0" => Ok(Value::Bool(false)),
                _ => refuse("true or false".into(), "true"),
            },
            FieldKind::Enum(names) => {
                let found =
                    names.iter().find(|(name, number)| *name == word || integer(word) == Some(*number));
                let known: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
                found.map_or_else(
                    || refuse(format!("one of {}", known.join(", ")), known[0]),
                    |(name, _)| Ok(Value::Enum(name)),
                )
            }
            FieldKind::Text | FieldKind::Message(_) | FieldKind::Unused => {
                unreachable!("texts, messages and unused fields are parsed elsewhere")
            }
        }
    }
}
