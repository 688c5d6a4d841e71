//! Tar archives of images, read in place: one pass lists the offset of each member, nothing is unpacked.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tar::EntryType;

use super::catalog::{ByteRange, Location};
use super::naming::{HEAD, hidden_part, plain};
use super::text::lossless;
use crate::files::read_at;
use crate::format::{counted, first_few};
use crate::threads;

/// The maximum size of an entry's extended header, mainly its long name.
const MAX_DESCRIPTION: u64 = 1 << 20;

/// The block size of tar.
const BLOCK: u64 = 512;

/// The maximum number of zero bytes searched for another archive.
const MAX_ZEROS: u64 = 64 << 20;

/// The number of bytes read at a time while searching.
const PIECE: usize = 1 << 16;

/// The maximum number of files kept open.
const MAX_OPEN: usize = 256;

/// A regular file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Its path; in a nested archive, prefixed with the path of that archive.
    pub(super) name: String,
    /// The offset of its bytes in the outermost archive.
    pub(super) offset: u64,
    pub(super) len: u32,
}

/// The contents of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    pub(super) files: Vec<Member>,
    pub(super) folders: Vec<String>,
    /// Members that are neither, such as links and devices, and members whose names leave the archive.
    pub(super) odd: Vec<String>,
    /// Whether the end-of-archive mark is missing: the archive may be truncated between two members.
    pub(super) unended: bool,
    pub(super) oddities: Oddities,
}

/// Unusual properties of an archive that can still be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Oddities {
    /// The number of members with a leading `/`, which is removed.
    absolute: usize,
    /// Members that appear again later; the last one is used.
    replaced: Vec<String>,
    /// The number of archives concatenated to the first.
    joined: usize,
    /// Members whose names are not UTF-8.
    not_utf8: Vec<String>,
    /// The number of bytes after the end that are not an archive.
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

    /// Returns notes for the user.
    pub(super) fn notes(&self, path: &Path) -> Vec<String> {
        let archive = path.display();
        let Self { absolute, replaced, joined, not_utf8, trailing } = self;
        let mut notes = Vec::new();
        if *absolute > 0 {
            notes
                .push(format!("{archive}: removed the leading / from {}", counted(*absolute, "member name")));
        }
        if *joined > 0 {
            notes.push(format!("{archive}: {} concatenated archives; all are read", joined + 1));
        }
        if !replaced.is_empty() {
            notes.push(format!(
                "{archive}: {} more than once; the last one is used: {}",
                counted(replaced.len(), "member"),
                first_few(replaced.iter())
            ));
        }
        if !not_utf8.is_empty() {
            notes.push(format!(
                "{archive}: {} not in UTF-8, read as Windows-1252 (Latin-1): {}",
                counted(not_utf8.len(), "member name"),
                first_few(not_utf8.iter())
            ));
        }
        if *trailing > 0 {
            notes.push(format!("{archive}: ignored {trailing} bytes after the end of the archive"));
        }
        notes
    }
}

impl Contents {
    /// Returns notes for the user, except about `odd`.
    pub(super) fn notes(&self, path: &Path) -> Vec<String> {
        let mut notes = self.oddities.notes(path);
        if self.unended {
            notes.push(format!(
                "{}: no end-of-archive mark; if the archive is truncated, members are missing",
                path.display()
            ));
        }
        notes
    }
}

/// Lists the tar at `path`, in order.
///
/// # Errors
/// Returns an error if it is not a tar, or a member is incomplete.
pub(super) fn contents(path: &Path) -> Result<Contents> {
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    members(Section { file, start: 0, len, at: 0, since_seek: 0 })
}

/// Lists the archives in the tar at `path`: a member `1.JPEG` of a member `a.tar` is named `a.tar/1.JPEG`. Other members are odd,
/// including hidden ones such as `._a.tar`, which holds macOS metadata of `a.tar`.
///
/// # Errors
/// Returns an error as [`contents`] does, for every archive.
pub(super) fn nested_contents(path: &Path) -> Result<Contents> {
    let outer = contents(path)?;
    let (tars, others): (Vec<Member>, Vec<Member>) = outer
        .files
        .into_iter()
        .partition(|member| member.name.ends_with(".tar") && hidden_part(&member.name).is_none());
    let inner = tars.par_iter().map(|tar| {
        let section =
            Section { file: File::open(path)?, start: tar.offset, len: tar.len.into(), at: 0, since_seek: 0 };
        members(section).map_err(|error| Error::new(error.kind(), format!("{}: {error}", tar.name)))
    });
    // Not on the threads that the whole process shares: a forked process has none of them.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let pool = threads::pool(threads).map_err(Error::other)?;
    let inner: Vec<Contents> = pool.install(|| inner.collect::<Result<_>>())?;
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

/// Lists an archive and those concatenated to it.
fn members(mut section: Section) -> Result<Contents> {
    let mut all = Contents::default();
    let end = section.start + section.len;
    loop {
        section = one_archive(section, end, &mut all)?;
        match next_archive(&mut section, end)? {
            Next::Nothing => break,
            Next::Archive(at) => {
                all.oddities.joined += 1;
                section = Section { file: section.file, start: at, len: end - at, at: 0, since_seek: 0 };
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

/// Adds the members of the archive at the start of a section; `end` is that of the outermost section.
fn one_archive(section: Section, end: u64, all: &mut Contents) -> Result<Section> {
    let start = section.start;
    let mut archive = tar::Archive::new(section);
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
                let cut = format!("{name} extends past the end of the archive");
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
    let section = archive.into_inner();
    // The last member is followed by a block of zeros, unless the archive is truncated.
    all.unended = section.since_seek == 0;
    Ok(section)
}

/// What follows the end of an archive and its zeros.
enum Next {
    Nothing,
    /// Another archive at this offset.
    Archive(u64),
    /// Something else at this offset.
    Other(u64),
}

/// Searches for data after the end of a section, in larger pieces than headers are read in.
fn next_archive(section: &mut Section, end: u64) -> Result<Next> {
    let mut at = section.start + section.at;
    let last = end.min(at.saturating_add(MAX_ZEROS));
    let mut piece = vec![0; PIECE];
    while at < last {
        let len = usize::try_from(last - at).unwrap_or(PIECE).min(PIECE);
        read_at(&section.file, at, &mut piece[..len])?;
        match piece[..len].iter().position(|&byte| byte != 0) {
            None => at += len as u64,
            Some(first) => {
                // Blocks are aligned to the start of the archive.
                at += first as u64;
                at -= (at - section.start) % BLOCK;
                return Ok(if is_header(&section.file, at, end) {
                    Next::Archive(at)
                } else {
                    Next::Other(at)
                });
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
    header.cksum().is_ok_and(|declared| declared == sum)
}

impl Contents {
    /// Removes a leading `/` from all names, if every name has one: then the archive was made from an absolute path. Otherwise such
    /// a name leaves the archive.
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

    /// Keeps the last of several members with the same name, with or without `./`, as unpacking would.
    fn keep_last(&mut self) {
        let mut seen = HashSet::new();
        let keep: Vec<bool> = self.files.iter().rev().map(|file| seen.insert(plain(&file.name))).collect();
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

/// Returns whether a name points out of the archive. Nothing is ever written there, but such a member is not an image of a class.
fn leaves_root(name: &str) -> bool {
    name.split('/').any(|section| section == "..")
}

/// Files that any thread can read from at any offset.
#[derive(Debug)]
pub(super) struct Archives {
    files: Vec<ArchiveFile>,
}

/// A file that is opened when it is first read.
#[derive(Debug)]
struct ArchiveFile {
    path: PathBuf,
    file: OnceLock<File>,
}

impl Archives {
    pub(super) fn new(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self { files: paths.into_iter().map(|path| ArchiveFile { path, file: OnceLock::new() }).collect() }
    }

    pub(super) fn path(&self, archive: u32) -> &Path {
        &self.files[archive as usize].path
    }

    /// Reads the first bytes of a member.
    pub(super) fn head(&self, location: &Location) -> Result<Vec<u8>> {
        match *location {
            Location::Bytes(range) => self.read(ByteRange { len: range.len.min(HEAD as u32), ..range }),
            Location::File | Location::Raw(_) => Ok(Vec::new()),
        }
    }

    /// Reads a range of bytes.
    pub(super) fn read(&self, ByteRange { archive, offset, len }: ByteRange) -> Result<Vec<u8>> {
        let mut bytes = vec![0; len as usize];
        let ArchiveFile { path, file: kept } = &self.files[archive as usize];
        match kept.get() {
            Some(file) => read_at(file, offset, &mut bytes)?,
            None => {
                let file = File::open(path)?;
                read_at(&file, offset, &mut bytes)?;
                if self.files.len() <= MAX_OPEN {
                    // If another thread was faster, this file is closed.
                    let _ = kept.set(file);
                }
            }
        }
        Ok(bytes)
    }
}

/// A section of a file, as a file of its own.
struct Section {
    file: File,
    start: u64,
    len: u64,
    at: u64,
    /// The number of bytes read since the last seek. There is a seek between members, so this is an extended header.
    since_seek: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let left = self.len.saturating_sub(self.at);
        let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        if self.since_seek > MAX_DESCRIPTION {
            let what = format!("the name and attributes of a member exceed {MAX_DESCRIPTION} bytes");
            return Err(Error::new(ErrorKind::InvalidData, what));
        }
        self.file.seek(SeekFrom::Start(self.start + self.at))?;
        let read = self.file.read(&mut buffer[..most])?;
        self.at += read as u64;
        self.since_seek += read as u64;
        Ok(read)
    }
}

impl Seek for Section {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.len.checked_add_signed(by),
        };
        self.at = at.ok_or_else(|| Error::other("seek before the start"))?;
        self.since_seek = 0;
        Ok(self.at)
    }
}
