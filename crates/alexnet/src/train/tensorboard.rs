//! `events.out.tfevents.*`: the measurements of a training run, for TensorBoard.
//!
//! Each value has the same name as in `metrics.jsonl`. The line of an epoch has the step of its last step, and TensorBoard keeps
//! one value per name and step: so there `train/loss` becomes `epoch/loss`, `lr` becomes `epoch/lr` and so on; `val/loss`,
//! `val/top1` and `val/top5` keep their names.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prost::Message;

use super::metrics::Line;
use crate::files::append::Append;
use crate::files::tf_record::masked_checksum;
use crate::{Error, Result};

/// Prefix of the names of event files.
pub const PREFIX: &str = "events.out.tfevents.";

/// The format version. With it TensorBoard relies on [`SessionLog`] instead of the order of steps.
const VERSION: &str = "brain.Event:2";

/// Writes an event file. Each process of a run has its own.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: Append,
    clock: Clock,
}

impl EventFile {
    /// Creates a file in `folder`. `first_step` is the next step, counted from 1: what other files of the folder hold from this
    /// step on, TensorBoard drops, because those steps are repeated.
    ///
    /// # Errors
    /// Returns an error if the file cannot be created.
    pub fn create(folder: &Path, first_step: usize) -> Result<Self> {
        Self::create_at(folder, first_step, Clock::now())
    }

    fn create_at(folder: &Path, first_step: usize, clock: Clock) -> Result<Self> {
        let (path, file) = create(folder, clock.started as u64)?;
        let mut events = Self { path, file: Append::new(file), clock };
        let time = events.clock.time();
        let version =
            TensorEvent { time, step: 0, version: Some(VERSION.to_owned()), ..TensorEvent::default() };
        let start = TensorEvent {
            time,
            step: first_step as i64,
            start: Some(SessionLog { status: 1 }),
            ..TensorEvent::default()
        };
        // On a full disk both are kept; the first line reports it.
        let _ = events.file.add(&[record(&version), record(&start)].concat());
        Ok(events)
    }

    /// Appends all values of a line.
    ///
    /// # Errors
    /// Returns an error if they cannot be written, for example because the disk is full. They are then kept, and written before
    /// the next.
    pub fn write(&mut self, line: &Line) -> Result<()> {
        let value = |(name, value)| Scalar { tag: tag(line, name).into_owned(), value: Some(value) };
        let summary = Summaries { values: line.scalars().into_iter().map(value).collect() };
        let time = self.clock.time();
        let event =
            TensorEvent { time, step: line.step as i64, summary: Some(summary), ..TensorEvent::default() };
        self.file.add(&record(&event)).map_err(|e| Error::io(&self.path, "write an event", &e))
    }

    /// Writes the values that could not be written before.
    ///
    /// # Errors
    /// Returns an error if they still cannot be written.
    pub fn flush(&mut self) -> Result<()> {
        self.file.add(&[]).map_err(|e| Error::io(&self.path, "write an event", &e))
    }
}

/// Returns the event files in `folder`, in the order in which TensorBoard reads them.
///
/// # Errors
/// Returns an error if the folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> io::Result<Vec<PathBuf>> {
        let paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
        let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
        paths.retain(|path| name(path).starts_with(PREFIX));
        paths.sort();
        Ok(paths)
    };
    list().map_err(|e| Error::io(folder, "list the event files", &e))
}

/// The name of a line's value in TensorBoard.
fn tag<'a>(line: &Line, name: &'a str) -> Cow<'a, str> {
    match line.validation {
        Some(_) if !name.starts_with("val/") => {
            Cow::Owned(format!("epoch/{}", name.strip_prefix("train/").unwrap_or(name)))
        }
        _ => Cow::Borrowed(name),
    }
}

/// Creates a file whose name sorts after all others, even if the clock was set back: TensorBoard reads files in the order of
/// their names, and each replaces steps of those before it.
fn create(folder: &Path, now: u64) -> Result<(PathBuf, File)> {
    let seconds = |path: &PathBuf| name(path)[PREFIX.len()..].split('.').next()?.parse::<u64>().ok();
    let newest = files(folder)?.iter().filter_map(seconds).max();
    let seconds = newest.map_or(now, |newest| now.max(newest.saturating_add(1)));
    let (host, process) = (host(), std::process::id());
    for n in 0_u64.. {
        let path = folder.join(format!("{PREFIX}{seconds:010}.{host}.{process}.{n}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io(&path, "create the file", &error)),
        }
    }
    unreachable!("there are more numbers than files")
}

fn name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// The host name, as far as a file name allows. It only keeps the files of several machines apart.
fn host() -> String {
    let known = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let known =
        known.or_else(|| ["HOSTNAME", "COMPUTERNAME"].iter().find_map(|name| std::env::var(name).ok()));
    let host: String = known.unwrap_or_default().trim().chars().take(64).collect();
    let host = host.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "-");
    if host.is_empty() { "localhost".to_owned() } else { host }
}

/// The time of day at the start, and a monotonic clock from there on.
#[derive(Debug)]
struct Clock {
    /// Seconds since 1970.
    started: f64,
    since: Instant,
}

impl Clock {
    fn now() -> Self {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: started.as_secs_f64(), since: Instant::now() }
    }

    fn time(&self) -> f64 {
        self.started + self.since.elapsed().as_secs_f64()
    }
}

/// `Event`: the fields of TensorFlow's `event.proto` that are used, with its numbers.
#[derive(Clone, PartialEq, Message)]
struct TensorEvent {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summaries>,
    #[prost(message, optional, tag = "7")]
    start: Option<SessionLog>,
}

/// `SessionLog`. Status 1, START, makes TensorBoard drop what earlier files hold from the event's step on.
#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `Summary`.
#[derive(Clone, PartialEq, Message)]
struct Summaries {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Scalar>,
}

/// `Summary.Value` with its `simple_value`, which TensorBoard shows as a scalar. It is optional so that 0 is written too.
#[derive(Clone, PartialEq, Message)]
struct Scalar {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    value: Option<f32>,
}

/// A message in a TFRecord: its length, the length's checksum, the message, its checksum.
fn record(message: &impl Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &masked_checksum(&length).to_le_bytes(), &bytes, &masked_checksum(&bytes).to_le_bytes()]
        .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::metrics::Validation;

    fn line(step: usize) -> Line {
        Line {
            step,
            epoch: 1,
            seconds: 1.5,
            loss: 2.25,
            top1: 0.25,
            lr: 0.01,
            images_per_second: 1000.0,
            waiting: 0.0,
            validation: None,
            health: [("conv1/dead".to_owned(), 0.5)].into(),
        }
    }

    /// Reads the events of a file, and checks their checksums.
    fn read(path: &Path) -> Vec<TensorEvent> {
        let bytes = std::fs::read(path).unwrap();
        let (mut events, mut rest) = (Vec::new(), &bytes[..]);
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let event = TensorEvent::decode(&rest[12..12 + length]).unwrap();
            assert_eq!(record(&event), rest[..length + 16]);
            events.push(event);
            rest = &rest[length + 16..];
        }
        events
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reference data from TensorBoard 2.21.0: `tensorboard.summary.writer.record_writer.RecordWriter`.
    #[test]
    fn records_match_tensorboards_own_writer() {
        let event = TensorEvent { time: 1000.5, ..TensorEvent::default() };
        let version = TensorEvent { version: Some(VERSION.to_owned()), ..event.clone() };
        let start = TensorEvent { step: 21, start: Some(SessionLog { status: 1 }), ..event.clone() };
        let values = [("train/loss", 2.25), ("waiting", 0.0)];
        let values = values.map(|(tag, value)| Scalar { tag: tag.to_owned(), value: Some(value) }).to_vec();
        let summary = TensorEvent { step: 40, summary: Some(Summaries { values }), ..event };
        for (event, golden) in [
            (version, "1800000000000000a37f4b22090000000000448f401a0d627261696e2e4576656e743a32aba33345"),
            (start, "0f000000000000006d532b09090000000000448f4010153a020801fc684730"),
            (
                summary,
                "300000000000000095f5d05f090000000000448f4010282a230a110a0a747261696e2f6c6f737315000010400a0e0a\
                 0777616974696e671500000000b6981b53",
            ),
        ] {
            assert_eq!(hex(&record(&event)), golden);
        }
    }

    #[test]
    fn a_file_starts_with_its_version_and_first_step() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path(), 21).unwrap();
        let mut epoch = line(40);
        epoch.validation = Some(Validation { loss: 0.5, top1: 0.75, top5: 1.0 });
        events.write(&line(40)).unwrap();
        events.write(&epoch).unwrap();
        let found = read(&files(folder.path()).unwrap()[0]);
        assert_eq!(found.iter().map(|event| event.step).collect::<Vec<_>>(), [0, 21, 40, 40]);
        assert_eq!(found[0].version.as_deref(), Some(VERSION));
        assert_eq!(found[1].start, Some(SessionLog { status: 1 }));
        let values = |event: &TensorEvent| -> Vec<(String, f32)> {
            let values = event.summary.clone().unwrap().values.into_iter();
            values.map(|value| (value.tag, value.value.unwrap())).collect()
        };
        let steps = values(&found[2]);
        assert!(steps.iter().map(|(tag, value)| (tag.as_str(), *value)).eq(line(40).scalars()), "{steps:?}");
        let epoch = values(&found[3]);
        let tags: Vec<&str> = epoch.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(
            tags,
            [
                "epoch/loss",
                "epoch/top1",
                "epoch/lr",
                "epoch/images_per_second",
                "epoch/waiting",
                "val/loss",
                "val/top1",
                "val/top5",
                "epoch/conv1/dead"
            ]
        );
    }

    #[test]
    fn each_file_sorts_last_whatever_the_clock_says() {
        let folder = tempfile::tempdir().unwrap();
        let mut made = Vec::new();
        for started in [2e9, 2e9, 1e9, 0.0, 3e9] {
            let clock = Clock { started, since: Instant::now() };
            made.push(EventFile::create_at(folder.path(), 1, clock).unwrap().path);
        }
        assert_eq!(files(folder.path()).unwrap(), made);
        let numbers: Vec<String> =
            made.iter().map(|path| name(path)[PREFIX.len()..][..10].to_owned()).collect();
        assert_eq!(numbers, ["2000000000", "2000000001", "2000000002", "2000000003", "3000000000"]);
    }

    #[test]
    fn times_are_monotonic() {
        let folder = tempfile::tempdir().unwrap();
        // The time of day is read once; later changes of the clock do not matter.
        let clock = Clock { started: 1e9, since: Instant::now() };
        let mut events = EventFile::create_at(folder.path(), 1, clock).unwrap();
        for step in 1..50 {
            events.write(&line(step)).unwrap();
        }
        let times: Vec<f64> = read(&events.path).iter().map(|event| event.time).collect();
        assert!(times.is_sorted() && times[0] >= 1e9 && times[50] < 1e9 + 3600.0, "{times:?}");
        assert!(times[50] > times[0]);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = EventFile::create(Path::new("/nowhere/at/all"), 1).unwrap_err();
        assert!(error.message.contains("/nowhere/at/all"), "{error}");
    }
}
