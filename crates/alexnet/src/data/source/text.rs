//! Text files as written by any program: UTF-8, UTF-16 or Windows-1252, with or without a byte-order mark, with any line endings.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::{Error, Result};

/// The maximum size of a text file: a list of ten million images.
pub(super) const MAX_SIZE: u64 = 1 << 30;

/// The number of bytes used to recognize UTF-16 without a byte-order mark.
const SAMPLE: usize = 4096;

/// A text and its encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// The text, without a byte-order mark.
    pub(super) text: String,
    /// Its encoding.
    pub(super) encoding: TextEncoding,
}

/// The encoding of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextEncoding {
    Utf8,
    /// UTF-16 in either byte order, with the name of the encoding.
    Utf16(&'static str),
    /// UTF-8 except for some lines, which were read as Windows-1252, a superset of Latin-1.
    Windows1252 {
        lines: usize,
        /// The first of these lines, counted from one.
        first: usize,
    },
}

impl Text {
    /// Reads a file.
    ///
    /// # Errors
    /// Returns an error if it cannot be read, is larger than [`MAX_SIZE`], or is not text.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let failed = |what: &dyn Display| Error::data(format!("{}: {what}", path.display()));
        let file = File::open(path).map_err(|error| failed(&format!("cannot read the file: {error}")))?;
        let mut bytes = Vec::new();
        let read = file.take(MAX_SIZE + 1).read_to_end(&mut bytes);
        read.map_err(|error| failed(&format!("cannot read the file: {error}")))?;
        if bytes.len() as u64 > MAX_SIZE {
            return Err(failed(&format!("more than {MAX_SIZE} bytes, expected a text file")));
        }
        Self::decode(&bytes).map_err(|error| error.context(path.display()))
    }

    /// Decodes bytes.
    ///
    /// # Errors
    /// Returns an error if they contain zeros or invalid UTF-16: then they are not text.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        let (text, encoding) = match Encoding::for_bom(bytes) {
            Some((encoding, mark)) if encoding == UTF_8 => utf8_or_windows(&bytes[mark..]),
            Some((encoding, mark)) => utf16(encoding, &bytes[mark..])?,
            None => match looks_like_utf16(bytes) {
                Some(encoding) => utf16(encoding, bytes)?,
                None => utf8_or_windows(bytes),
            },
        };
        match text.find('\0') {
            Some(at) => {
                // With it, its line is not empty, and is counted.
                let line = lines(&text[..=at]).count();
                Err(Error::data(format!("not a text file: line {line} contains a zero byte")))
            }
            None => Ok(Self { text, encoding }),
        }
    }

    /// Iterates over the lines with their numbers, counted from one. LF, CRLF and CR end a line.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(lines(&self.text))
    }

    /// Returns the lines that are not blank, trimmed.
    pub(super) fn words(&self) -> Vec<String> {
        let trimmed = self.lines().map(|(_, line)| line.trim());
        trimmed.filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// Returns a note if the file is not UTF-8.
    pub(super) fn note(&self, file: impl Display) -> Option<String> {
        match self.encoding {
            TextEncoding::Utf8 => None,
            TextEncoding::Utf16(name) => Some(format!("{file}: read as {name}")),
            TextEncoding::Windows1252 { lines: 1, first } => {
                Some(format!("{file}: line {first} is not UTF-8 and was read as Windows-1252 (Latin-1)"))
            }
            TextEncoding::Windows1252 { lines, first } => Some(format!(
                "{file}: {lines} lines are not UTF-8 and were read as Windows-1252 (Latin-1), first line {first}"
            )),
        }
    }
}

/// Decodes any bytes as text: UTF-8, or otherwise Windows-1252, which maps all bytes to different characters.
pub(super) fn lossless(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned(),
    }
}

fn utf16(encoding: &'static Encoding, bytes: &[u8]) -> Result<(String, TextEncoding)> {
    let (text, broken) = encoding.decode_without_bom_handling(bytes);
    match broken {
        true => Err(Error::data(format!("not a text file: invalid {}", encoding.name()))),
        false => Ok((text.into_owned(), TextEncoding::Utf16(encoding.name()))),
    }
}

/// Decodes line by line, so that one line in another encoding does not affect the rest.
fn utf8_or_windows(bytes: &[u8]) -> (String, TextEncoding) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return (text.to_owned(), TextEncoding::Utf8);
    }
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    let (mut lines, mut first, mut number) = (0, 0, 1);
    for line in bytes.split_inclusive(|&byte| byte == b'\n' || byte == b'\r') {
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(_) => {
                text.push_str(&WINDOWS_1252.decode_without_bom_handling(line).0);
                lines += 1;
                if lines == 1 {
                    first = number;
                }
            }
        }
        // The LF of a CRLF is a piece of its own, but not a line.
        number += usize::from(line != b"\n" || !text[..text.len() - 1].ends_with('\r'));
    }
    (text, TextEncoding::Windows1252 { lines, first })
}

/// Recognizes UTF-16 without a byte-order mark by zeros in nearly every second byte, as in Latin text.
fn looks_like_utf16(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    let pairs = sample.len() / 2;
    if pairs < 2 || !bytes.len().is_multiple_of(2) {
        return None;
    }
    let zeros = |place: usize| sample.chunks_exact(2).filter(|pair| pair[place] == 0).count();
    let (high, low) = (zeros(0), zeros(1));
    match 10 * high.max(low) >= 9 * pairs && high.min(low) == 0 {
        false => None,
        true if low > high => Some(UTF_16LE),
        true => Some(UTF_16BE),
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text).filter(|text| !text.is_empty());
    std::iter::from_fn(move || {
        let now = rest?;
        let end = now.find(['\n', '\r']);
        let Some(end) = end else {
            rest = None;
            return Some(now);
        };
        let width = if now[end..].starts_with("\r\n") { 2 } else { 1 };
        rest = Some(&now[end + width..]).filter(|rest| !rest.is_empty());
        Some(&now[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: &str = "Größe,1\nKatze,2\n";

    fn utf16_bytes(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    }

    #[test]
    fn all_encodings_decode_to_the_same_text() {
        let latin: Vec<u8> = WORDS.chars().map(|c| c as u8).collect();
        let marked = |mark: &[u8], text: Vec<u8>| [mark, &text].concat();
        for (bytes, encoding) in [
            (WORDS.as_bytes().to_vec(), TextEncoding::Utf8),
            (marked(b"\xef\xbb\xbf", WORDS.into()), TextEncoding::Utf8),
            (marked(b"\xff\xfe", utf16_bytes(WORDS, true)), TextEncoding::Utf16("UTF-16LE")),
            (marked(b"\xfe\xff", utf16_bytes(WORDS, false)), TextEncoding::Utf16("UTF-16BE")),
            (utf16_bytes(WORDS, true), TextEncoding::Utf16("UTF-16LE")),
            (utf16_bytes(WORDS, false), TextEncoding::Utf16("UTF-16BE")),
            (latin, TextEncoding::Windows1252 { lines: 1, first: 1 }),
        ] {
            let text = Text::decode(&bytes).unwrap();
            assert_eq!((text.text.as_str(), text.encoding), (WORDS, encoding));
        }
    }

    #[test]
    fn one_line_in_another_encoding_does_not_affect_the_rest() {
        let text = Text::decode(b"a\r\nK\xc3\xb6ln\r\nM\xfcnchen\r\nB\xf6blingen").unwrap();
        assert_eq!(text.words(), ["a", "Köln", "München", "Böblingen"]);
        assert_eq!(text.encoding, TextEncoding::Windows1252 { lines: 2, first: 3 });
        let note = text.note("labels.csv").unwrap();
        assert!(
            note.contains("2 lines") && note.contains("Windows-1252") && note.contains("first line 3"),
            "{note}"
        );
    }

    #[test]
    fn splits_lines_at_all_line_endings() {
        for end in ["\n", "\r\n", "\r"] {
            let text = Text::decode(["a", "", "b"].join(end).as_bytes()).unwrap();
            assert_eq!(text.lines().collect::<Vec<_>>(), [(1, "a"), (2, ""), (3, "b")]);
        }
        assert_eq!(Text::decode(b"").unwrap().lines().count(), 0);
    }

    #[test]
    fn rejects_what_is_not_text() {
        for bytes in [&b"a\nb\0c"[..], b"\xff\xfe\0\0a\0\0\0", b"\xff\xfe\x00\xd8", b"\0\0\0\0"] {
            let error = Text::decode(bytes).unwrap_err();
            assert!(error.message.contains("not a text file"), "{error}");
        }
    }

    #[test]
    fn the_line_of_a_zero_byte_is_named() {
        for end in ["\n", "\r\n", "\r"] {
            for (line, lines) in [
                (1, ["\0", "b", "c"]),
                (1, ["a\0", "b", "c"]),
                (2, ["a", "\0b", "c"]),
                (3, ["a", "b", "\0"]),
                (3, ["a", "", "c\0d"]),
            ] {
                let error = Text::decode(lines.join(end).as_bytes()).unwrap_err();
                let expected = format!("not a text file: line {line} contains a zero byte");
                assert_eq!(error.message, expected, "{lines:?}, {end:?}");
            }
        }
    }

    #[test]
    fn names_stay_distinct_in_any_encoding() {
        let all: std::collections::BTreeSet<String> =
            (128..=255).map(|byte| lossless(&[b'M', byte])).collect();
        assert_eq!(all.len(), 128);
        assert_eq!(lossless("Größe".as_bytes()), "Größe");
    }
}
