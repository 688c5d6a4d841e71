//! Lists of files with their classes: separated by commas, semicolons, tabs or spaces, quoted or not, with a heading or not.
//!
//! How a list is separated and which column holds the files, the images that are there decide; which column holds the
//! classes, the heading decides. Where several could, the list is refused.

use super::columns::{Columns, heading, is_number};
use super::lookup::Found;
use super::text::Text;
use crate::{Error, Result};

/// Lines by which the separator is chosen.
const SAMPLE: usize = 500;

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// The line it begins on, counted from one.
    pub(super) line: usize,
    pub(super) file: String,
    pub(super) class: String,
    /// What a column says about the split.
    pub(super) split: Option<&'static str>,
}

/// A list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
    /// Lines that are not used, with the reason.
    pub(super) dropped: Vec<(usize, String)>,
    /// What was assumed to read it.
    pub(super) notes: Vec<String>,
}

/// The cells of a line, and its number.
pub(super) type Record = (usize, Vec<String>);

/// What is between cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    Byte(u8),
    /// Spaces, of which file names and classes may have some too.
    Spaces,
}

const SEPARATORS: [Separator; 5] = [
    Separator::Byte(b'\t'),
    Separator::Byte(b','),
    Separator::Byte(b';'),
    Separator::Byte(b'|'),
    Separator::Spaces,
];

impl Table {
    /// Reads a list. `find` tells what image a cell names.
    ///
    /// # Errors
    /// When it is not a list of files with their classes, or does not say which column is which.
    pub(super) fn parse(text: &Text, find: &dyn Fn(&str) -> Found) -> Result<Self> {
        let lines: Vec<&str> = text.lines().map(|(_, line)| line).collect();
        let separator = separator(&lines, find)?;
        let mut records = records(&lines, separator, find)?;
        let heading = heading(&records, find).then(|| records.remove(0).1);
        let columns = Columns::of(heading.as_deref(), &records, find)?;
        let mut table = Self { notes: columns.notes(heading.as_deref()), ..Self::default() };
        for (line, cells) in records {
            match columns.row(line, cells, separator, find) {
                Ok(row) => table.rows.push(row),
                Err(reason) => table.dropped.push((line, reason)),
            }
        }
        Ok(table)
    }
}

/// The separator by which most lines name an image that is there; then that by which most lines have several cells; then
/// that which comes first in a line.
fn separator(lines: &[&str], find: &dyn Fn(&str) -> Found) -> Result<Separator> {
    let sample: Vec<&str> =
        lines.iter().filter(|line| !line.trim().is_empty()).take(SAMPLE).copied().collect();
    let score = |separator: Separator| {
        // A quote may be missing, or its other half be behind the sample.
        let records =
            records(&sample, separator, find).unwrap_or_else(|_| unquoted_records(&sample, separator));
        let several = records.iter().filter(|(_, cells)| cells.len() > 1);
        let named =
            several.clone().filter(|(_, cells)| cells.iter().any(|cell| find(cell) != Found::Nothing));
        let first = match separator {
            Separator::Byte(byte) => sample.first().and_then(|line| line.find(char::from(byte))),
            Separator::Spaces => None,
        };
        (named.count(), several.count(), usize::MAX - first.unwrap_or(usize::MAX))
    };
    let best =
        SEPARATORS.into_iter().map(|separator| (score(separator), separator)).max_by_key(|(score, _)| *score);
    match best {
        Some(((_, several, _), separator)) if several > 0 => Ok(separator),
        _ => {
            let line = sample.first().copied().unwrap_or_default();
            Err(Error::data(format!("line 1, `{}`: expected a file and its class", shortened(line))))
        }
    }
}

/// Cells as they are without regard to quotes.
fn unquoted_records(lines: &[&str], separator: Separator) -> Vec<Record> {
    let cells = |line: &&str| match separator {
        Separator::Byte(byte) => {
            line.split(char::from(byte)).map(|cell| cell.trim_matches(['"', ' ']).to_owned()).collect()
        }
        Separator::Spaces => line.split_whitespace().map(str::to_owned).collect(),
    };
    (1..).zip(lines.iter().map(cells)).collect()
}

pub(super) fn shortened(line: &str) -> String {
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

/// The cells of all lines that are not blank.
fn records(lines: &[&str], separator: Separator, find: &dyn Fn(&str) -> Found) -> Result<Vec<Record>> {
    let mut records = match separator {
        Separator::Byte(byte) => quoted(lines, byte)?,
        Separator::Spaces => {
            let filled = (1..).zip(lines).filter(|(_, line)| !line.trim().is_empty());
            let mut all: Vec<Record> =
                filled.map(|(number, line)| (number, words(line.trim(), find))).collect();
            split_numbers(&mut all);
            all
        }
    };
    for (_, cells) in &mut records {
        while cells.len() > 1 && cells.last().is_some_and(|cell| cell.is_empty()) {
            cells.pop();
        }
    }
    records.retain(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()));
    Ok(records)
}

/// Cells with a separator between them, some in quotes.
fn quoted(lines: &[&str], separator: u8) -> Result<Vec<Record>> {
    let text = lines.join("\n");
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    let (mut line, mut counted) = (1, 0);
    let mut record = csv::StringRecord::new();
    loop {
        let more =
            reader.read_record(&mut record).map_err(|error| Error::data(format!("line {line}: {error}")))?;
        if !more {
            return Ok(records);
        }
        // The place that is given may be on blank lines before the record.
        let given = record.position().map_or(0, |position| position.byte() as usize);
        let start = given + text[given..].len() - text[given..].trim_start_matches('\n').len();
        let end = (reader.position().byte() as usize).clamp(start, text.len());
        line += text[counted..start].matches('\n').count();
        counted = start;
        let raw = text[start..end].trim_end_matches('\n');
        if raw.contains('\n') && !raw.matches('"').count().is_multiple_of(2) {
            return Err(Error::data(format!(
                "line {line}, `{}`: a quote is missing",
                shortened(raw.lines().next().unwrap_or(raw))
            ))
            .help("quotes come in pairs: \"Cat, domestic\""));
        }
        records.push((line, record.iter().map(|cell| unquoted(cell).to_owned()).collect()));
    }
}

/// A file and what follows it, or, where no image fits, what is before the last word and that word.
fn words(line: &str, find: &dyn Fn(&str) -> Found) -> Vec<String> {
    let plain = |text: &str| unquoted(text).to_owned();
    let gaps: Vec<usize> = line.match_indices(char::is_whitespace).map(|(at, _)| at).collect();
    // The longest name that is an image's; most lists have one gap only.
    let sure = |at: &&usize| matches!(find(&plain(&line[..**at])), Found::Sure(_) | Found::Likely(_));
    match gaps.iter().rev().find(sure).or(gaps.last()) {
        Some(&at) => vec![plain(&line[..at]), plain(&line[at..])],
        None => vec![plain(line)],
    }
}

/// A cell without quotes around it; those behind a space are no quotes to the reader of cells.
fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell)
}

/// Where numbers follow the class in every line, they are columns of their own.
fn split_numbers(records: &mut [Record]) {
    let has_numbers = |(_, cells): &Record| {
        let Some(rest) = cells.get(1) else { return false };
        let mut words = rest.split_whitespace().skip(1).peekable();
        words.peek().is_some() && words.all(is_number)
    };
    if !records.is_empty() && records.iter().all(has_numbers) {
        for (_, cells) in records {
            let rest = cells.split_off(1);
            cells.extend(rest.iter().flat_map(|rest| rest.split_whitespace()).map(str::to_owned));
        }
    }
}
