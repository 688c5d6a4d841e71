//! Lists of files with their classes: separated by commas, semicolons, tabs or spaces, quoted or not, with a heading or not.
//!
//! The separator and the file column are recognized by the images that exist, the class column by the heading. An ambiguous list
//! is rejected.

use super::columns::{Columns, heading, is_number};
use super::lookup::Match;
use super::row::{Cells, Dropped, Row, Separator, shortened};
use super::text::Text;
use crate::{Error, Result};

/// The number of lines used to choose the separator.
const SAMPLE: usize = 500;

/// A parsed list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ListTable {
    pub(super) rows: Vec<Row>,
    /// Skipped lines, with the reason.
    pub(super) dropped: Vec<Dropped>,
    /// Assumptions made to read it.
    pub(super) notes: Vec<String>,
}

const SEPARATORS: [Separator; 5] = [
    Separator::Byte(b'\t'),
    Separator::Byte(b','),
    Separator::Byte(b';'),
    Separator::Byte(b'|'),
    Separator::Spaces,
];

impl ListTable {
    /// Parses a list. `find` looks up the image that a cell names.
    ///
    /// # Errors
    /// Returns an error if it is not a list of files with their classes, or is ambiguous.
    pub(super) fn parse(text: &Text, find: &dyn Fn(&str) -> Match) -> Result<Self> {
        let lines: Vec<&str> = text.lines().map(|(_, line)| line).collect();
        let separator = separator(&lines, find)?;
        let mut records = records(&lines, separator, find)?;
        let heading = heading(&records, find).then(|| records.remove(0).cells);
        let columns = Columns::of(heading.as_deref(), &records, find)?;
        let mut table = Self { notes: columns.notes(heading.as_deref()), ..Self::default() };
        for Cells { line, cells } in records {
            match columns.row(line, cells, separator, find) {
                Ok(row) => table.rows.push(row),
                Err(what) => table.dropped.push(Dropped { line, what }),
            }
        }
        Ok(table)
    }
}

/// Chooses the separator with which most lines name an existing image; then that with which most lines have several cells; then
/// that which comes first in a line.
fn separator(lines: &[&str], find: &dyn Fn(&str) -> Match) -> Result<Separator> {
    let sample: Vec<&str> =
        lines.iter().filter(|line| !line.trim().is_empty()).take(SAMPLE).copied().collect();
    let score = |separator: Separator| {
        // A quote may be missing, or closed after the sample.
        let records =
            records(&sample, separator, find).unwrap_or_else(|_| unquoted_records(&sample, separator));
        let several = records.iter().filter(|record| record.cells.len() > 1);
        let named =
            several.clone().filter(|record| record.cells.iter().any(|cell| find(cell) != Match::Nothing));
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

/// Splits lines without regard to quotes.
fn unquoted_records(lines: &[&str], separator: Separator) -> Vec<Cells> {
    let cells = |line: &&str| match separator {
        Separator::Byte(byte) => {
            line.split(char::from(byte)).map(|cell| cell.trim_matches(['"', ' ']).to_owned()).collect()
        }
        Separator::Spaces => line.split_whitespace().map(str::to_owned).collect(),
    };
    (1..).zip(lines.iter().map(cells)).map(|(line, cells)| Cells { line, cells }).collect()
}

/// Splits all lines that are not blank.
fn records(lines: &[&str], separator: Separator, find: &dyn Fn(&str) -> Match) -> Result<Vec<Cells>> {
    let mut records = match separator {
        Separator::Byte(byte) => quoted(lines, byte)?,
        Separator::Spaces => {
            let filled = (1..).zip(lines).filter(|(_, line)| !line.trim().is_empty());
            let mut all: Vec<Cells> = filled
                .map(|(number, line)| Cells { line: number, cells: words(line.trim(), find) })
                .collect();
            split_numbers(&mut all);
            all
        }
    };
    for Cells { cells, .. } in &mut records {
        while cells.len() > 1 && cells.last().is_some_and(|cell| cell.is_empty()) {
            cells.pop();
        }
    }
    records.retain(|record| record.cells.iter().any(|cell| !cell.is_empty()));
    Ok(records)
}

/// Splits text at a separator, with quotes.
fn quoted(lines: &[&str], separator: u8) -> Result<Vec<Cells>> {
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
        // The reported position may be on blank lines before the record.
        let given = record.position().map_or(0, |position| position.byte() as usize);
        let start = given + text[given..].len() - text[given..].trim_start_matches('\n').len();
        let end = (reader.position().byte() as usize).clamp(start, text.len());
        line += text[counted..start].matches('\n').count();
        counted = start;
        let raw = text[start..end].trim_end_matches('\n');
        if raw.contains('\n') && !raw.matches('"').count().is_multiple_of(2) {
            return Err(Error::data(format!(
                "line {line}, `{}`: missing quote",
                shortened(raw.lines().next().unwrap_or(raw))
            ))
            .help("close the quote: \"Cat, domestic\""));
        }
        let cells = record.iter().map(|cell| unquoted(cell).to_owned()).collect();
        records.push(Cells { line, cells });
    }
}

/// Splits a line after the longest name of an image, or before the last word if there is none.
fn words(line: &str, find: &dyn Fn(&str) -> Match) -> Vec<String> {
    let plain = |text: &str| unquoted(text).to_owned();
    let gaps: Vec<usize> = line.match_indices(char::is_whitespace).map(|(at, _)| at).collect();
    // Most lists have only one gap.
    let sure = |at: &&usize| matches!(find(&plain(&line[..**at])), Match::Sure(_) | Match::Likely(_));
    match gaps.iter().rev().find(sure).or(gaps.last()) {
        Some(&at) => vec![plain(&line[..at]), plain(&line[at..])],
        None => vec![plain(line)],
    }
}

/// Removes quotes around a cell; the csv reader ignores quotes after a space.
fn unquoted(cell: &str) -> &str {
    let cell = cell.trim();
    cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell)
}

/// If numbers follow the class in every line, splits them into columns.
fn split_numbers(records: &mut [Cells]) {
    let has_numbers = |record: &Cells| {
        let Some(rest) = record.cells.get(1) else { return false };
        let mut words = rest.split_whitespace().skip(1).peekable();
        words.peek().is_some() && words.all(is_number)
    };
    if !records.is_empty() && records.iter().all(has_numbers) {
        for Cells { cells, .. } in records {
            let rest = cells.split_off(1);
            cells.extend(rest.iter().flat_map(|rest| rest.split_whitespace()).map(str::to_owned));
        }
    }
}
