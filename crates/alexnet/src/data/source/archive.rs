//! Archives of images, read in place: one pass lists where each member's bytes are, nothing is unpacked.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tar::EntryType;

use super::Place;
use super::naming::{HEAD, hidden_part};
use super::text::lossless;
use super::tree::some;
use crate::files::read_at;

/// Most bytes that an entry's own description, its long name above all, may take.
const MOST_DESCRIPTION: u64 = 1 << 20;

/// The size in which tars count.
const BLOCK: u64 = 512;

/// Most zeros that are looked behind for another archive.
const MOST_ZEROS: u64 = 64 << 20;

/// Bytes of them that are read at a time.
const PIECE: usize = 1 << 16;

/// Most files that are kept open.
const MOST_OPEN: usize = 256;

/// A plain file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its path; in an archive of archives, behind the path of its archive.
    pub(super) name: String,
    /// Where its bytes begin in the outermost archive.
    pub(super) offset: u64,
    pub(super) len: u32,
}

/// What an archive holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) files: Vec<Member>,
    pub(super) folders: Vec<String>,
    /// Members that are neither, links and devices, and those whose names leave the archive.
    pub(super) odd: Vec<String>,
    /// Whether an archive ends without the mark of an end: cut short between two members, or put together without.
    pub(super) unended: bool,
    pub(super) oddities: Oddities,
}

/// What is unusual about an archive that can be read all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Oddities {
    /// Members whose names begin with `/`, which is left out.
    absolute: usize,
    /// Members that come again later; the last one counts.
    replaced: Vec<String>,
    /// Archives that are joined to the first.
    joined: usize,
    /// Members whose names are not UTF-8.
    not_utf8: Vec<String>,
    /// Bytes after the end that are not an archive.
    trailing: u64,
}

impl Oddities {
    fn add(&mut self, other: Self) {
        let Self { absolute, replaced, joined, not_utf8, trailing } = other;
        self.absolute += absolute;
        self.replaced.extend(replaced);
        self.joined += joined;
        self.not_utf8.extend(not_utf8);
        self.trailing += trailing;
    }
}

impl Oddities {
    /// What to tell of an archive that is not as most are.
    pub(super) fn notes(&self, path: &Path) -> Vec<String> {
        let archive = path.display();
        let Self { absolute, replaced, joined, not_utf8, trailing } = self;
        let list = |names: &[String]| some(&names.iter().map(String::as_str).collect::<Vec<_>>());
        let mut notes = Vec::new();
        if *absolute > 0 {
            notes.push(format!("{archive}: removed the leading / from {absolute} member names"));
        }
        if *joined > 0 {
            notes.push(format!("{archive}: {} archives joined into one; all of them are read", joined + 1));
        }
        if !replaced.is_empty() {
            notes.push(format!(
                "{archive}: {} members are in it more than once; the last one counts: {}",
                replaced.len(),
                list(replaced)
            ));
        }
        if !not_utf8.is_empty() {
            notes.push(format!(
                "{archive}: {} member names are not UTF-8 and were read as Windows-1252 (Latin-1): {}",
                not_utf8.len(),
                list(not_utf8)
            ));
        }
        if *trailing > 0 {
            notes.push(format!(
                "{archive}: {trailing} bytes after the end of the archive are not part of it and were ignored"
            ));
        }
        notes
    }
}

impl Contents {
    /// What to tell of the archive; not of `odd`.
    pub(super) fn notes(&self, path: &Path) -> Vec<String> {
        let mut notes = self.oddities.notes(path);
        if self.unended {
            notes.push(format!(
                "{}: no end of the archive: if it was cut short between two members, some are missing",
                path.display()
            ));
        }
        notes
    }
}

/// What the tar at `path` holds, in its order.
///
/// # Errors
/// When it is not a tar, or a member is not whole.
pub(super) fn contents(path: &Path) -> Result<Contents> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    members(Part { file, start: 0, len, at: 0, since_seek: 0 })
}

/// What the archives in the tar at `path` hold: a member `1.JPEG` of a member `a.tar` is called `a.tar/1.JPEG`. What is no
/// archive is odd, and so is a hidden member such as `._a.tar`, which holds what macOS knows of `a.tar`.
///
/// # Errors
/// As [`contents`], for every archive.
pub(super) fn nested_contents(path: &Path) -> Result<Contents> {
    let outer = contents(path)?;
    let (tars, others): (Vec<Member>, Vec<Member>) = outer
        .files
        .into_iter()
        .partition(|member| member.name.ends_with(".tar") && hidden_part(&member.name).is_none());
    let inner = tars.par_iter().map(|tar| {
        let part =
            Part { file: File::open(path)?, start: tar.offset, len: tar.len.into(), at: 0, since_seek: 0 };
        members(part).map_err(|error| Error::new(error.kind(), format!("{}: {error}", tar.name)))
    });
    let inner: Vec<Contents> = inner.collect::<Result<_>>()?;
    let mut all =
        Contents { odd: outer.odd, unended: outer.unended, oddities: outer.oddities, ..Contents::default() };
    all.odd.extend(others.into_iter().map(|member| member.name));
    for (tar, inner) in tars.iter().zip(inner) {
        let below = |name: &str| format!("{}/{name}", tar.name);
        all.files.extend(inner.files.into_iter().map(|file| Member { name: below(&file.name), ..file }));
        all.odd.extend(inner.odd.iter().map(|name| below(name)));
        all.unended |= inner.unended;
        all.oddities.add(inner.oddities);
    }
    Ok(all)
}

/// What an archive holds, and those that are joined to it: after the end of one comes the beginning of the next.
fn members(mut part: Part) -> Result<Contents> {
    let mut all = Contents::default();
    let end = part.start + part.len;
    loop {
        part = one_archive(part, end, &mut all)?;
        match next_archive(&mut part, end)? {
            Next::Nothing => break,
            Next::Archive(at) => {
                all.oddities.joined += 1;
                part = Part { file: part.file, start: at, len: end - at, at: 0, since_seek: 0 };
            }
            Next::Other(at) => {
                all.oddities.trailing = end - at;
                break;
            }
        }
    }
    all.relative();
    all.keep_last();
    Ok(all)
}

/// Adds the members of the archive at a part's start; `end` is that of the outermost part.
fn one_archive(part: Part, end: u64, all: &mut Contents) -> Result<Part> {
    let start = part.start;
    let mut archive = tar::Archive::new(part);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        let bytes = entry.path_bytes();
        let name = lossless(&bytes);
        if std::str::from_utf8(&bytes).is_err() {
            all.oddities.not_utf8.push(name.clone());
        }
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            all.folders.push(name);
        } else if kind.is_file() {
            let (offset, len) = (start.saturating_add(entry.raw_file_position()), entry.size());
            if offset.checked_add(len).is_none_or(|last| last > end) {
                let cut = format!("{name} would end past the end of its archive");
                return Err(Error::new(ErrorKind::UnexpectedEof, cut));
            }
            match u32::try_from(len) {
                Ok(len) if !leaves_root(&name) => all.files.push(Member { name, offset, len }),
                _ => all.odd.push(name),
            }
        } else if !matches!(kind, EntryType::XGlobalHeader | EntryType::XHeader) {
            all.odd.push(name);
        }
    }
    let part = archive.into_inner();
    // After the last member comes a block of zeros, or nothing was left to read.
    all.unended = part.since_seek == 0;
    Ok(part)
}

/// What comes after the end of an archive and the zeros there.
enum Next {
    Nothing,
    /// Another archive, from this place of the file.
    Archive(u64),
    /// Something else.
    Other(u64),
}

/// Looks behind the zeros at a part's end, which are read in larger pieces than headers are.
fn next_archive(part: &mut Part, end: u64) -> Result<Next> {
    let mut at = part.start + part.at;
    let last = end.min(at.saturating_add(MOST_ZEROS));
    let mut piece = vec![0; PIECE];
    while at < last {
        let len = usize::try_from(last - at).unwrap_or(PIECE).min(PIECE);
        read_at(&part.file, at, &mut piece[..len])?;
        match piece[..len].iter().position(|&byte| byte != 0) {
            None => at += len as u64,
            Some(first) => {
                // Blocks are counted from the archive's start.
                at += first as u64;
                at -= (at - part.start) % BLOCK;
                return Ok(if is_header(&part.file, at, end) { Next::Archive(at) } else { Next::Other(at) });
            }
        }
    }
    Ok(Next::Nothing)
}

fn is_header(file: &File, at: u64, end: u64) -> bool {
    let mut header = tar::Header::new_old();
    if end - at < BLOCK || read_at(file, at, header.as_mut_bytes()).is_err() {
        return false;
    }
    let bytes = header.as_bytes();
    let sum = bytes[..148].iter().chain(&bytes[156..]).fold(8 * 32, |sum, &byte| sum + u32::from(byte));
    header.cksum().is_ok_and(|told| told == sum)
}

impl Contents {
    /// Where all names begin with `/`, as of an archive that was made of a folder by its whole path, that is removed. One among
    /// others leads out of the archive.
    fn relative(&mut self) {
        if self.files.iter().all(|file| file.name.starts_with('/')) {
            self.oddities.absolute = self.files.len();
            let relative = |name: &mut String| *name = name.trim_start_matches('/').to_owned();
            self.files.iter_mut().for_each(|file| relative(&mut file.name));
            self.folders.iter_mut().for_each(relative);
        }
        let outside = |name: &str| name.is_empty() || name.starts_with('/');
        self.folders.retain(|name| !outside(name));
        let (outside, files) =
            std::mem::take(&mut self.files).into_iter().partition(|file| outside(&file.name));
        self.files = files;
        let outside: Vec<Member> = outside;
        self.odd.extend(outside.into_iter().map(|file| file.name));
    }

    /// Where members have the same name, `./` or not, the last one replaces the others, as when it is unpacked.
    fn keep_last(&mut self) {
        let mut seen = HashSet::new();
        let key = |name: &str| {
            name.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
        };
        let keep: Vec<bool> = self.files.iter().rev().map(|file| seen.insert(key(&file.name))).collect();
        if keep.iter().all(|keep| *keep) {
            return;
        }
        let files = std::mem::take(&mut self.files);
        for (file, keep) in files.into_iter().zip(keep.into_iter().rev()) {
            match keep {
                true => self.files.push(file),
                false => self.oddities.replaced.push(file.name),
            }
        }
    }
}

/// Whether a name points out of the archive. Nothing is ever written there, but such a member is no image of a class.
fn leaves_root(name: &str) -> bool {
    name.split('/').any(|part| part == "..")
}

/// Files whose parts are read from anywhere, by any thread.
#[derive(Debug)]
pub(super) struct Archives(Vec<(PathBuf, OnceLock<File>)>);

impl Archives {
    pub(super) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (path, OnceLock::new())).collect())
    }

    pub(super) fn path(&self, archive: u32) -> &Path {
        &self.0[archive as usize].0
    }

    /// The first bytes of a member.
    pub(super) fn head(&self, place: &Place) -> Result<Vec<u8>> {
        match *place {
            Place::Bytes { archive, offset, len } => self.read(archive, offset, len.min(HEAD as u32)),
            Place::Named | Place::Raw(_) => Ok(Vec::new()),
        }
    }

    /// `len` bytes of an archive at `offset`.
    pub(super) fn read(&self, archive: u32, offset: u64, len: u32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len as usize];
        let (path, kept) = &self.0[archive as usize];
        match kept.get() {
            Some(file) => read_at(file, offset, &mut bytes)?,
            None => {
                let file = File::open(path)?;
                read_at(&file, offset, &mut bytes)?;
                if self.0.len() <= MOST_OPEN {
                    // Another thread may have been faster: then this one is closed.
                    let _ = kept.set(file);
                }
            }
        }
        Ok(bytes)
    }
}

/// A part of a file, as a file of its own.
struct Part {
    file: File,
    start: u64,
    len: u64,
    at: u64,
    /// Bytes read in one go. Between members there is a seek, so these are a description.
    since_seek: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = self.len.saturating_sub(self.at);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if self.since_seek > MOST_DESCRIPTION {
            let what = format!("a member's name and attributes take more than {MOST_DESCRIPTION} bytes");
            return Err(Error::new(ErrorKind::InvalidData, what));
        }
        self.file.seek(SeekFrom::Start(self.start + self.at))?;
        let read = self.file.read(&mut buffer[..most])?;
        self.at += read as u64;
        self.since_seek += read as u64;
        Ok(read)
    }
}

impl Seek for Part {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| Error::other("a place before the beginning"))?;
        self.since_seek = 0;
        Ok(self.at)
    }
}
