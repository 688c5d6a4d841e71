//! The words of the text format.

use std::fmt::Display;

use super::origin::{Origin, short};
use crate::{Error, Result};

/// The deepest nesting of unknown messages.
const MAX_DEPTH: usize = 100;

/// A text that is being read.
pub(super) struct Lexer<'a> {
    rest: &'a str,
    /// The line, counted from 1.
    pub(super) line: usize,
    origin: &'a Origin,
}

/// What a name is followed by.
pub(super) enum Follows {
    /// A message up to this character.
    Message(char),
    /// A list of values or messages.
    List,
    Scalar,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, origin: &'a Origin) -> Self {
        Self { rest: text, line: 1, origin }
    }

    /// The next character.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Consumes what introduces a value.
    pub(super) fn follows(&mut self) -> Result<Follows> {
        self.skip_space();
        let has_colon = self.take(':');
        self.skip_space();
        for (open, close) in [('{', '}'), ('<', '>')] {
            if self.take(open) {
                return Ok(Follows::Message(close));
            }
        }
        if self.take('[') {
            return Ok(Follows::List);
        }
        match has_colon {
            true => Ok(Follows::Scalar),
            false => Err(self
                .refuse(format!("{} after a name, expected `:` or `{{`", self.shown()))
                .help("write `name: VALUE` or `name { ... }`")),
        }
    }

    /// Parses a quoted string; adjacent ones are joined.
    pub(super) fn quoted(&mut self, path: &str) -> Result<String> {
        String::from_utf8(self.quoted_bytes(path)?).map_err(|_| {
            self.refuse(format!("`{path}` is not UTF-8")).help("write the string without escapes of bytes")
        })
    }

    fn quoted_bytes(&mut self, path: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut any = false;
        loop {
            self.skip_space();
            let Some(quote) = self.peek().filter(|c| *c == '"' || *c == '\'') else { break };
            any = true;
            self.advance(quote);
            self.string(quote, &mut bytes)?;
        }
        if !any {
            return Err(self
                .refuse(format!("`{path}` is {}, expected a string in quotes", self.shown()))
                .help("write `name: \"conv1\"`"));
        }
        Ok(bytes)
    }

    /// Parses a string up to its quote.
    fn string(&mut self, quote: char, into: &mut Vec<u8>) -> Result<()> {
        loop {
            let next = self.peek();
            match next {
                Some(c) if c == quote => {
                    self.advance(c);
                    return Ok(());
                }
                None | Some('\n') => {
                    return Err(self
                        .refuse(format!("a string has no closing {quote}"))
                        .help("strings end in the line in which they start"));
                }
                Some('\\') => {
                    self.advance('\\');
                    self.escape(into)?;
                }
                Some(c) => {
                    into.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
                    self.advance(c);
                }
            }
        }
    }

    /// Parses what follows a backslash.
    fn escape(&mut self, into: &mut Vec<u8>) -> Result<()> {
        let c = self.peek().unwrap_or('\n');
        let digits = |text: &str, radix: u32, most: usize| {
            text.chars().take(most).take_while(|c| c.is_digit(radix)).count()
        };
        let (skip, radix, len) = match c {
            '0'..='7' => (0, 8, digits(self.rest, 8, 3)),
            'x' | 'X' => (1, 16, digits(&self.rest[1..], 16, 2)),
            _ => (0, 0, 0),
        };
        if len > 0 {
            let value = u32::from_str_radix(&self.rest[skip..skip + len], radix).unwrap_or(0);
            into.push(value as u8);
            self.rest = &self.rest[skip + len..];
            return Ok(());
        }
        let byte = match c {
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            '\'' | '"' | '\\' | '?' => c as u8,
            _ => {
                return Err(self
                    .refuse("a string has an unknown escape after `\\`")
                    .help("write `\\\\` for a backslash"));
            }
        };
        into.push(byte);
        self.advance(c);
        Ok(())
    }

    /// Skips the value of a field, whatever it is.
    pub(super) fn skip_value(&mut self) -> Result<()> {
        let start = self.line;
        let mut open = match self.follows()? {
            Follows::Message(end) => vec![end],
            Follows::List => vec![']'],
            Follows::Scalar => return self.skip_scalar(),
        };
        while let Some(&end) = open.last() {
            self.skip_space();
            let Some(c) = self.peek() else {
                return Err(self
                    .refuse(format!("the text ends in a message of line {start}, expected `{end}`"))
                    .help("the file is cut off, or a bracket is missing"));
            };
            match c {
                '"' | '\'' => self.skip_scalar()?,
                '{' | '<' | '[' => {
                    if open.len() == MAX_DEPTH {
                        return Err(self
                            .refuse(format!("messages in messages, more than {MAX_DEPTH} levels"))
                            .help("specify a network definition such as deploy.prototxt"));
                    }
                    open.push(if c == '{' {
                        '}'
                    } else if c == '<' {
                        '>'
                    } else {
                        ']'
                    });
                    self.advance(c);
                }
                '}' | '>' | ']' if c != end => {
                    return Err(self
                        .refuse(format!("`{c}`, expected `{end}` for the message of line {start}"))
                        .help("correct the brackets"));
                }
                c => {
                    if c == end {
                        open.pop();
                    }
                    self.advance(c);
                }
            }
        }
        Ok(())
    }

    fn skip_scalar(&mut self) -> Result<()> {
        match self.rest.starts_with(['"', '\'']) {
            true => self.quoted_bytes("").map(|_| ()),
            false => self.word().map(|_| ()),
        }
    }

    /// Parses the name of a field. Those of extensions are in brackets.
    pub(super) fn name(&mut self) -> Result<&'a str> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let rest = self.rest;
        let length = match rest.starts_with('[') {
            true => rest.find(']').map_or(0, |end| end + 1),
            false => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
        };
        let name = &rest[..length];
        if name.is_empty() || name.contains('\n') || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self
                .refuse(format!("{}, expected the name of a field", self.shown()))
                .help("write `name: VALUE` or `name { ... }`, as in a network definition of Caffe"));
        }
        self.rest = &rest[length..];
        Ok(name)
    }

    /// Parses a number or a word.
    pub(super) fn word(&mut self) -> Result<&'a str> {
        self.skip_space();
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '-');
        let rest = self.rest;
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if length == 0 {
            return Err(self
                .refuse(format!("{}, expected a value", self.shown()))
                .help("write `name: VALUE`"));
        }
        self.rest = &rest[length..];
        Ok(&rest[..length])
    }

    /// Skips white space, comments, and the separators that may follow a value.
    pub(super) fn skip_space(&mut self) {
        loop {
            let c = self.peek();
            match c {
                Some('#') => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.rest = &self.rest[end..];
                }
                Some(c) if c.is_whitespace() || c == '\u{feff}' || c == ';' => self.advance(c),
                // Between fields; in a list it is taken before.
                _ => return,
            }
        }
    }

    pub(super) fn take(&mut self, c: char) -> bool {
        let found = self.rest.starts_with(c);
        if found {
            self.advance(c);
        }
        found
    }

    fn advance(&mut self, c: char) {
        self.line += usize::from(c == '\n');
        self.rest = &self.rest[c.len_utf8()..];
    }

    /// The next characters, for a message.
    pub(super) fn shown(&self) -> String {
        let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
        match self.rest[..end].is_empty() {
            true => "the end of the text".to_owned(),
            false => format!("`{}`", short(&self.rest[..end])),
        }
    }

    pub(super) fn refuse(&self, message: impl Display) -> Error {
        self.refuse_at(self.line, message)
    }

    pub(super) fn refuse_at(&self, line: usize, message: impl Display) -> Error {
        self.origin.refuse(Some(line), message)
    }
}

/// Parses an integer: decimal, hexadecimal or octal.
pub(super) fn integer(word: &str) -> Option<i64> {
    let (sign, digits) = word.strip_prefix('-').map_or((1, word), |digits| (-1, digits));
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => i64::from_str_radix(digits, 16).ok()?,
        None if digits.len() > 1 && digits.starts_with('0') => i64::from_str_radix(digits, 8).ok()?,
        None => digits.parse().ok()?,
    };
    Some(sign * value)
}

/// Parses a number, which may end in `f`.
pub(super) fn number(word: &str) -> Option<f64> {
    let plain = word
        .strip_suffix(['f', 'F'])
        .filter(|plain| plain.ends_with(|c: char| c.is_ascii_digit() || c == '.'));
    plain.unwrap_or(word).parse().ok()
}
